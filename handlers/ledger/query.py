"""Reading the ledger: one delivery by its id, pages of a filter's selection, and the scans of operations.

No page scans a table: every request names one partition (except one, on the way to older days, that asks for
the first row of all). What each costs:

- `find`: one point lookup.
- `page` of an open filter: the partition OPEN, which holds what waits for a decision.
- `page` with a subject: the subject's partition of `timeline`; without its kind, one for each kind, at once.
- `search`: for each kind, a range of keys in `search`, all at once; and up to two requests of OPEN.
- `page` of anything else: the days, walked backwards, each a partition of `deliveries`. The service matches
  the rest of the filter within the day. A call walks at most MAX_DAYS, then returns what it found so far with
  a cursor: a page may be short, or empty, and still have one that follows.

A page begins where the one before ended, in the order of ids: new arrivals are never shown twice and move
nothing. A delivery that is processed late takes its place by receipt, which may be on a page already seen.
Rows that are not this app's are skipped and logged.
"""

import asyncio
import heapq
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple, Self

from events import Channel, Fact, Kind, Subject, Term
from handlers.errors import BadCursor, NotFound, NothingKept, UnknownDelivery
from handlers.ids import just_before, latest_behind, newest_first
from handlers.ledger.rows import (
    OPEN,
    DeliveryRow,
    ForeignRow,
    LedgerRow,
    RecordRow,
    SearchRow,
    Status,
    TimelineRow,
    day,
    timeline_partition,
)
from handlers.ledger.words import entered, plain
from handlers.stores import BlobRef, Continuation, Row, TableName, Tables, table_key

_log = logging.getLogger("printiq.ledger")

# Days that one call walks.
MAX_DAYS = 31
MAX_SIZE = 1000
# A cursor is the row key of the last row seen, or one between two days.
CURSOR = "[0-9a-f]{32}"

# An id may be ahead of this clock: a drop's is stamped by storage.
_AHEAD = timedelta(minutes=5)
# Days are the partitions that begin with a digit.
_IS_DAY = "PartitionKey ge '0' and PartitionKey lt ':'"
_FIRST_DAY = date(1970, 1, 1)
# The most subjects of a kind that a search returns, the rows of its index read for them, and the deliveries
# that wait for a decision, which it reads through.
_MOST_OF_A_KIND = 10
_MOST_ROWS = 100
_MOST_WAITING = 2000
_FILE = "file"
COLUMNS_OF_WAITING = [
    "PartitionKey", "RowKey", "id", "event", "eventAsNamed", "kind", "subject", "customer", "reference",
    "status", "channel", "receivedAt", "processedAt", "error", "replayOf", "file", "terms",
]  # fmt: skip
_IS_OPEN = f"PartitionKey eq '{OPEN}'"
# The service takes no condition with more; values beyond are matched here.
_MAX_COMPARISONS = 15


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A selection of deliveries; None and an empty set select all.

    `subject` is a business key, exactly as printIQ writes it; `kind` alone selects by what the delivery is
    about. An `event` is in printIQ's own spelling, or paths.UNKNOWN_EVENT. `start` is included, `end` is not;
    both are aware. `open` selects what is quarantined or failed and not yet decided on.
    """

    status: frozenset[Status] = frozenset()
    event: frozenset[str] = frozenset()
    subject: str | None = None
    kind: Kind | None = None
    channel: frozenset[Channel] = frozenset()
    start: datetime | None = None
    end: datetime | None = None
    open: bool = False

    @property
    def sets(self) -> Mapping[str, frozenset[str]]:
        """The columns that must hold one of several selected values."""
        sets: dict[str, frozenset[str]] = {
            "status": frozenset(self.status),
            "channel": frozenset(self.channel),
            "event": self.event,
        }
        return {column: values for column, values in sets.items() if values}

    def matches(self, row: Row) -> bool:
        """Whether a row has one of the selected values in each column."""
        return all(row.get(column) in values for column, values in self.sets.items())


class Page(NamedTuple):
    """Rows, newest first, and the cursor of the page that follows, None after the last."""

    rows: tuple[DeliveryRow | TimelineRow, ...]
    cursor: str | None


class Match(NamedTuple):
    """A subject that a text found, by which term, and the customer and reference of what named it."""

    subject: Subject
    term: Term
    customer: str | None
    reference: str | None

    @classmethod
    def of(cls, kind: Kind, row: SearchRow) -> Self:
        """Read a row: a term that is another subject's key, such as a customer's code, leads to that one."""
        customer = row.customer_name or row.customer
        term = Term(row.fact, row.value)
        if row.fact == Fact.CUSTOMER:
            named = row.customer_name if row.customer == row.value else None
            return cls(Subject(Kind.CUSTOMER, row.value), term, named, None)
        if row.fact == Fact.CUSTOMER_NAME and row.customer and row.customer_name == row.value:
            return cls(Subject(Kind.CUSTOMER, row.customer), term, row.customer_name, None)
        if row.fact in Kind:
            return cls(Subject(Kind(row.fact), row.value), Term(Fact.KEY, row.value), customer, row.reference)
        return cls(Subject(kind, row.subject), term, customer, row.reference)


class Found(NamedTuple):
    """What a text is part of, the nearest first; `more` if there is more than is returned."""

    subjects: tuple[Match, ...]
    waiting: tuple[tuple[DeliveryRow, Term], ...]
    more: bool


async def find(tables: Tables, delivery_id: str) -> DeliveryRow:
    """Return a delivery's row. Raises UnknownDelivery."""
    try:
        partition, row_key = day(delivery_id), newest_first(delivery_id)
    except ValueError:
        raise UnknownDelivery(
            f"{delivery_id[:60]!r} is not a delivery's id, such as 01989765-1d49-7000-8000-000000000001. "
            "Find a job, a quote or an order by its number under /subjects."
        ) from None
    try:
        return DeliveryRow.read(await tables.get(TableName.DELIVERIES, partition, row_key))
    except NotFound:
        raise UnknownDelivery(
            f"No delivery has the id {delivery_id!r}. One that was accepted moments ago may still be waiting "
            "in the inbox: try again in a few seconds."
        ) from None
    except ForeignRow as error:
        raise UnknownDelivery(f"{error} Remove it from the table, or run `dev.py verify`.") from error


