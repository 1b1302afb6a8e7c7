"""Removes what is held of a delivery: for retention, for erasure, and when a message comes after it."""

from events import EventError, Subject
from handlers.app import App
from handlers.errors import NotFound, UnknownDelivery
from handlers.ledger import query, sends, write
from handlers.ledger.query import Filter
from handlers.ledger.rows import UNSENT, DeliveryRow, Status, TimelineRow
from handlers.paths import data_path, problem_path, raw_paths
from handlers.pipeline import archive, duplicates
from handlers.stores import BlobRef, ContainerName, Stores

_PAGE = 50


async def forget(stores: Stores, row: DeliveryRow, *, but: Subject | None = None) -> None:
    """Remove a delivery's other rows and its problem document; it stays in the timeline of `but`."""
    await write.forget(stores.tables, row, but=but)
    for subject in row.subjects:
        await duplicates.forget(stores.tables, subject, row.event, row.id)
    await stores.blobs.delete(ContainerName.QUARANTINE, problem_path(row.event, row.id))


async def forget_sends(app: App, row: DeliveryRow) -> None:
    """Remove a delivery's rows at its subscriptions; a push of an erased delivery is dropped."""
    # the row of a delivery that is being retried names none; this app's own may be others, or fewer by now
    names = {*row.queues, *row.withheld} | {name async for name in sends.subscriptions(app.stores.tables)}
    await sends.forget(app.stores.tables, names, row.id)


async def restore_record(app: App, subject: Subject, gone: str) -> None:
    """Give a subject whose latest delivery is `gone` the latest state that is left. Raises StorageFault."""
    while await query.latest(app.stores.tables, subject) is None:
        row = await _latest_left(app, subject, gone)
        if row is None or row.raw is None:
            return
        try:
            event = await archive.parse_kept(row, row.raw, app)
        except (NotFound, EventError):
            return
        if event.subject != subject or await write.restore_record(app.stores.tables, row, event):
            return


async def _latest_left(app: App, subject: Subject, gone: str) -> DeliveryRow | None:
    """Return the delivery with the latest state of a subject, but for the one that is gone."""
    latest: DeliveryRow | None = None
    cursor: str | None = None
    selected = Filter(kind=subject.kind, subject=subject.key)
    while True:
        found = await query.page(app.stores.tables, selected, size=_PAGE, cursor=cursor)
        for each in found.rows:
            assert isinstance(each, TimelineRow)
            if each.id == gone or not each.primary or each.status in {*UNSENT, Status.FAILING}:
                continue
            try:
                row = await query.find(app.stores.tables, each.id)
            except UnknownDelivery:
                continue
            if not row.erased and (latest is None or row.order > latest.order):
                latest = row
            if not row.erased and not row.replay_of:
                return latest  # the rows that follow are older, whatever they replay
        cursor = found.cursor
        if cursor is None:
            return latest


async def remove_bytes(stores: Stores, event: str, delivery_id: str) -> None:
    """Remove the normalised data of a delivery, then its bytes, wherever they may be."""
    await stores.blobs.delete(ContainerName.ARCHIVE, data_path(event, delivery_id))
    for place in places(event, delivery_id):
        await stores.blobs.delete(*place)


def places(event: str, delivery_id: str) -> list[BlobRef]:
    """Return where the bytes of a delivery may be; those of a failed one are in both containers."""
    return [
        BlobRef(container, path)
        for container in (ContainerName.ARCHIVE, ContainerName.QUARANTINE)
        for path in raw_paths(event, delivery_id)
    ]
