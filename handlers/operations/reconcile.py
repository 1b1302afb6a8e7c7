"""Reconciles archive, quarantine, ledger and search index with each other, to show that nothing is lost."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple
from urllib.parse import unquote

from events import Channel, EventType, Kind, Subject
from handlers.app import App
from handlers.drift import DriftRow
from handlers.errors import NotFound, UnknownDelivery
from handlers.ids import time_of
from handlers.ledger import index, query, sends, write
from handlers.ledger.rows import (
    UNSENT,
    DeliveryRow,
    ForeignRow,
    LastSeenRow,
    PauseRow,
    SendRow,
    Status,
)
from handlers.operations.retention import kept_since
from handlers.paths import UNKNOWN_EVENT, Stored
from handlers.pipeline import duplicates, inbox
from handlers.stores import (
    INBOX_POISON_QUEUE,
    INBOX_QUEUE,
    PUSH_POISON_QUEUE,
    PUSH_QUEUE,
    BlobRef,
    ContainerName,
    some_at_once,
)
from handlers.work import Work

type _Row = DeliveryRow | ForeignRow


class OpenCopy(NamedTuple):
    """The copy among the open deliveries of one that is dealt with."""

    delivery: str


# What `repair` can put right: a blob without a row, a subject whose rows in the search index are wrong, the
# duplicate history that still has an erased delivery, and a copy that should not be there any more.
type Repairable = BlobRef | index.Wrong | duplicates.Place | OpenCopy


class Finding(NamedTuple):
    """What does not add up, with the id of the delivery, if it is about one."""

    id: str
    what: str
    repairable: Repairable | None = None


@dataclass
class Reconciliation:
    """The result of a comparison; it is inexact while messages are `waiting`.

    `pushing` counts the messages of the push queue, `undelivered` what each subscription has not got.

    `failing` are the ids of those that are to be retried, `erased` of those that were erased, `foreign` the
    blobs that this app did not write.
    """

    days: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    open: int = 0
    waiting: int = 0
    poison: int = 0
    pushing: int = 0
    undelivered: dict[str, sends.Backlog] = field(default_factory=dict)
    failing: list[str] = field(default_factory=list)
    erased: set[str] = field(default_factory=set)
    foreign: list[BlobRef] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        return not self.findings and not self.poison


# Called after each day, with its date as YYYY-MM-DD.
type Progress = Callable[[str, Reconciliation], None]


async def reconcile(
    app: App, *, since: date | None = None, progress: Progress | None = None
) -> Reconciliation:
    """Compare archive, quarantine and ledger, from a day on; or from the first, and the search index as well.

    Reads each container and the ledger once, day by day, and looks up three rows a delivery; duplicate
    histories once; records and index once, a kind at a time; and the small tables. Raises StorageFault.
    """
    found = Reconciliation()
    oldest_kept = kept_since(app).date()
    rows = _ByDay(query.days(app.stores.tables, since))
    blobs = [
        _ByDay(_blobs(app, container, event, since, found))
        for container in (ContainerName.ARCHIVE, ContainerName.QUARANTINE)
        for event in _folders()
    ]
    while when := await _first_day(rows, *blobs):
        day = _Day(await rows.take(when), _sorted([each for some in blobs for each in await some.take(when)]))
        await _reconcile_day(app, day, found, is_kept=when > f"{oldest_kept:%Y-%m-%d}")
        found.days += 1
        if progress is not None:
            progress(when, found)
    async for row in query.open_rows(app.stores.tables):
        found.open += 1
        found.findings += [finding async for finding in _wrong_with_open(app, row)]
    found.waiting = await app.stores.queues.depth(INBOX_QUEUE)
    found.poison = await app.stores.queues.depth(INBOX_POISON_QUEUE)
    await _reconcile_pushes(app, found)
    if since is None or found.erased:
        await _reconcile_histories(app, found)
    if since is None:
        await _reconcile_index(app, found)
    for small in (DriftRow, LastSeenRow, PauseRow):
        found.findings += [Finding("", str(row)) async for row in query.foreign(app.stores.tables, small)]
    if not found.waiting:
        nowhere = "it is to be retried, but the inbox has no message of it"
        found.findings += [Finding(delivery_id, nowhere) for delivery_id in found.failing]
    return found


async def _reconcile_pushes(app: App, found: Reconciliation) -> None:
    """Count what subscriptions have not got; what is to be tried again needs its message in the queue."""
    tables, queues = app.stores.tables, app.stores.queues
    waiting: list[SendRow] = []
    async for name in sends.subscriptions(tables):
        found.undelivered[name] = await sends.backlog(tables, name)
        waiting += [row async for row in sends.waiting(tables, name)]
    found.pushing = await queues.depth(PUSH_QUEUE)
    poison = await queues.depth(PUSH_POISON_QUEUE)
    found.poison += poison
    if found.pushing or poison:
        return
    for row in waiting:
        now = await sends.find(tables, row.subscription, row.delivery)
        if now is not None and now.last_at == row.last_at:  # no attempt has ended meanwhile
            what = f"it is to be pushed to {row.subscription}, but the push queue has no message of it"
            found.findings.append(Finding(row.delivery, what))


async def _reconcile_index(app: App, found: Reconciliation) -> None:
    """Find the subjects that the search index lacks, or has without a record."""
    for kind in Kind:
        async for wrong in index.wrong(app.stores.tables, kind):
            repairable = None if isinstance(wrong, ForeignRow) else wrong
            found.findings.append(Finding("", str(wrong), repairable))


async def _reconcile_histories(app: App, found: Reconciliation) -> None:
    """Find what is left where the process ended between the duplicate decision and the record."""
    async for place in duplicates.places(app.stores.tables):
        if isinstance(place, ForeignRow):
            found.findings.append(Finding("", str(place)))
        elif place.last in found.erased:
            what = "it was erased, but the duplicate history of its subject still has it"
            found.findings.append(Finding(place.last, what, place))


@dataclass
class Repaired:
    """What was repaired; `left` are bytes without a row that were not passed on."""

    adopted: list[BlobRef] = field(default_factory=list)
    left: list[BlobRef] = field(default_factory=list)
    indexed: list[Subject] = field(default_factory=list)
    forgotten: list[duplicates.Place] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)


async def repair(app: App, found: Reconciliation) -> Repaired:
    """Repair what can be. Raises StorageFault.

    Bytes without a row are adopted, if they are still there; but while messages wait, they may be theirs.
    """
    tables, done = app.stores.tables, Repaired()
    for finding in found.findings:
        match finding.repairable:
            case BlobRef() as place if found.waiting or found.poison:
                done.left.append(place)
            case BlobRef() as place:
                with contextlib.suppress(NotFound):  # it was erased since
                    await adopt(app, place)
                    done.adopted.append(place)
            case index.Wrong(subject, left):
                await write.index_again(tables, subject, left)
                done.indexed.append(subject)
            case duplicates.Place() as history:
                await duplicates.forget_at(tables, history)
                done.forgotten.append(history)
            case OpenCopy(delivery):
                await write.take_off_open(tables, delivery)
                done.closed.append(delivery)
    return done


async def adopt(app: App, place: BlobRef) -> None:
    """Put bytes that have no row into the inbox: they arrived whole, but the sender got no confirmation.

    They stem from a crash between the two writes of a large body. If the body was sent again since, this
    delivery is a duplicate, and is marked as one. Raises NotFound and StorageFault.
    """
    blob, stored = await app.stores.blobs.find(*place), Stored.read(place.name)
    file = blob.metadata.get(inbox.FILE)
    work = Work(
        id=stored.id,
        event=stored.event,
        channel=Channel(blob.metadata.get(inbox.CHANNEL, Channel.WEBHOOK)),
        received_at=time_of(stored.id),
        file=unquote(file) if file else None,
        size=blob.size,
        blob=place,
    )
    await inbox.requeue(app.stores, work, delay=0)


async def _first_day(*streams: "_ByDay[_Row] | _ByDay[BlobRef]") -> str | None:
    days = [await each.day() for each in streams]
    return min((day for day in days if day is not None), default=None)


class _ByDay[T]:
    """A stream in the order of days, read a day at a time."""

    def __init__(self, stream: AsyncIterator[tuple[str, T]]) -> None:
        self._stream = stream
        self._next: tuple[str, T] | None = None

    async def day(self) -> str | None:
        """Return the next day that has anything, None at the end."""
        if self._next is None:
            self._next = await anext(self._stream, None)
        return self._next[0] if self._next else None

    async def take(self, day: str) -> list[T]:
        """Return the stream's items of a day."""
        taken: list[T] = []
        while await self.day() == day and self._next is not None:
            taken.append(self._next[1])
            self._next = None
        return taken


