"""Removes what is older than RETENTION_DAYS from the tables and the quarantine; never what is still open.

A lifecycle rule of the storage account deletes the archive's blobs. This module deletes everything else, the
oldest day first. It searches for nothing: a row of the ledger names its subjects.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from time import monotonic

from handlers.app import App
from handlers.errors import UnknownDelivery
from handlers.ids import time_of
from handlers.ledger import query, sends, write
from handlers.ledger.rows import DeliveryRow, Status
from handlers.pipeline import removal
from handlers.stores import ContainerName, Row

_log = logging.getLogger("printiq.retention")

# A run ends well before the function's time-out, and the next one resumes.
_SECONDS = 8 * 60
_AT_ONCE = 32


async def retain(app: App) -> int:
    """Remove what is past its time, and return the number of deliveries removed. Raises StorageFault."""
    until = kept_since(app)
    deadline = monotonic() + _SECONDS
    removed = 0
    async for rows in query.past(app.stores.tables, until.date(), _AT_ONCE):
        if monotonic() > deadline:
            _log.warning("Retention stopped after %d deliveries; the next run resumes.", removed)
            break
        removed += sum(await asyncio.gather(*(remove(app, row) for row in rows)))
    await _forget_sends(app, until, deadline)
    _log.info("Retention removed %d deliveries from before %s.", removed, f"{until:%Y-%m-%d}")
    return removed


async def _forget_sends(app: App, until: datetime, deadline: float) -> None:
    """Remove the rows of old deliveries at all subscriptions, including those that no longer exist."""
    tables = app.stores.tables
    async for subscription, deliveries in sends.past(tables, until, _AT_ONCE):
        if monotonic() > deadline:
            return
        await asyncio.gather(*(sends.forget(tables, [subscription], each) for each in deliveries))


def kept_since(app: App) -> datetime:
    """Return the moment whose day is the oldest that is kept."""
    return datetime.now(UTC) - timedelta(days=app.settings.retention_days)


async def remove(app: App, row: Row) -> bool:
    """Remove all that is held of a delivery except its bytes in the archive, its own row last.

    Returns False for a delivery whose bytes a replay still needs: the next run removes it.
    """
    ours = DeliveryRow.read_ours(row)
    if ours is not None:
        if await _is_needed(app, ours):
            return False
        if ours.raw is not None and ours.raw.container is ContainerName.QUARANTINE:
            await app.stores.blobs.delete(*ours.raw)
        await removal.forget(app.stores, ours)
    await write.remove(app.stores.tables, row)
    return True


async def _is_needed(app: App, row: DeliveryRow) -> bool:
    """Return whether the bytes in quarantine are those of a replay that was not processed yet."""
    if row.raw is None or row.raw.container is not ContainerName.QUARANTINE:
        return False
    try:
        now = await query.find(app.stores.tables, row.id)  # it may have been decided about since it was read
        if now.replaying or not now.replayed_by or time_of(now.replayed_by) < kept_since(app):
            return bool(now.replaying)
    except UnknownDelivery:
        return False
    try:
        return (await query.find(app.stores.tables, now.replayed_by)).status is Status.FAILING
    except UnknownDelivery:
        return True
