"""The account: archive, quarantine and ledger against each other, to show that nothing is lost."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from events import EventType
from handlers import inbox
from handlers.archive import UNKNOWN_EVENT
from handlers.ids import newest_first
from handlers.ledger import OPEN, Status, day, subjects_of, timeline_partition
from handlers.stores import ContainerName, NotFound, Stores, TableName, table_key
from handlers.stores.tables import Row

_AT_ONCE = 16
_COLUMNS = [
    "PartitionKey", "RowKey", "id", "event", "kind", "subject", "status", "raw", "dataRef", "subjects",
    "origin", "replaying", "replayedBy", "dismissed", "erased",
]  # fmt: skip


class Finding(NamedTuple):
    """Name a delivery that does not add up, and what is wrong with it."""

    id: str
    what: str


@dataclass
class Account:
    """Sum up what was found; `waiting` messages make it inexact until they are handled."""

    days: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    open: int = 0
    waiting: int = 0
    poison: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        return not self.findings and not self.poison


type Progress = Callable[[date, Account], None]


async def verify(stores: Stores, *, since: date | None = None, progress: Progress | None = None) -> Account:
    """Reconcile archive, quarantine and ledger from a day on (default: the first there is) until today.

    Costs one query and some sixty listings a day, and three look-ups a delivery. Raises StorageFault.
    """
    account = Account()
    first = since or await _first_day(stores)
    today = datetime.now(UTC).date()
    while first is not None and first <= today:
        await _verify_day(stores, first, account)
        account.days += 1
        if progress is not None:
            progress(first, account)
        first += timedelta(days=1)
    account.findings += [finding async for finding in _open_rows(stores, account)]
    account.waiting = await stores.queues.depth(inbox.QUEUE)
    account.poison = await stores.queues.depth(inbox.POISON_QUEUE)
    return account


async def _first_day(stores: Stores) -> date | None:
    days: list[str] = []
    async for row in stores.tables.query(
        TableName.DELIVERIES, "PartitionKey lt 'a'", columns=["PartitionKey"]
    ):
        days.append(row["PartitionKey"])
        break
    for container in (ContainerName.ARCHIVE, ContainerName.QUARANTINE):
        for event in _folders():
            async for blob in stores.blobs.list(container, f"{event}/"):
                days.append("-".join(blob.name.split("/")[1:4]))
                break
    return min(map(date.fromisoformat, days)) if days else None


def _folders() -> Iterator[str]:
    yield from EventType
    yield UNKNOWN_EVENT


class _Blobs(NamedTuple):
    """Hold the names of a day's blobs, by what they are."""

    raw: dict[str, list[str]]
    data: set[str]
    problems: set[str]


async def _verify_day(stores: Stores, when: date, account: Account) -> None:
    blobs = await _blobs_of(stores, when)
    rows = {
        str(row["id"]): row
        async for row in stores.tables.query(
            TableName.DELIVERIES, f"PartitionKey eq '{when:%Y-%m-%d}'", columns=_COLUMNS
        )
    }
    account.by_status.update(str(row.get("status")) for row in rows.values())
    for delivery_id, names in blobs.raw.items():
        if delivery_id not in rows:
            account.findings.append(
                Finding(delivery_id, f"{names[0]} lies there, but no row of the ledger tells of it")
            )
    gate = asyncio.Semaphore(_AT_ONCE)

    async def checked(row: Row) -> list[Finding]:
        async with gate:
            return [Finding(str(row["id"]), what) async for what in _wrong_with(stores, row, blobs)]

    for found in await asyncio.gather(*(checked(row) for row in rows.values())):
        account.findings += found


async def _blobs_of(stores: Stores, when: date) -> _Blobs:
    found = _Blobs({}, set(), set())
    for container in (ContainerName.ARCHIVE, ContainerName.QUARANTINE):
        for event in _folders():
            async for blob in stores.blobs.list(container, f"{event}/{when:%Y/%m/%d}/"):
                delivery_id, _, extension = blob.name.rpartition("/")[2].partition(".")
                place = f"{container}/{blob.name}"
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
    if status == Status.FAILING:
        yield "it is still being tried"
    elif status in {Status.QUARANTINED, Status.FAILED}:
        if status == Status.QUARANTINED and delivery_id not in blobs.problems:
            yield "its .problem.json is not in quarantine"
        closed = row.get("replayedBy") or row.get("dismissed")
        if not closed and not await _has(stores, TableName.DELIVERIES, OPEN, newest_first(delivery_id)):
            yield "it was neither replayed nor dismissed, and yet is not open"
    else:
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