async def _blobs(
    app: App, container: ContainerName, event: str, since: date | None, found: Reconciliation
) -> AsyncIterator[tuple[str, BlobRef]]:
    """Yield the blobs that this app wrote, with their days; others are noted as foreign."""
    async for blob in app.stores.blobs.list(container, f"{event}/"):
        place = BlobRef(container, blob.name)
        try:
            when = Stored.read(blob.name).day
        except ValueError:
            found.foreign.append(place)
            continue
        if since is None or when >= f"{since:%Y-%m-%d}":
            yield when, place


def _folders() -> Iterator[str]:
    yield from EventType
    yield UNKNOWN_EVENT


class _Blobs(NamedTuple):
    """A day's blobs: bytes by delivery, data by name, problem documents by delivery."""

    raw: dict[str, list[BlobRef]]
    data: set[str]
    problems: set[str]


class _Day(NamedTuple):
    rows: Sequence[_Row]
    blobs: _Blobs


async def _reconcile_day(app: App, day: _Day, found: Reconciliation, *, is_kept: bool) -> None:
    """Compare a day's blobs and rows. A day past RETENTION_DAYS may have bytes without rows."""
    rows = [row for row in day.rows if isinstance(row, DeliveryRow)]
    found.findings += [Finding("", str(row)) for row in day.rows if isinstance(row, ForeignRow)]
    found.by_status.update(str(row.status) for row in rows)
    found.failing += [row.id for row in rows if row.status is Status.FAILING and not row.erased]
    found.erased |= {row.id for row in rows if row.erased}
    known = {row.id for row in rows}
    if is_kept:
        found.findings += [
            Finding(delivery_id, f"{places[0]} is not in the ledger", places[0])
            for delivery_id, places in day.blobs.raw.items()
            if delivery_id not in known
        ]

    async def checked(row: DeliveryRow) -> list[Finding]:
        return [Finding(row.id, what) async for what in _wrong_with(app, row, day.blobs)]

    for findings in await some_at_once(checked, rows):
        found.findings += findings


