"""Reading the ledger: one delivery by its id, and pages of what a filter selects, the newest first.

Nothing here scans a table: every request names one partition. What each costs:

- `find`: one point lookup.
- `page` of an open filter: the partition `open`, which holds what waits for a decision.
- `page` with a subject: the subject's partition of `timeline`; without its kind, one for each kind, at once.
- `page` of anything else: the days, walked backwards, each a partition of `deliveries`. What the filter asks
  beside the time is matched by the service within the day. A call sends at most MAX_REQUESTS requests, then
  returns what it found so far with a cursor: a page may be short, or empty, and still have one that follows.

A page begins where the one before ended, in the order of ids: what arrives meanwhile is never shown twice and
moves nothing. What is processed late stands where it was received, which may be on a page seen already.
"""

import asyncio
import base64
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from events import Channel, Kind
from handlers.ids import just_before, latest_behind, newest_first
from handlers.ledger import OPEN, Status, day
from handlers.stores import NotFound, TableName, Tables, table_key
from handlers.stores.tables import Row

# Days that one call walks, and pages of a day, together.
MAX_REQUESTS = 31
MAX_SIZE = 1000

# An id may be ahead of this clock: a drop's is stamped by storage.
_AHEAD = timedelta(minutes=5)


class UnknownDelivery(Exception):  # noqa: N818 - an answer, not a fault
    """Say that no delivery has this id, so far."""

    def __init__(self, delivery_id: str) -> None:
        super().__init__(
            f"No delivery has the id {delivery_id[:60]!r}. One that was accepted moments ago may still be "
            "waiting in the inbox: ask again in a few seconds."
        )


class BadCursor(ValueError):  # noqa: N818 - as above
    """Say that a cursor is none of ours."""


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
        raise UnknownDelivery(delivery_id) from None
    try:
        return await tables.get(TableName.DELIVERIES, partition, row)
    except NotFound:
        raise UnknownDelivery(delivery_id) from None


async def page(tables: Tables, selected: Filter, *, size: int, cursor: str | None = None) -> Page:
    """Return up to `size` rows (1 to MAX_SIZE), from `cursor` on. Raises BadCursor.

    With a subject, the rows are those of the timeline: what a delivery was, but not its queues and bytes.
    """
    position = _Position.read(cursor) if cursor else _Position(after=_before(selected.end))
    if selected.subject is not None and not selected.open:
        return await _of_subject(tables, selected, selected.subject, size, position)
    return await _walk(tables, selected, size, position)


class _Position(BaseModel):
    """Say where a page begins: behind the row key `after`, or where the service broke off behind it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: str | None = None
    token: dict[str, str | None] | None = None

    @classmethod
    def read(cls, cursor: str) -> Self:
        """Read a cursor. Raises BadCursor."""
        try:
            position = cls.model_validate_json(base64.b64decode(cursor, altchars=b"-_", validate=True))
            if position.after is not None:
                latest_behind(position.after)
        except (ValueError, ValidationError) as error:
            raise BadCursor(
                "The cursor is none that this API gave out. Pass it on as it came, or begin without one."
            ) from error
        return position

    def cursor(self) -> str:
        return base64.urlsafe_b64encode(self.model_dump_json(exclude_none=True).encode()).decode()


async def _walk(tables: Tables, selected: Filter, size: int, position: _Position) -> Page:
    """Go through the partition `open`, or day by day."""
    rows: list[Row] = []
    oldest: date | None = None
    today = _day_behind(position.after)
    for _ in range(MAX_REQUESTS):
        partition = OPEN if selected.open else f"{today:%Y-%m-%d}"
        condition = _condition(partition, selected, position.after)
        found, token = await tables.page(
            TableName.DELIVERIES, condition, size=size - len(rows), after=position.token
        )
        rows += found
        if len(rows) == size:
            return Page(tuple(rows), _Position(after=rows[-1]["RowKey"]).cursor())
        if token:
            position = _Position(after=position.after, token=dict(token))
            continue
        if selected.open:
            return Page(tuple(rows), None)
        oldest = oldest or await _oldest_day(tables, selected)
        if today <= oldest:
            return Page(tuple(rows), None)
        position = _Position(after=just_before(datetime.combine(today, time.min, UTC)))
        today -= timedelta(days=1)
    return Page(tuple(rows), position.cursor())


async def _oldest_day(tables: Tables, selected: Filter) -> date:
    """Return the last day worth a look: the filter's first, or the first in the ledger (one row is read)."""
    first, _ = await tables.page(
        TableName.DELIVERIES, f"PartitionKey lt {_quoted(OPEN)}", size=1, columns=["PartitionKey"]
    )
    days = [date.fromisoformat(row["PartitionKey"]) for row in first] or [date.max]
    if selected.start is not None:
        days.append(selected.start.astimezone(UTC).date())
    return max(days)


async def _of_subject(tables: Tables, selected: Filter, subject: str, size: int, position: _Position) -> Page:
    kinds = [selected.kind] if selected.kind else list(Kind)
    found = await asyncio.gather(
        *(
            _in_partition(tables, _condition(table_key(f"{kind}|{subject}"), selected, position.after), size)
            for kind in kinds
        )
    )
    # a failed job is told under `failure` and under `job`: one delivery, shown once
    merged: dict[str, Row] = {}
    for row in heapq.merge(*found, key=lambda row: str(row["RowKey"])):
        merged.setdefault(row["RowKey"], row)
    rows = tuple(merged.values())[:size]
    more = len(merged) > size or any(len(each) == size for each in found)
    return Page(rows, _Position(after=rows[-1]["RowKey"]).cursor() if more else None)


async def _in_partition(tables: Tables, condition: str, size: int) -> list[Row]:
    """Return the first `size` rows of one subject's timeline."""
    rows, token = await tables.page(TableName.TIMELINE, condition, size=size)
    while token and len(rows) < size:
        more, token = await tables.page(TableName.TIMELINE, condition, size=size - len(rows), after=token)
        rows += more
    return rows


def _condition(partition: str, selected: Filter, after: str | None) -> str:
    return " and ".join(_terms(partition, selected, after))


def _terms(partition: str, selected: Filter, after: str | None) -> Iterator[str]:
    yield f"PartitionKey eq {_quoted(partition)}"
    if after is not None:
        yield f"RowKey gt {_quoted(after)}"
    if selected.start is not None:
        yield f"RowKey le {_quoted(just_before(selected.start))}"
    columns = {"status": selected.status, "event": selected.event, "channel": selected.channel}
    if selected.kind is not None:
        columns["kind"] = selected.kind
    if selected.open and selected.subject is not None:
        columns["subject"] = selected.subject
    for column, value in columns.items():
        if value is not None:
            yield f"{column} eq {_quoted(value)}"


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def _before(end: datetime | None) -> str | None:
    return just_before(end) if end is not None else None


def _day_behind(after: str | None) -> date:
    """Return the day of the newest row that can stand behind a row key."""
    moment = datetime.now(UTC) + _AHEAD if after is None else latest_behind(after)
    return moment.date()
