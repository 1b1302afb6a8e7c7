"""Counts of what was received, from the ledger itself: no counter that could differ from it.

A bar (an hour or a day) is a range of row keys within partitions of days: a request for every thousand
deliveries, of two columns. A call counts at most so many bars and rows, the newest first.
Bars that ended some time ago change only where a delivery is retried: they are remembered for ten minutes, so
that a page which is open all day asks for the present hour only.
"""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from weakref import WeakKeyDictionary

from handlers.ids import just_before
from handlers.ledger.write import OPEN
from handlers.stores import TableName, Tables

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
    """Return the beginning of the moment's hour or day, in UTC."""
    moment = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return moment if per == "hour" else moment.replace(hour=0)


@dataclass(frozen=True)
class _Remembered:
    counts: Counts
    until: float


@dataclass
class _Memory:
    bars: dict[tuple[Per, datetime], _Remembered] = field(default_factory=dict)


_memories: WeakKeyDictionary[Tables, _Memory] = WeakKeyDictionary()


async def count(tables: Tables, start: datetime, end: datetime, per: Per) -> dict[datetime, Counts]:
    """Count by event and status, for each hour or day from `start` to before `end`, in that order.

    Both are whole hours or days. The oldest are left out where there are too many or too much in them.
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
        counted = await asyncio.gather(*(_bar(tables, each, per) for each in some))
        found.update(zip(some, counted, strict=True))
        rows += sum(each.total() for each in counted)
        if rows >= MAX_ROWS:
            break
    return dict(sorted(found.items()))


async def _bar(tables: Tables, start: datetime, per: Per) -> Counts:
    memory = _memories.setdefault(tables, _Memory())
    known = memory.bars.get((per, start))
    if known is not None and known.until > time.monotonic():
        return known.counts
    counts = await _count(tables, start, start + WIDTHS[per])
    if datetime.now(UTC) - start > WIDTHS[per] + timedelta(seconds=_REMEMBERED_SECONDS):
        if len(memory.bars) >= _MAX_REMEMBERED:
            memory.bars.clear()
        memory.bars[per, start] = _Remembered(counts, time.monotonic() + _REMEMBERED_SECONDS)
    return counts


async def _count(tables: Tables, start: datetime, end: datetime) -> Counts:
    condition = (
        f"PartitionKey eq '{start:%Y-%m-%d}' and RowKey le '{just_before(start)}' "
        f"and RowKey gt '{just_before(end)}'"
    )
    counts: Counts = Counter()
    columns = ["event", "status"]
    rows, rest = await tables.page(TableName.DELIVERIES, condition, size=_PAGE, columns=columns)
    counts.update((str(row["event"]), str(row["status"])) for row in rows)
    while rest:
        rows, rest = await tables.page(
            TableName.DELIVERIES, condition, size=_PAGE, after=rest, columns=columns
        )
        counts.update((str(row["event"]), str(row["status"])) for row in rows)
    return counts


async def count_open(tables: Tables) -> tuple[int, bool]:
    """Count what waits for a decision, and tell whether there is more: one request."""
    rows, rest = await tables.page(
        TableName.DELIVERIES, f"PartitionKey eq '{OPEN}'", size=_PAGE, columns=["RowKey"]
    )
    return len(rows), rest is not None
