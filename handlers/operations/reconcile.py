"""The account: archive, quarantine and ledger against each other, to show that nothing is lost."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from events import Channel, EventType
from handlers.errors import NotFound
from handlers.ids import newest_first, time_of
from handlers.ledger.write import OPEN, Status, day, subjects_of, timeline_partition
from handlers.paths import UNKNOWN_EVENT
from handlers.pipeline import inbox
from handlers.stores import (
    INBOX_POISON_QUEUE,
    INBOX_QUEUE,
    BlobRef,
    ContainerName,
    Row,
    Stores,
    TableName,
    table_key,
)
from handlers.work import Work

_AT_ONCE = 16
_COLUMNS = [
    "PartitionKey", "RowKey", "id", "event", "kind", "subject", "status", "raw", "dataRef", "subjects",
    "origin", "replaying", "replayedBy", "dismissed", "erased",
]  # fmt: skip


class Finding(NamedTuple):
    """Name a delivery that does not add up, and what is wrong with it; `unknown` is a blob without a row."""

    id: str
    what: str
    unknown: BlobRef | None = None


@dataclass
class Account:
    """Sum up what was found; `waiting` messages make it inexact until they are handled.

    `failing` are the ids of those that are to be tried again.
    """

    days: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    open: int = 0
    waiting: int = 0
    poison: int = 0
    failing: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        return not self.findings and not self.poison


# Called after each day, with its date as YYYY-MM-DD.
type Progress = Callable[[str, Account], None]


async def verify(stores: Stores, *, since: date | None = None, progress: Progress | None = None) -> Account:
    """Reconcile archive, quarantine and ledger, from a day on (default: from the first).

    Reads each container and the ledger once, day by day, and looks up three rows a delivery.
    Raises StorageFault.
    """
    account = Account()
    rows = _ByDay(_rows(stores, since))
    blobs = [
        _ByDay(_blobs(stores, container, event, since))
        for container in (ContainerName.ARCHIVE, ContainerName.QUARANTINE)
        for event in _folders()
    ]
    while when := await _first_day(rows, *blobs):
        await _verify_day(stores, await rows.take(when), [await each.take(when) for each in blobs], account)
        account.days += 1
        if progress is not None:
            progress(when, account)
    account.findings += [finding async for finding in _open_rows(stores, account)]
    account.waiting = await stores.queues.depth(INBOX_QUEUE)
    account.poison = await stores.queues.depth(INBOX_POISON_QUEUE)
    if not account.waiting:
        nowhere = "it is to be tried again, but no message of it waits in the inbox"
        account.findings += [Finding(delivery_id, nowhere) for delivery_id in account.failing]
    return account


async def adopt(stores: Stores, place: BlobRef) -> None:
    """Put bytes that no row tells of into the inbox: they came whole, though their sender was never told.

    They stem from a crash between the two writes of a large body. If it was sent again since, this one is a
    repeat, and is marked as such. Raises StorageFault.
    """
    found = await stores.blobs.find(*place)
    event, _, delivery_id = place.name.partition(".")[0].partition("/")
    delivery_id = delivery_id.rpartition("/")[2]
    work = Work(
        id=delivery_id,
        event=event,
        channel=Channel.WEBHOOK,
        received_at=time_of(delivery_id),
        size=found.size,
        blob=place,
    )
    await inbox.requeue(stores, work, delay=0)


async def _first_day(*streams: "_ByDay[Row] | _ByDay[str]") -> str | None:
    days = [await each.day() for each in streams]
    return min((day for day in days if day is not None), default=None)


class _ByDay[T]:
    """Read a stream that is in the order of days, a day at a time."""

    def __init__(self, stream: AsyncIterator[tuple[str, T]]) -> None:
        self._stream = stream
        self._next: tuple[str, T] | None = None

    async def day(self) -> str | None:
        """Return the next day that has something, None at the end."""
        if self._next is None:
            self._next = await anext(self._stream, None)
        return self._next[0] if self._next else None

    async def take(self, day: str) -> list[T]:
        """Return what the stream has of this day."""
        taken: list[T] = []
        while await self.day() == day and self._next is not None:
            taken.append(self._next[1])
            self._next = None
        return taken


async def _rows(stores: Stores, since: date | None) -> AsyncIterator[tuple[str, Row]]:
    # days begin with a digit; the other partitions of the table with a letter
    first = f"{since:%Y-%m-%d}" if since else "0"
    condition = f"PartitionKey ge '{first}' and PartitionKey lt 'a'"
    async for row in stores.tables.query(TableName.DELIVERIES, condition, columns=_COLUMNS):
        yield str(row["PartitionKey"]), row


async def _blobs(
    stores: Stores, container: ContainerName, event: str, since: date | None
) -> AsyncIterator[tuple[str, str]]:
    async for blob in stores.blobs.list(container, f"{event}/"):
        when = "-".join(blob.name.split("/")[1:4])
        if since is None or when >= f"{since:%Y-%m-%d}":
            yield when, f"{container}/{blob.name}"


def _folders() -> Iterator[str]:
    yield from EventType
    yield UNKNOWN_EVENT


class _Blobs(NamedTuple):
    """Hold the places of a day's blobs, by what they are."""

    raw: dict[str, list[str]]
    data: set[str]
    problems: set[str]


