"""Storage, and the only importers of Azure's SDKs: one set of async clients for the whole process."""

from handlers.stores.blobs import Blobs, ContainerName
from handlers.stores.faults import NotFound, StorageFault
from handlers.stores.queues import Queues
from handlers.stores.stores import Stores
from handlers.stores.tables import Entity, TableName, Tables, table_key

__all__ = [
    "Blobs",
    "ContainerName",
    "Entity",
    "NotFound",
    "Queues",
    "StorageFault",
    "Stores",
    "TableName",
    "Tables",
    "table_key",
]
