"""Counts of deliveries, from the ledger itself: there is no counter that could disagree with it.

A bar (an hour or a day) is a range of row keys within the partitions of days: one request for each thousand
deliveries, of two columns. A call counts up to LONGEST and MAX_ROWS, the newest first.
Bars that ended some time ago change only when a delivery is retried. They are remembered for ten minutes, so
that a page that is open all day reads only the current hour.
"""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from handlers.ids import just_before
from handlers.ledger.rows import OPEN
from handlers.stores import Continuation, Row, TableName, Tables

type Per = Literal["hour", "day"]
type Counts = Counter[tuple[str, str]]

WIDTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
LONGEST = {"hour": timedelta(days=7), "day": timedelta(days=92)}
MAX_ROWS = 200_000

_PAGE = 1000
_AT_ONCE = 8
_REMEMBERED_SECONDS = 600
_MAX_REMEMBERED = 1000


def floor(moment: datetime, per: Per) -> datetime:
    """Return the start of the moment's hour or day, in UTC."""
    moment = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return moment if per == "hour" else moment.replace(hour=0)


@dataclass(frozen=True)
class _Remembered:
    counts: Counts
    until: float


class Stats:
    """Counts of the ledger; bars that hardly change any more are cached."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._bars: dict[tuple[Per, datetime], _Remembered] = {}

    async def count(self, start: datetime, end: datetime, per: Per) -> dict[datetime, Counts]:
        """Count by event and status, for each hour or day from `start` to before `end`, in that order.

        Both are whole hours or days. The oldest bars are left out if there are too many or too much in them.
        """
        start = max(start, end - LONGEST[per])
        starts = []
        while start < end:
            starts.append(start)
            start += WIDTHS[per]
        found: dict[datetime, Counts] = {}
        rows = 0
        for first in range(len(starts), 0, -_AT_ONCE):
            some = starts[max(0, first - _AT_ONCE) : first]
            counted = await asyncio.gather(*(self._bar(each, per) for each in some))
            found.update(zip(some, counted, strict=True))
            rows += sum(each.total() for each in counted)
            if rows >= MAX_ROWS:
                break
        return dict(sorted(found.items()))

    async def _bar(self, start: datetime, per: Per) -> Counts:
        known = self._bars.get((per, start))
        if known is not None and known.until > time.monotonic():
            return known.counts
        counts = await self._count(start, start + WIDTHS[per])
        if datetime.now(UTC) - start > WIDTHS[per] + timedelta(seconds=_REMEMBERED_SECONDS):
            if len(self._bars) >= _MAX_REMEMBERED:
                self._bars.clear()
            self._bars[per, start] = _Remembered(counts, time.monotonic() + _REMEMBERED_SECONDS)
        return counts

    async def _count(self, start: datetime, end: datetime) -> Counts:
        condition = (
            f"PartitionKey eq '{start:%Y-%m-%d}' and RowKey le '{just_before(start)}' "
            f"and RowKey gt '{just_before(end)}'"
        )
        counts: Counts = Counter()
        more: Continuation | None = None
        while True:
            rows, more = await self._tables.page(
                TableName.DELIVERIES, condition, size=_PAGE, after=more, columns=["event", "status"]
            )
            counts.update((str(row["event"]), str(row["status"])) for row in rows if _is_delivery(row))
            if more is None:
                return counts

    async def count_open(self) -> tuple[int, bool]:
        """Count what is open, and return whether there is more: one request."""
        rows, more = await self._tables.page(
            TableName.DELIVERIES, f"PartitionKey eq '{OPEN}'", size=_PAGE, columns=["RowKey"]
        )
        return len(rows), more is not None


def _is_delivery(row: Row) -> bool:
    # a row that lacks a column is another program's
    return bool(row.get("event") and row.get("status"))
