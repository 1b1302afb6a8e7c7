"""How the SDK's clients are made: credentials, time-outs, retries, and one transport for all of them."""

from typing import Any, cast

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from handlers.settings import Connection


class Clients:
    """Make the clients of one storage account.

    A call may take a few seconds and be tried three times: a sender waits for at most ten.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._credential = _identity(connection) if not connection.connection_string else None
        self._made: list[Any] = []

    def blobs(self) -> BlobServiceClient:
        return cast("BlobServiceClient", self._make(BlobServiceClient, self._connection.blob))

    def queues(self) -> QueueServiceClient:
        return cast("QueueServiceClient", self._make(QueueServiceClient, self._connection.queue))

    def tables(self) -> TableServiceClient:
        return cast("TableServiceClient", self._make(TableServiceClient, self._connection.table))

    def _make(self, kind: Any, address: str) -> Any:
        options: dict[str, Any] = {
            # reading proxies and netrc anew on every call would cost a third of it
            "transport": AioHttpTransport(use_env_settings=False, connection_timeout=3, read_timeout=5),
            "connection_timeout": 3,
            "read_timeout": 5,
            "retry_total": 2,
            "retry_backoff_factor": 0.3,
            "initial_backoff": 0.3,
            "increment_base": 1.3,
            "random_jitter_range": 0.2,
        }
        if self._connection.connection_string:
            client = kind.from_connection_string(self._connection.connection_string, **options)
        elif kind is TableServiceClient:
            client = kind(endpoint=address, credential=self._credential, **options)
        else:
            client = kind(account_url=address, credential=self._credential, **options)
        self._made.append(client)
        return client

    async def close(self) -> None:
        for client in self._made:
            await client.close()
        if self._credential is not None:
            await self._credential.close()


def _identity(connection: Connection) -> AsyncTokenCredential:
    # imported here: a connection string needs none of it, and it is slow to import
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential  # noqa: PLC0415 - as said above

    if connection.client_id:
        return ManagedIdentityCredential(client_id=connection.client_id)
    return DefaultAzureCredential()