async def exists(tables: Tables, delivery_id: str) -> bool:
    """Return whether a delivery has been processed before."""
    return await tables.exists(TableName.DELIVERIES, day(delivery_id), newest_first(delivery_id))


async def is_open(tables: Tables, row: DeliveryRow) -> bool:
    """Return whether a delivery waits for a decision."""
    return await tables.exists(TableName.DELIVERIES, OPEN, row.row_key)


async def is_in_timeline(tables: Tables, row: DeliveryRow, subject: Subject) -> bool:
    """Return whether the timeline of a subject has a delivery."""
    return await tables.exists(TableName.TIMELINE, timeline_partition(subject), row.row_key)


async def latest(tables: Tables, subject: Subject) -> RecordRow | None:
    """Return the latest state of a subject, None if none is known."""
    try:
        row = await tables.get(TableName.RECORDS, subject.kind, table_key(subject.key))
    except NotFound:
        return None
    return RecordRow.read_ours(row)


async def search(tables: Tables, text: str) -> Found:
    """Return what a text is part of: subjects by their index, and what waits for a decision by its terms."""
    start = entered(text)
    if not start:
        return Found((), (), more=False)
    found, (waiting, unsearched) = await asyncio.gather(
        asyncio.gather(*(_subjects_of(tables, kind, start) for kind in Kind)), _waiting_with(tables, start)
    )
    subjects: dict[Subject, Match] = {}
    for match in sorted((match for matches, _ in found for match in matches), key=_by_nearness(start)):
        subjects.setdefault(match.subject, match)
    return Found(tuple(subjects.values()), waiting, more=unsearched or any(more for _, more in found))


async def _subjects_of(tables: Tables, kind: Kind, start: str) -> tuple[list[Match], bool]:
    key = table_key(start)
    # U+FFFF sorts after every character
    condition = f"PartitionKey eq '{kind}' and RowKey ge {quoted(key)} and RowKey lt {quoted(key + '\uffff')}"
    rows, rest = await tables.page(TableName.SEARCH, condition, size=_MOST_ROWS)
    ours = [row for row in map(SearchRow.read_ours, rows) if row is not None]
    by_subject: dict[Subject, Match] = {}
    for match in (Match.of(kind, row) for row in ours):
        by_subject.setdefault(match.subject, match)
    matches = list(by_subject.values())
    return matches[:_MOST_OF_A_KIND], rest is not None or len(matches) > _MOST_OF_A_KIND


def _by_nearness(start: str) -> Callable[[Match], tuple[bool, bool]]:
    """Put a match of the whole before those that only begin so, and a key before other facts."""
    return lambda match: (plain(match.term.value) != start, match.term.fact != Fact.KEY)


