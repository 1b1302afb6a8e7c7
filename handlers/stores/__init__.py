"""Storage, and the only importers of Azure's SDKs: one set of async clients for the whole process."""

from handlers.stores.account import Account
from handlers.stores.blobs import BlobRef, Blobs, ContainerName, Found, Held, Opened
from handlers.stores.queues import (
    DROPS_POISON_QUEUE,
    INBOX_POISON_QUEUE,
    INBOX_QUEUE,
    MAX_MESSAGE_BYTES,
    NOTIFICATION_QUEUES,
    Encoding,
    Queues,
    Received,
    fits,
)
from handlers.stores.stores import Stores
from handlers.stores.tables import Continuation, Entity, Int64, Row, TableName, Tables, Value, table_key

__all__ = [
    "DROPS_POISON_QUEUE",
    "INBOX_POISON_QUEUE",
    "INBOX_QUEUE",
    "MAX_MESSAGE_BYTES",
    "NOTIFICATION_QUEUES",
    "Account",
    "BlobRef",
    "Blobs",
    "ContainerName",
    "Continuation",
    "Encoding",
    "Entity",
    "Found",
    "Held",
    "Int64",
    "Opened",
    "Queues",
    "Received",
    "Row",
    "Stores",
    "TableName",
    "Tables",
    "Value",
    "fits",
    "table_key",
]
