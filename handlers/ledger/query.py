"""Reading the ledger: one delivery by its id, and pages of what a filter selects, the newest first.

Nothing here scans a table: every request names one partition (one, on the way to older days, asks for the
first row of all). What each costs:

- `find`: one point lookup.
- `page` of an open filter: the partition `open`, which holds what waits for a decision.
- `page` with a subject: the subject's partition of `timeline`; without its kind, one for each kind, at once.
- `page` of anything else: the days, walked backwards, each a partition of `deliveries`. What the filter asks
  beside the time is matched by the service within the day. A call walks at most MAX_DAYS, then returns what
  it found so far with a cursor: a page may be short, or empty, and still have one that follows.

A page begins where the one before ended, in the order of ids: what arrives meanwhile is never shown twice and
moves nothing. What is processed late stands where it was received, which may be on a page seen already.
"""

import asyncio
import heapq
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from events import Channel, Kind, Subject
from handlers.errors import BadCursor, NotFound, NothingKept, UnknownDelivery
from handlers.ids import just_before, latest_behind, newest_first
from handlers.ledger.write import OPEN, Status, day, timeline_partition
from handlers.stores import BlobRef, Row, TableName, Tables

# Days that one call walks.
MAX_DAYS = 31
MAX_SIZE = 1000
# A cursor is the row key of the last row seen, or one between two days.
CURSOR = "[0-9a-f]{32}"

# An id may be ahead of this clock: a drop's is stamped by storage.
_AHEAD = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Select deliveries: what is None selects all.

    `subject` is a business key, exactly as printIQ writes it; `kind` alone selects by what the delivery is
    about. `event` is in printIQ's own spelling, or archive.UNKNOWN_EVENT. `start` is included, `end` is not;
    both are aware. `open` selects those that are quarantined or failed and not yet decided on.
    """

    status: Status | None = None
    event: str | None = None
    subject: str | None = None
    kind: Kind | None = None
    channel: Channel | None = None
    start: datetime | None = None
    end: datetime | None = None
    open: bool = False


class Page(NamedTuple):
    """Hold rows, newest first, and the cursor of the page that follows, None after the last."""

    rows: tuple[Row, ...]
    cursor: str | None


async def find(tables: Tables, delivery_id: str) -> Row:
    """Return a delivery's row. Raises UnknownDelivery."""
    try:
        partition, row = day(delivery_id), newest_first(delivery_id)
    except ValueError:
        raise UnknownDelivery(
            f"{delivery_id[:60]!r} is no id of a delivery, such as 01989765-1d49-7000-8000-000000000001. "
            "A job, a quote or an order is found by its number under /subjects."
        ) from None
    try:
        return await tables.get(TableName.DELIVERIES, partition, row)
    except NotFound:
        raise UnknownDelivery(
            f"No delivery has the id {delivery_id!r}. One that was accepted moments ago may still be waiting "
            "in the inbox: ask again in a few seconds."
        ) from None


def kept(row: Mapping[str, Any]) -> BlobRef:
    """Return where the bytes of a delivery lie. Raises NothingKept."""
    if row.get("raw"):
        return BlobRef.read(str(row["raw"]))
    if row["status"] == Status.FAILING:
        raise NothingKept("It is still being tried; its bytes are in the inbox until then.")
    if row.get("erased"):
        raise NothingKept("Its bytes were erased.")
    raise NothingKept("Nothing of it was kept: its bytes never arrived.")


async def page(tables: Tables, selected: Filter, *, size: int, cursor: str | None = None) -> Page:
    """Return up to `size` rows (1 to MAX_SIZE), from `cursor` on. Raises BadCursor.

    With a subject, the rows are those of the timeline: what a delivery was, but not its queues and bytes.
    """
    if cursor is not None and not re.fullmatch(CURSOR, cursor):
        raise BadCursor(
            "The cursor is none that this API gave out. Pass it on as it came, or begin without one."
        )
    after = cursor or (just_before(selected.end) if selected.end is not None else None)
    if selected.open:
        return await _open(tables, selected, size, after)
    if selected.subject is not None:
        return await _of_subject(tables, selected, selected.subject, size, after)
    return await _days(tables, selected, size, after)