async def _waiting_with(tables: Tables, text: str) -> tuple[tuple[tuple[DeliveryRow, Term], ...], bool]:
    """Return the deliveries in OPEN that have a text, and whether there are more."""
    found: list[tuple[DeliveryRow, Term]] = []
    read, rest = 0, None
    while read < _MOST_WAITING:
        rows, rest = await tables.page(
            TableName.DELIVERIES, _IS_OPEN, size=MAX_SIZE, after=rest, columns=COLUMNS_OF_WAITING
        )
        read += len(rows)
        # few rows have it: the others are not parsed
        likely = (row for row in rows if text in plain(f"{row.get('terms')} {row.get('file')}"))
        for row in filter(None, map(DeliveryRow.read_ours, likely)):
            terms = (*row.terms, *([Term(_FILE, row.file)] if row.file else []))
            found += [(row, term) for term in terms if text in plain(term.value)][:1]
        if rest is None:
            break
    return tuple(found[:_MOST_OF_A_KIND]), rest is not None or len(found) > _MOST_OF_A_KIND


def kept(row: DeliveryRow) -> BlobRef:
    """Return where the bytes of a delivery are. Raises NothingKept."""
    if row.raw is not None:
        return row.raw
    if row.status is Status.FAILING:
        raise NothingKept("It is still being retried; its bytes are in the inbox until then.")
    if row.erased:
        raise NothingKept("Its bytes were erased.")
    raise NothingKept("Nothing of it was kept: its bytes never arrived.")


async def days(tables: Tables, since: date | None) -> AsyncIterator[tuple[str, DeliveryRow | ForeignRow]]:
    """Yield each row of the ledger with its day, from the first day on, the newest of each day first."""
    first = f" and PartitionKey ge '{since:%Y-%m-%d}'" if since else ""
    async for row in tables.query(TableName.DELIVERIES, _IS_DAY + first):
        yield str(row["PartitionKey"]), DeliveryRow.read_or_name(row)


async def foreign(tables: Tables, kind: type[LedgerRow]) -> AsyncIterator[ForeignRow]:
    """Yield what other programs wrote into a table, all of which is read."""
    async for row in tables.query(kind.table, "PartitionKey ne ''"):
        if isinstance(found := kind.read_or_name(row), ForeignRow):
            yield found


async def open_rows(tables: Tables) -> AsyncIterator[DeliveryRow]:
    """Yield the copies of what waits for a decision."""
    async for row in tables.query(TableName.DELIVERIES, _IS_OPEN):
        if (ours := DeliveryRow.read_ours(row)) is not None:
            yield ours


async def past(tables: Tables, until: date, size: int) -> AsyncIterator[list[Row]]:
    """Yield the rows from before a day, the oldest day first, `size` at a time, but not what is open."""
    after: Continuation | None = None
    while True:
        rows, after = await tables.page(
            TableName.DELIVERIES,
            f"{_IS_DAY} and PartitionKey lt '{until:%Y-%m-%d}'",
            size=size,
            after=after,
        )
        if rows:
            still_open = await _open_among(tables, rows)
            yield [row for row in rows if row["RowKey"] not in still_open]
        if after is None:
            return


async def _open_among(tables: Tables, rows: Sequence[Row]) -> set[str]:
    """Return the row keys of those that are still open."""
    keys = [str(row["RowKey"]) for row in rows]
    condition = (
        f"PartitionKey eq '{OPEN}' and RowKey ge {quoted(min(keys))} and RowKey le {quoted(max(keys))}"
    )
    found = tables.query(TableName.DELIVERIES, condition, columns=["RowKey"])
    return {str(row["RowKey"]) async for row in found}


async def page(tables: Tables, selected: Filter, *, size: int, cursor: str | None = None) -> Page:
    """Return up to `size` rows (1 to MAX_SIZE), from `cursor` on. Raises BadCursor.

    With a subject, the rows are those of its timeline, which lack queues and bytes.
    """
    if cursor is not None and not re.fullmatch(CURSOR, cursor):
        raise BadCursor("This API did not issue that cursor. Pass one on as it came, or start without one.")
    after = cursor or (just_before(selected.end) if selected.end is not None else None)
    if selected.open:
        return await _open(tables, selected, size, after)
    if selected.subject is not None:
        return await _of_subject(tables, selected, selected.subject, size, after)
    return await _days(tables, selected, size, after)


async def _open(tables: Tables, selected: Filter, size: int, after: str | None) -> Page:
    rows = await _in_partition(
        tables, TableName.DELIVERIES, _condition(OPEN, selected, after), selected, size
    )
    return _page(rows, DeliveryRow, more=len(rows) == size)


