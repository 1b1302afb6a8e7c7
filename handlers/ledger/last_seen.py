"""When each event last came: a row per event, from which maintenance reports the silent ones.

A process writes an event's row at most every few minutes, so it costs a busy app nothing. The time never goes
back, whatever the order in which deliveries are processed.
"""

import contextlib
from datetime import datetime, timedelta

from handlers.errors import StorageFault
from handlers.ledger.rows import LastSeenRow
from handlers.paths import UNKNOWN_EVENT, folder
from handlers.stores import Entity, Row, TableName, Tables
from handlers.work import Work

# A row may lag by this much: little, compared with the hours for which an event may be silent.
_EVERY = timedelta(minutes=5)


class LastSeen:
    """The times at which events last came; remembers what this process has written."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._noted: dict[str, datetime] = {}

    async def note(self, work: Work) -> None:
        """Note that an event came, unless it is a replay. If storage fails, the next delivery notes it."""
        event = folder(work.event)
        if work.replay is not None or event == UNKNOWN_EVENT:
            return
        if event in self._noted and work.received_at - self._noted[event] < _EVERY:
            return
        with contextlib.suppress(StorageFault):
            self._noted[event] = await self._advance(event, work.received_at)

    async def _advance(self, event: str, received_at: datetime) -> datetime:
        """Write when the event came, unless the row has a later time; return the later one."""
        latest = received_at

        def unless_later(found: Row | None) -> Entity | None:
            nonlocal latest
            before = LastSeenRow.read_ours(found)
            if before is not None and before.received_at >= received_at:
                latest = before.received_at
                return None
            return LastSeenRow(received_at=received_at).columns()

        await self._tables.update(TableName.LAST_SEEN, LastSeenRow.PARTITION, event, unless_later)
        return latest

    async def all(self) -> dict[str, datetime]:
        """Return when each event last came, of those that ever did. Raises StorageFault."""
        rows = self._tables.query(TableName.LAST_SEEN, f"PartitionKey eq '{LastSeenRow.PARTITION}'")
        return {
            str(row["RowKey"]): ours.received_at
            async for row in rows
            if (ours := LastSeenRow.read_ours(row)) is not None
        }
