"""Removes what is held of a delivery: for retention, for erasure, and when a message comes after it."""

from events import Subject
from handlers.ledger import write
from handlers.ledger.rows import DeliveryRow
from handlers.paths import data_path, problem_path, raw_paths
from handlers.pipeline import duplicates
from handlers.stores import BlobRef, ContainerName, Stores


async def forget(stores: Stores, row: DeliveryRow, *, but: Subject | None = None) -> None:
    """Remove a delivery's other rows and its problem document; it stays in the timeline of `but`."""
    await write.forget(stores.tables, row, but=but)
    for subject in row.subjects:
        await duplicates.forget(stores.tables, subject, row.event, row.id)
    await stores.blobs.delete(ContainerName.QUARANTINE, problem_path(row.event, row.id))


async def remove_bytes(stores: Stores, event: str, delivery_id: str, raw: BlobRef | None) -> None:
    """Remove the bytes of a delivery, and its normalised data, wherever they may be."""
    if raw is not None:
        await stores.blobs.delete(*raw)
    for place in places(event, delivery_id):
        await stores.blobs.delete(*place)
    await stores.blobs.delete(ContainerName.ARCHIVE, data_path(event, delivery_id))


def places(event: str, delivery_id: str) -> list[BlobRef]:
    """Return where the bytes of a delivery may be; those of a failed one are in both containers."""
    return [
        BlobRef(container, path)
        for container in (ContainerName.ARCHIVE, ContainerName.QUARANTINE)
        for path in raw_paths(event, delivery_id)
    ]
