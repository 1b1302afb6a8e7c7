"""A workbench for handlers: an app on real storage, deliveries for it, and a look into its storage."""

import base64
import contextlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from azure.core.exceptions import ResourceNotFoundError
from azure.core.pipeline.transport import HttpRequest
from azure.data.tables import EntityProperty
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from events import Channel, Delivery
from handlers.app import App
from handlers.ids import new_id, newest_first, time_of
from handlers.ledger.rows import OPEN, day
from handlers.pipeline.process import process
from handlers.settings import Settings
from handlers.stores import INBOX_QUEUE
from handlers.timings import DEFAULTS, Timings
from handlers.work import Message

type Json = dict[str, Any]

RESULTS = "printiq-events"
# An entity of Service Bus.
ENTITY = "job-status"
# Every event to a queue and to Service Bus; and, of the three, to an address that nobody pushes to.
TWO_KINDS = f"""
[queues.{RESULTS}]
events = ["*"]

[service-bus.{ENTITY}]
events = ["*"]
"""
THREE_KINDS = f"""{TWO_KINDS}
[https.crm]
events = ["*"]
url = "https://example.com/hook"
auth = "none"
"""
_STARTED = datetime.now(UTC)
_made = count()
# Nobody listens there.
DEAD = "http://127.0.0.1:9/devstoreaccount1"


class Call(NamedTuple):
    """A request to storage."""

    method: str
    path: str
    query: dict[str, list[str]]

    @classmethod
    def of(cls, request: HttpRequest) -> Self:
        url = urlsplit(request.url)
        return cls(request.method, url.path.partition("/")[2].partition("/")[2], parse_qs(url.query))


def quote(number: str, price: int = 1, **more: object) -> bytes:
    """Return a QuoteDetails document."""
    return json.dumps(
        {"QuoteNo": number, "Products": [{"ProductKey": 1, "Quantities": [{"Price": price}]}], **more}
    ).encode()


def delivery(
    body: bytes, event: str = "CreateQuote", *, at: datetime | None = None, content_type: str | None = None
) -> Delivery:
    """Return a delivery of these bytes, received then or a millisecond after the one made before it."""
    delivery_id = new_id(at or _STARTED + timedelta(milliseconds=next(_made)))
    return Delivery(
        id=delivery_id,
        event=event,
        body=body,
        channel=Channel.WEBHOOK,
        received_at=time_of(delivery_id),
        content_type=content_type,
    )


def settings(storage: str, **more: str) -> Settings:
    """Return settings as the environment would give them."""
    return Settings.read({"AzureWebJobsStorage": storage, "HOT_FOLDER": storage, **more})


def without(storage: str, service: str) -> str:
    """Return the connection string with a service (Blob, Queue, Table) that does not respond."""
    parts = storage.rstrip(";").split(";")
    return ";".join(
        f"{service}Endpoint={DEAD}" if part.startswith(f"{service}Endpoint=") else part for part in parts
    )


def plain_row(entity: Mapping[str, Any]) -> Json:
    """Return the columns without the SDK's wrapping of 64-bit numbers."""
    return {
        name: value.value if isinstance(value, EntityProperty) else value for name, value in entity.items()
    }


class Bench:
    """An app, others on the same storage, and a look into that storage with the SDK's own clients."""

    def __init__(self, storage: str) -> None:
        self.storage = storage
        self._apps: list[App] = []
        self.app = self.start()
        self._blobs = BlobServiceClient.from_connection_string(storage)
        self._queues = QueueServiceClient.from_connection_string(storage)
        self._tables = TableServiceClient.from_connection_string(storage)

    def start(self, storage: str | None = None, *, timings: Timings = DEFAULTS, **more: str) -> App:
        app = App.start(settings(storage or self.storage, **more), timings)
        self._apps.append(app)
        return app

    async def close(self) -> None:
        for app in self._apps:
            await app.close()
        await self._blobs.close()
        await self._queues.close()
        await self._tables.close()

    async def waiting(self, queue: str = INBOX_QUEUE) -> list[Message]:
        """Take all messages out of a queue that can be seen."""
        client = self._queues.get_queue_client(queue)
        taken = []
        with contextlib.suppress(ResourceNotFoundError):
            async for message in client.receive_messages(messages_per_page=32, visibility_timeout=300):
                assert message.inserted_on is not None
                taken.append(Message(message.id, message.inserted_on, message.content))
                await client.delete_message(message)
        return taken

    async def work_off(self, app: App | None = None) -> int:
        """Process what waits in the inbox now, one message after the other; return how many it was."""
        messages = await self.waiting()
        for message in messages:
            await process(message, app or self.app)
        return len(messages)

    async def sent(self, queue: str = RESULTS) -> list[Json]:
        """Take the CloudEvents out of a result queue."""
        return [json.loads(base64.b64decode(message.text)) for message in await self.waiting(queue)]

    async def depth(self, queue: str) -> int:
        """Return how many messages are in a queue, hidden ones included."""
        try:
            properties = await self._queues.get_queue_client(queue).get_queue_properties()
        except ResourceNotFoundError:
            return 0
        return properties.approximate_message_count or 0

    async def rows(self, table: str, **columns: str) -> list[Json]:
        """Return the rows of a table in which these columns have these values."""
        client = self._tables.get_table_client(table)
        condition = " and ".join(f"{name} eq @{name}" for name in columns)
        with contextlib.suppress(ResourceNotFoundError):
            return [plain_row(row) async for row in client.query_entities(condition, parameters=columns)]
        return []

    async def row(self, delivery_id: str, partition: str | None = None) -> Json:
        """Return a delivery's row in the ledger."""
        client = self._tables.get_table_client("deliveries")
        return plain_row(await client.get_entity(partition or day(delivery_id), newest_first(delivery_id)))

    async def is_open(self, delivery_id: str) -> bool:
        try:
            await self.row(delivery_id, OPEN)
        except ResourceNotFoundError:
            return False
        return True

    async def blob(self, place: str) -> bytes:
        """Read a blob by `container/name`."""
        container, _, name = place.partition("/")
        stream = await self._blobs.get_blob_client(container, name).download_blob()
        return await stream.readall()

    async def blobs(self, containers: Iterable[str] = ("archive", "quarantine")) -> list[str]:
        """List all blobs as `container/name`."""
        found = []
        for container in containers:
            with contextlib.suppress(ResourceNotFoundError):
                listed = self._blobs.get_container_client(container).list_blobs()
                found += [f"{container}/{blob.name}" async for blob in listed]
        return found