async def _open(tables: Tables, selected: Filter, size: int, after: str | None) -> Page:
    rows = await _in_partition(tables, TableName.DELIVERIES, _condition(OPEN, selected, after), size)
    return _page(rows, more=len(rows) == size)


async def _days(tables: Tables, selected: Filter, size: int, after: str | None) -> Page:
    rows: list[Row] = []
    today, oldest = _day_behind(after), None
    for _ in range(MAX_DAYS):
        condition = _condition(f"{today:%Y-%m-%d}", selected, after)
        rows += await _in_partition(tables, TableName.DELIVERIES, condition, size - len(rows))
        if len(rows) == size:
            return _page(rows, more=True)
        oldest = oldest or await _oldest_day(tables, selected)
        if today <= oldest:
            return _page(rows, more=False)
        after = just_before(datetime.combine(today, time.min, UTC))
        today -= timedelta(days=1)
    return Page(tuple(rows), after)


async def _oldest_day(tables: Tables, selected: Filter) -> date:
    """Return the last day worth a look: the filter's first, or the first in the ledger (one row is read)."""
    first, _ = await tables.page(
        TableName.DELIVERIES, f"PartitionKey lt {quoted(OPEN)}", size=1, columns=["PartitionKey"]
    )
    days = [date.fromisoformat(row["PartitionKey"]) for row in first] or [date.max]
    if selected.start is not None:
        days.append(selected.start.astimezone(UTC).date())
    return max(days)


async def _of_subject(tables: Tables, selected: Filter, subject: str, size: int, after: str | None) -> Page:
    kinds = [selected.kind] if selected.kind else list(Kind)
    partitions = [timeline_partition(Subject(kind, subject)) for kind in kinds]
    found = await asyncio.gather(
        *(
            _in_partition(tables, TableName.TIMELINE, _condition(partition, selected, after), size)
            for partition in partitions
        )
    )
    # a failed job is told under `failure` and under `job`: one delivery, shown once
    merged: dict[str, Row] = {}
    for row in heapq.merge(*found, key=lambda row: str(row["RowKey"])):
        merged.setdefault(row["RowKey"], row)
    more = len(merged) > size or any(len(each) == size for each in found)
    return _page(list(merged.values())[:size], more=more)


async def _in_partition(tables: Tables, table: TableName, condition: str, size: int) -> list[Row]:
    """Return the first `size` rows; the service may break off before it found them, and is then asked on."""
    rows, rest = await tables.page(table, condition, size=size)
    while rest and len(rows) < size:
        more, rest = await tables.page(table, condition, size=size - len(rows), after=rest)
        rows += more
    return rows


def _page(rows: Sequence[Row], *, more: bool) -> Page:
    return Page(tuple(rows), str(rows[-1]["RowKey"]) if more else None)


def _condition(partition: str, selected: Filter, after: str | None) -> str:
    return " and ".join(_terms(partition, selected, after))


def _terms(partition: str, selected: Filter, after: str | None) -> Iterator[str]:
    yield f"PartitionKey eq {quoted(partition)}"
    if after is not None:
        yield f"RowKey gt {quoted(after)}"
    if selected.start is not None:
        yield f"RowKey le {quoted(just_before(selected.start))}"
    columns = {"status": selected.status, "event": selected.event, "channel": selected.channel}
    if selected.kind is not None:
        columns["kind"] = selected.kind
    if selected.open and selected.subject is not None:
        columns["subject"] = selected.subject
    for column, value in columns.items():
        if value is not None:
            yield f"{column} eq {quoted(value)}"


def quoted(text: str) -> str:
    """Write a text as OData does."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def _day_behind(after: str | None) -> date:
    """Return the day of the newest row that can stand behind a row key."""
    newest = datetime.now(UTC) + _AHEAD
    return (newest if after is None else min(newest, latest_behind(after))).date()
