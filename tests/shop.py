"""A print shop with an app on storage of its own: what goes into it, and what comes out."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient
from bench import settings

from handlers.app import App
from handlers.pipeline.process import process
from handlers.stores import INBOX_QUEUE, ContainerName, Row, TableName
from handlers.timings import DEFAULTS, Timings
from handlers.work import Message


@dataclass(frozen=True)
class Shop:
    """An app without its host: `work_off` does what the host would do."""

    app: App
    connection: str

    async def work_off(self) -> None:
        """Process every message in the inbox, delayed ones included."""
        async with QueueServiceClient.from_connection_string(self.connection) as service:
            queue = service.get_queue_client(INBOX_QUEUE)
            await self.app.stores.queues.ensure(INBOX_QUEUE)
            while (await queue.get_queue_properties()).approximate_message_count:
                async for each in queue.receive_messages(messages_per_page=32, visibility_timeout=60):
                    message = Message(each.id, each.inserted_on or datetime.now(UTC), each.content)
                    await process(message, self.app)
                    await queue.delete_message(each)
                await asyncio.sleep(0.05)

    async def rows(self, table: TableName = TableName.DELIVERIES) -> list[Row]:
        return [row async for row in self.app.stores.tables.query(table, "PartitionKey ne 'open'")]

    async def rows_in_time(self, count: int) -> list[Row]:
        """Wait until the ledger of an app that runs elsewhere has `count` rows."""
        async with asyncio.timeout(180):
            while len(rows := await self.rows()) < count:
                await asyncio.sleep(0.1)
        return rows

    async def emptied_in_time(self) -> None:
        """Wait until an app that runs elsewhere has removed every file: that comes after custody."""
        async with asyncio.timeout(180):
            while await self.in_folder():
                await asyncio.sleep(0.1)

    async def row(self) -> Row:
        """Return the one row of the ledger."""
        (row,) = await self.rows()
        return row

    async def results(self, queue: str = "printiq-events") -> list[dict[str, Any]]:
        """Return the messages of a result queue, which stay there."""
        async with QueueServiceClient.from_connection_string(self.connection) as service:
            messages = await service.get_queue_client(queue).peek_messages(max_messages=32)
        return [json.loads(base64.b64decode(each.content)) for each in messages]

    async def blob(self, place: str) -> bytes:
        """Return the bytes at `container/name`."""
        container, _, name = place.partition("/")
        return await self.app.stores.blobs.get(ContainerName(container), name)

    async def problem(self, row: Row) -> dict[str, Any]:
        """Return the problem document beside a refused body."""
        raw = str(row["raw"])
        return dict(json.loads(await self.blob(raw.rpartition(".")[0] + ".problem.json")))

    @asynccontextmanager
    async def blobs(self) -> AsyncIterator[BlobServiceClient]:
        async with BlobServiceClient.from_connection_string(self.connection) as service:
            yield service

    async def drop(self, name: str, body: bytes, **options: Any) -> None:
        """Put a file into the hot folder."""
        await self.app.stores.drops.ensure(ContainerName.HOT_FOLDER)
        async with self.blobs() as service:
            await service.get_blob_client(ContainerName.HOT_FOLDER, name).upload_blob(
                body, overwrite=True, **options
            )

    async def begin(self, name: str, body: bytes = b"") -> None:
        """Put a file into the hot folder that can grow there: an append blob."""
        await self.app.stores.drops.ensure(ContainerName.HOT_FOLDER)
        async with self.blobs() as service:
            blob = service.get_blob_client(ContainerName.HOT_FOLDER, name)
            await blob.create_append_blob()
            if body:
                await blob.append_block(body)

    async def in_folder(self) -> list[str]:
        return [found.name async for found in self.app.stores.drops.list(ContainerName.HOT_FOLDER)]


def tell(
    storage: str, story: Callable[[Shop], Awaitable[None]], timings: Timings = DEFAULTS, **more: object
) -> None:
    """Run a story in a shop on this storage account, with these settings: `MAX_BODY_BYTES=1000`."""

    async def main() -> None:
        own = {name: str(value) for name, value in more.items()}
        app = App.start(settings(storage, **own), timings)
        try:
            await story(Shop(app, storage))
        finally:
            await app.close()

    asyncio.run(main())