def _sorted(places: Iterable[BlobRef]) -> _Blobs:
    found = _Blobs({}, set(), set())
    for place in places:
        stored = Stored.read(place.name)
        if stored.extension == "data.json":
            found.data.add(str(place))
        elif stored.extension == "problem.json":
            found.problems.add(stored.id)
        else:
            found.raw.setdefault(stored.id, []).append(place)
    return found


async def _wrong_with(app: App, row: DeliveryRow, blobs: _Blobs) -> AsyncIterator[str]:
    if row.erased:
        if row.id in blobs.raw:
            yield f"it was erased, but its bytes are at {blobs.raw[row.id][0]}: erase it again"
        return
    async for what in _wrong_with_row(app, row, blobs):
        yield what
    async for what in _wrong_with_outcome(app, row, blobs):
        yield what


async def _wrong_with_row(app: App, row: DeliveryRow, blobs: _Blobs) -> AsyncIterator[str]:
    if row.raw is not None and row.raw not in blobs.raw.get(row.id, ()):
        yield f"its bytes are not at {row.raw}"
    if row.replaying:
        yield "its replay was begun and not finished: ask for it again"
    if row.replayed_by and not await query.exists(app.stores.tables, row.replayed_by):
        yield f"its replay {row.replayed_by} is not in the ledger"


async def _wrong_with_outcome(app: App, row: DeliveryRow, blobs: _Blobs) -> AsyncIterator[str]:
    if row.status in UNSENT:
        if row.status is Status.QUARANTINED and row.id not in blobs.problems:
            yield "its .problem.json is not in quarantine"
        if not row.is_closed and not await query.is_open(app.stores.tables, row):
            yield "it was neither replayed nor dismissed, but is not open"
    elif row.status is not Status.FAILING:
        async for what in _wrong_with_sent(app, row, blobs):
            yield what


async def _wrong_with_sent(app: App, row: DeliveryRow, blobs: _Blobs) -> AsyncIterator[str]:
    tables = app.stores.tables
    if row.data_ref and not any(row.data_ref.endswith(place) for place in blobs.data):
        yield f"its data is not at {row.data_ref}"
    for subject in row.subjects:
        if not await query.is_in_timeline(tables, row, subject):
            yield f"the timeline of {subject.kind} {subject.key} lacks it"
    if row.subjects:
        subject = row.subjects[0]
        record = await query.latest(tables, subject)
        if record is None:
            yield f"there is no record of {subject.kind} {subject.key}"
        elif record.order < row.order:
            yield f"the record of {subject.kind} {subject.key} is older than it"


async def _wrong_with_open(app: App, copy: DeliveryRow) -> AsyncIterator[Finding]:
    try:
        row = await query.find(app.stores.tables, copy.id)
    except UnknownDelivery:
        yield Finding(copy.id, "it is open, but not in the ledger")
        return
    if row.is_closed or row.erased or row.status in {Status.SENT, Status.DUPLICATE}:
        yield Finding(copy.id, "it is dealt with, but still open", OpenCopy(copy.id))