async def _verify_day(stores: Stores, rows: list[Row], places: list[list[str]], account: Account) -> None:
    blobs = _sorted(place for each in places for place in each)
    known = {str(row["id"]) for row in rows}
    account.by_status.update(str(row.get("status")) for row in rows)
    account.failing += [str(row["id"]) for row in rows if row.get("status") == Status.FAILING]
    for delivery_id, names in blobs.raw.items():
        if delivery_id not in known:
            container, _, name = names[0].partition("/")
            unknown = BlobRef(ContainerName(container), name)
            account.findings.append(Finding(delivery_id, f"{unknown} is not in the ledger", unknown))
    gate = asyncio.Semaphore(_AT_ONCE)

    async def checked(row: Row) -> list[Finding]:
        async with gate:
            return [Finding(str(row["id"]), what) async for what in _wrong_with(stores, row, blobs)]

    for found in await asyncio.gather(*(checked(row) for row in rows)):
        account.findings += found


def _sorted(places: Iterable[str]) -> _Blobs:
    found = _Blobs({}, set(), set())
    for place in places:
        delivery_id, _, extension = place.rpartition("/")[2].partition(".")
        if extension == "data.json":
            found.data.add(place)
        elif extension == "problem.json":
            found.problems.add(delivery_id)
        else:
            found.raw.setdefault(delivery_id, []).append(place)
    return found


async def _wrong_with(stores: Stores, row: Row, blobs: _Blobs) -> AsyncIterator[str]:
    if row.get("erased"):
        return
    if row.get("status") is None:
        yield "its row has no status"
    else:
        async for what in _wrong_with_row(stores, row, blobs):
            yield what
        async for what in _wrong_with_outcome(stores, row, blobs):
            yield what


async def _wrong_with_row(stores: Stores, row: Row, blobs: _Blobs) -> AsyncIterator[str]:
    if row.get("raw") and row["raw"] not in blobs.raw.get(str(row["id"]), ()):
        yield f"its bytes are not at {row['raw']}"
    if row.get("replaying"):
        yield "its replay was begun and not finished: ask for it again"
    if row.get("replayedBy") and not await _exists(stores, str(row["replayedBy"])):
        yield f"its replay {row['replayedBy']} is not in the ledger"


async def _wrong_with_outcome(stores: Stores, row: Row, blobs: _Blobs) -> AsyncIterator[str]:
    delivery_id, status = str(row["id"]), row["status"]
    if status in {Status.QUARANTINED, Status.FAILED}:
        if status == Status.QUARANTINED and delivery_id not in blobs.problems:
            yield "its .problem.json is not in quarantine"
        closed = row.get("replayedBy") or row.get("dismissed")
        if not closed and not await _has(stores, TableName.DELIVERIES, OPEN, newest_first(delivery_id)):
            yield "it was neither replayed nor dismissed, and yet is not open"
    elif status != Status.FAILING:
        async for what in _wrong_with_sent(stores, row, blobs):
            yield what


async def _wrong_with_sent(stores: Stores, row: Row, blobs: _Blobs) -> AsyncIterator[str]:
    if row.get("dataRef") and not any(str(row["dataRef"]).endswith(place) for place in blobs.data):
        yield f"its data is not at {row['dataRef']}"
    for subject in subjects_of(row):
        if not await _has(stores, TableName.TIMELINE, timeline_partition(subject), str(row["RowKey"])):
            yield f"the timeline of {subject.kind} {subject.key} does not tell of it"
    if row.get("subject"):
        try:
            record = await stores.tables.get(
                TableName.RECORDS, str(row["kind"]), table_key(str(row["subject"]))
            )
        except NotFound:
            yield f"there is no record of {row['kind']} {row['subject']}"
        else:
            if record["order"] < (row.get("origin") or row["id"]):
                yield f"the record of {row['kind']} {row['subject']} is older than it"


async def _open_rows(stores: Stores, account: Account) -> AsyncIterator[Finding]:
    async for row in stores.tables.query(TableName.DELIVERIES, f"PartitionKey eq '{OPEN}'", columns=["id"]):
        account.open += 1
        delivery_id = str(row["id"])
        try:
            told = await stores.tables.get(TableName.DELIVERIES, day(delivery_id), newest_first(delivery_id))
        except NotFound:
            yield Finding(delivery_id, "it is open, but the ledger does not tell of it")
            continue
        if (
            told.get("replayedBy")
            or told.get("dismissed")
            or told["status"] in {Status.SENT, Status.DUPLICATE}
        ):
            yield Finding(delivery_id, "it is dealt with, and yet open")


async def _exists(stores: Stores, delivery_id: str) -> bool:
    return await _has(stores, TableName.DELIVERIES, day(delivery_id), newest_first(delivery_id))


async def _has(stores: Stores, table: TableName, partition: str, row: str) -> bool:
    try:
        await stores.tables.get(table, partition, row)
    except NotFound:
        return False
    return True
