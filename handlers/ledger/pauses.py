"""Which subscriptions are paused: the only reader and writer of the table subscriptions."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from events import timestamp
from handlers.ledger.rows import PauseRow
from handlers.stores import TableName, Tables

# After this time a pause is in force in every process: where nothing is paused, an event costs no request.
_UNPAUSED_SECONDS = 30
# The same for a resumption, so that a replay that follows it is not withheld again.
_PAUSED_SECONDS = 1


class Pauses:
    """The pauses in force; while there are any, and events, a process reads them each second."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._found: Mapping[str, PauseRow] = {}
        self._until = 0.0
        self._turn = asyncio.Lock()

    async def all(self) -> Mapping[str, PauseRow]:
        """Return the pauses by subscription. Raises StorageFault."""
        async with self._turn:  # one reads for all
            if time.monotonic() >= self._until:
                self._found = await self._read()
                fresh = _PAUSED_SECONDS if self._found else _UNPAUSED_SECONDS
                self._until = time.monotonic() + fresh
        return self._found

    async def of(self, subscription: str) -> PauseRow | None:
        """Return the pause of a subscription, None if it is not paused. Raises StorageFault."""
        return (await self.all()).get(subscription)

    async def _read(self) -> Mapping[str, PauseRow]:
        condition = f"PartitionKey eq '{PauseRow.PARTITION}'"
        rows = [
            PauseRow.read_ours(row) async for row in self._tables.query(TableName.SUBSCRIPTIONS, condition)
        ]
        return {row.subscription: row for row in rows if row is not None}

    async def pause(self, subscription: str, reason: str, by: str | None = None) -> None:
        """Pause a subscription, or give its pause another reason."""
        row = PauseRow(subscription=subscription, reason=reason, by=by, at=timestamp(datetime.now(UTC)))
        await self._tables.put(TableName.SUBSCRIPTIONS, row.entity())
        await self._refresh()

    async def resume(self, subscription: str) -> None:
        """End the pause of a subscription, if there is one."""
        await self._tables.delete(TableName.SUBSCRIPTIONS, *PauseRow.keys(subscription))
        await self._refresh()

    async def _refresh(self) -> None:
        async with self._turn:  # a reading that began before would be kept
            self._until = 0