async def _days(tables: Tables, selected: Filter, size: int, after: str | None) -> Page:
    rows: list[Row] = []
    today, oldest = _day_behind(after), None
    for _ in range(MAX_DAYS):
        condition = _condition(f"{today:%Y-%m-%d}", selected, after)
        rows += await _in_partition(tables, TableName.DELIVERIES, condition, selected, size - len(rows))
        if len(rows) == size:
            return _page(rows, DeliveryRow, more=True)
        oldest = oldest or await _oldest_day(tables, selected)
        if today <= oldest:
            return _page(rows, DeliveryRow, more=False)
        after = just_before(datetime.combine(today, time.min, UTC))
        today -= timedelta(days=1)
    return _page(rows, DeliveryRow, more=False)._replace(cursor=after)


async def _oldest_day(tables: Tables, selected: Filter) -> date:
    """Return the last day to read: the filter's first, or the first in the ledger (one row is read)."""
    first, _ = await tables.page(TableName.DELIVERIES, _IS_DAY, size=1, columns=["PartitionKey"])
    days = [_day_of(row) for row in first] or [date.max]
    if selected.start is not None:
        days.append(selected.start.astimezone(UTC).date())
    return max(days)


def _day_of(row: Row) -> date:
    try:
        return date.fromisoformat(row["PartitionKey"])
    except ValueError:  # a row that is not ours
        return _FIRST_DAY


async def _of_subject(tables: Tables, selected: Filter, subject: str, size: int, after: str | None) -> Page:
    kinds = [selected.kind] if selected.kind else list(Kind)
    partitions = [timeline_partition(Subject(kind, subject)) for kind in kinds]
    found = await asyncio.gather(
        *(
            _in_partition(tables, TableName.TIMELINE, _condition(partition, selected, after), selected, size)
            for partition in partitions
        )
    )
    # a failed job is in the timelines of `failure` and `job`: one delivery, shown once
    merged: dict[str, Row] = {}
    for row in heapq.merge(*found, key=lambda row: str(row["RowKey"])):
        merged.setdefault(row["RowKey"], row)
    more = len(merged) > size or any(len(each) == size for each in found)
    return _page(list(merged.values())[:size], TimelineRow, more=more)


async def _in_partition(
    tables: Tables, table: TableName, condition: str, selected: Filter, size: int
) -> list[Row]:
    """Return the first `size` rows; a response of the service may hold fewer."""
    rows: list[Row] = []
    rest: Continuation | None = None
    while True:
        found, rest = await tables.page(table, condition, size=size - len(rows), after=rest)
        rows += [row for row in found if _can_end_page(row, table) and selected.matches(row)]
        if rest is None or len(rows) == size:
            return rows


def _can_end_page(row: Row, table: TableName) -> bool:
    """Return whether a row's key can be a cursor; another program's is logged."""
    partition, key = row["PartitionKey"], row["RowKey"]
    if re.fullmatch(CURSOR, key):
        return True
    _log.warning(
        "The row %s %s in the table %s is not one of this app's: its key is no delivery's",
        partition,
        key,
        table,
    )
    return False


def _page(rows: Sequence[Row], kind: type[DeliveryRow | TimelineRow], *, more: bool) -> Page:
    ours = tuple(row for row in map(kind.read_ours, rows) if row is not None)
    return Page(ours, str(rows[-1]["RowKey"]) if more else None)


def _terms(partition: str, selected: Filter, after: str | None) -> Iterator[str]:
    yield f"PartitionKey eq {quoted(partition)}"
    if after is not None:
        yield f"RowKey gt {quoted(after)}"
    if selected.start is not None:
        yield f"RowKey le {quoted(just_before(selected.start))}"
    in_timeline = selected.subject is not None and not selected.open
    if selected.kind is not None and not in_timeline:  # a timeline's partition names its kind
        yield f"kind eq {quoted(selected.kind)}"
    if selected.subject is not None and not in_timeline:
        yield f"subject eq {quoted(selected.subject)}"
    comparisons = _MAX_COMPARISONS - 5
    for column, values in selected.sets.items():
        if len(values) <= comparisons:
            comparisons -= len(values)
            any_of = " or ".join(f"{column} eq {quoted(value)}" for value in sorted(values))
            yield f"({any_of})" if len(values) > 1 else any_of


def _condition(partition: str, selected: Filter, after: str | None) -> str:
    return " and ".join(_terms(partition, selected, after))


def quoted(text: str) -> str:
    """Write a text as OData does."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def _day_behind(after: str | None) -> date:
    """Return the day of the newest row that can follow a row key."""
    newest = datetime.now(UTC) + _AHEAD
    return (newest if after is None else min(newest, latest_behind(after))).date()
