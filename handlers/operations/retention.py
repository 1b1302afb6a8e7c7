"""Removes what is older than RETENTION_DAYS from the tables and the quarantine; never what is still open.

A lifecycle rule of the storage account deletes the archive's blobs. This module deletes everything else, the
oldest day first. It searches for nothing: a row of the ledger names its subjects.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from time import monotonic

from handlers.app import App
from handlers.ledger import query, sends, write
from handlers.ledger.rows import DeliveryRow
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
        await asyncio.gather(*(remove(app, row) for row in rows))
        removed += len(rows)
    await sends.retain(app.stores.tables, until)
    _log.info("Retention removed %d deliveries from before %s.", removed, f"{until:%Y-%m-%d}")
    return removed


def kept_since(app: App) -> datetime:
    """Return the moment whose day is the oldest that is kept."""
    return datetime.now(UTC) - timedelta(days=app.settings.retention_days)


async def remove(app: App, row: Row) -> None:
    """Remove all that is held of a delivery except its bytes in the archive, its own row last."""
    ours = DeliveryRow.read_ours(row)
    if ours is not None:
        if ours.raw is not None and ours.raw.container is ContainerName.QUARANTINE:
            await app.stores.blobs.delete(*ours.raw)
        await removal.forget(app.stores, ours)
    await write.remove(app.stores.tables, row)
