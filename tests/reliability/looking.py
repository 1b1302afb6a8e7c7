"""What a storage account holds, in a form in which two runs can be compared."""

import base64
import json
from typing import Any, NamedTuple

from handlers.app import App
from handlers.pipeline.process import process
from handlers.pushes import Push
from handlers.stores import INBOX_POISON_QUEUE, INBOX_QUEUE, PUSH_QUEUE, TableName
from handlers.work import Message

# Differ from run to run, and say nothing of what came of a delivery.
_VOLATILE = {"processedAt", "steps", "attempts", "dismissedAt", "erased", "erasedAt", "etag"}
_VOLATILE |= {"firstAt", "lastAt", "nextAt", "latencyMs", "at"}


class Seen(NamedTuple):
    """Rows by table and keys, blobs by container and name, and result messages by queue."""

    rows: dict[str, dict[str, Any]]
    blobs: dict[str, bytes]
    messages: dict[str, list[dict[str, Any]]]

    @property
    def ledger(self) -> list[dict[str, Any]]:
        """The rows of the table `deliveries`."""
        return [row for place, row in self.rows.items() if place.startswith(f"{TableName.DELIVERIES}:")]

    def without_duplicates(self) -> "Seen":
        """Leave out a message that is there already: the same one, to the letter."""
        once = {
            queue: [message for number, message in enumerate(messages) if message not in messages[:number]]
            for queue, messages in self.messages.items()
        }
        return self._replace(messages=once)


async def look(app: App) -> Seen:
    """Read all tables, containers and result queues; nothing is taken away."""
    blobs, queues = app.stores.blobs._service, app.stores.queues._service
    rows: dict[str, dict[str, Any]] = {}
    for table in TableName:
        if table == TableName.DRIFT:  # counts what passes, each time that it passes
            continue
        async for row in app.stores.tables.query(table, ""):
            place = f"{table}: {row['PartitionKey']} {row['RowKey']}"
            rows[place] = {name: row[name] for name in sorted(row) if name not in _VOLATILE}
    bytes_of: dict[str, bytes] = {}
    async for container in blobs.list_containers():
        client = blobs.get_container_client(container.name)
        async for blob in client.list_blobs():
            bytes_of[f"{container.name}/{blob.name}"] = await (
                await client.download_blob(blob.name)
            ).readall()
    messages: dict[str, list[dict[str, Any]]] = {}
    async for queue in queues.list_queues():
        if queue.name not in {INBOX_QUEUE, INBOX_POISON_QUEUE}:
            peeked = await queues.get_queue_client(queue.name).peek_messages(32)
            read = _pushed if queue.name == PUSH_QUEUE else _sent
            messages[queue.name] = [read(message.content) for message in peeked]
    return Seen(rows, bytes_of, messages)


def _sent(text: str) -> dict[str, Any]:
    return dict(json.loads(base64.b64decode(text)))


def _pushed(text: str) -> dict[str, Any]:
    push, _ = Push.read(text)
    return {"subscription": push.subscription, "message": json.loads(push.message)}


async def work_off(app: App) -> None:
    """Do what the inbox trigger does, until nothing is left that can be seen."""
    await app.stores.queues.ensure(INBOX_QUEUE)
    client = app.stores.queues._service.get_queue_client(INBOX_QUEUE)
    while True:
        batch = [message async for message in client.receive_messages(max_messages=1, visibility_timeout=60)]
        if not batch:
            return
        for message in batch:
            assert message.inserted_on is not None
            await process(
                Message(message.id, message.inserted_on, message.content, message.dequeue_count or 1), app
            )
            await client.delete_message(message)
