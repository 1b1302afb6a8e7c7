"""Remove what is older than RETENTION_DAYS from the tables and the quarantine; never what is still open.

The archive's blobs go by a lifecycle rule of the storage account. All else goes from here, one day's
partition after the other, the oldest first: nothing is searched for, since a row of the ledger names its
subjects.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from time import monotonic

from events import Subject
from handlers.app import App
from handlers.errors import Conflict, NotFound
from handlers.ledger.write import OPEN, subjects_of, timeline_partition
from handlers.paths import problem_path
from handlers.pipeline import duplicates
from handlers.stores import BlobRef, ContainerName, Row, TableName, table_key

_log = logging.getLogger("printiq.retention")

# A run ends well before the function's time-out, and the next one goes on.
_SECONDS = 8 * 60
_AT_ONCE = 32


async def retain(app: App) -> int:
    """Remove what is past its time, and return how many deliveries that were. Raises StorageFault."""
    until = datetime.now(UTC) - timedelta(days=app.settings.retention_days)
    deadline = monotonic() + _SECONDS
    removed = 0
    async for rows in _past(app, until):
        if monotonic() > deadline:
            _log.warning("Retention stopped after %d deliveries; it goes on in the next run.", removed)
            break
        still_open = await _open_among(app, rows)
        closed = [row for row in rows if row["RowKey"] not in still_open]
        await asyncio.gather(*(remove(app, row) for row in closed))
        removed += len(closed)
    _log.info("Retention removed %d deliveries from before %s.", removed, f"{until:%Y-%m-%d}")
    return removed


async def _past(app: App, until: datetime) -> AsyncIterator[list[Row]]:
    """Yield the rows from before that day, a few at a time."""
    condition, after = f"PartitionKey lt '{until:%Y-%m-%d}'", None
    while True:
        rows, after = await app.stores.tables.page(
            TableName.DELIVERIES, condition, size=_AT_ONCE, after=after
        )
        if rows:
            yield rows
        if after is None:
            return


async def _open_among(app: App, rows: list[Row]) -> set[str]:
    """Return the row keys of those that are still open."""
    keys = [str(row["RowKey"]) for row in rows]
    condition = f"PartitionKey eq '{OPEN}' and RowKey ge '{min(keys)}' and RowKey le '{max(keys)}'"
    found = app.stores.tables.query(TableName.DELIVERIES, condition, columns=["RowKey"])
    return {str(row["RowKey"]) async for row in found}


async def remove(app: App, row: Row) -> None:
    """Remove all that is held of a delivery beside its bytes in the archive, its own row last."""
    await remove_traces(app, row)
    await app.stores.tables.delete(TableName.DELIVERIES, str(row["PartitionKey"]), str(row["RowKey"]))


async def remove_traces(app: App, row: Row, *, but: Subject | None = None) -> None:
    """Remove what the other tables and the quarantine hold of a delivery; `but` one timeline stays."""
    tables, delivery_id = app.stores.tables, str(row["id"])
    for subject in subjects_of(row):
        await _remove_record(app, subject, delivery_id)
        await duplicates.forget(tables, subject, str(row["event"]), delivery_id)
        if subject != but:
            await tables.delete(TableName.TIMELINE, timeline_partition(subject), str(row["RowKey"]))
    raw = BlobRef.read(str(row["raw"])) if row.get("raw") else None
    if raw is not None and raw.container is ContainerName.QUARANTINE:
        await app.stores.blobs.delete(*raw)
    await app.stores.blobs.delete(ContainerName.QUARANTINE, problem_path(row["event"], delivery_id))


async def _remove_record(app: App, subject: Subject, delivery_id: str) -> None:
    """Remove the latest state of a subject if this delivery brought it."""
    key = table_key(subject.key)
    try:
        record = await app.stores.tables.get(TableName.RECORDS, subject.kind, key)
        if record["delivery"] == delivery_id:
            await app.stores.tables.delete(TableName.RECORDS, subject.kind, key, etag=record.etag)
    except (NotFound, Conflict):
        return  # gone already, or a newer delivery has just brought another
