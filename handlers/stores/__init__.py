"""Storage, and the only importers of Azure's SDKs: one set of async clients for the whole process."""

from handlers.stores.account import Account
from handlers.stores.blobs import BlobRef, Blobs, ContainerName, Found, Held, Opened
from handlers.stores.queues import (
    DROPS_POISON_QUEUE,
    INBOX_POISON_QUEUE,
    INBOX_QUEUE,
    MAX_MESSAGE_BYTES,
    NOTIFICATION_QUEUES,
    PUSH_POISON_QUEUE,
    PUSH_QUEUE,
    Encoding,
    Queues,
    Received,
    Sent,
    fits,
)
from handlers.stores.service_bus import MAX_SESSION_ID, BrokerProperties, ServiceBus
from handlers.stores.some_at_once import some_at_once
from handlers.stores.stores import Stores
from handlers.stores.tables import Continuation, Entity, Int64, Row, TableName, Tables, Value, table_key
from handlers.stores.transaction import MAX_OPERATIONS

__all__ = [
    "DROPS_POISON_QUEUE",
    "INBOX_POISON_QUEUE",
    "INBOX_QUEUE",
    "MAX_MESSAGE_BYTES",
    "MAX_OPERATIONS",
    "MAX_SESSION_ID",
    "NOTIFICATION_QUEUES",
    "PUSH_POISON_QUEUE",
    "PUSH_QUEUE",
    "Account",
    "BlobRef",
    "Blobs",
    "BrokerProperties",
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
    "Sent",
    "ServiceBus",
    "Stores",
    "TableName",
    "Tables",
    "Value",
    "fits",
    "some_at_once",
    "table_key",
]
