"""The storage SDKs' own clients, for rare calls: listings, streams, leases."""

from typing import Any, cast

from azure.core.credentials_async import AsyncTokenCredential
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from handlers.settings import Connection
from handlers.stores.wire import CONNECT_SECONDS, READ_SECONDS, transport


class Clients:
    """The clients of one storage account. A call may take a few seconds and is tried three times."""

    def __init__(self, connection: Connection, credential: AsyncTokenCredential | None) -> None:
        self._connection = connection
        self._credential = credential
        self._made: list[Any] = []

    def blobs(self) -> BlobServiceClient:
        return cast("BlobServiceClient", self._make(BlobServiceClient, self._connection.blob))

    def queues(self) -> QueueServiceClient:
        return cast("QueueServiceClient", self._make(QueueServiceClient, self._connection.queue))

    @staticmethod
    def content_settings(content_type: str) -> ContentSettings:
        return ContentSettings(content_type=content_type)

    def _make(self, kind: Any, address: str) -> Any:
        options: dict[str, Any] = {
            "transport": transport(),
            "connection_timeout": CONNECT_SECONDS,
            "read_timeout": READ_SECONDS,
            "retry_total": 2,
            "retry_backoff_factor": 0.3,
            "initial_backoff": 0.3,
            "increment_base": 1.3,
            "random_jitter_range": 0.2,
        }
        if self._connection.connection_string:
            client = kind.from_connection_string(self._connection.connection_string, **options)
        else:
            client = kind(account_url=address, credential=self._credential, **options)
        self._made.append(client)
        return client

    async def close(self) -> None:
        for client in self._made:
            await client.close()
