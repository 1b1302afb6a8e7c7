"""Which deliveries are duplicates: the latest one of the same event and subject had the same content.

Messages are processed in parallel and out of order, but duplicates are found by the order of receipt. So each
pair of subject and event has one row with its recent deliveries, changed only If-Match: the verdicts on one
subject are reached one after the other, and each is stored before the first message goes out.

Adjacent deliveries with the same content are a run: exactly one of each run, its head, is not a duplicate.
That holds even if an earlier delivery is processed late (A, B, A with B late). An apparent duplicate waits a
moment once, until the deliveries before it have been seen. If an earlier delivery turns up after all and
splits a run, a half without a head gets one: its first delivery is freed from its mark, and sent again.

The history is short. A delivery older than what it remembers cannot be compared, and is never marked.
"""

import base64
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Annotated, NamedTuple

import zstandard
from pydantic import BeforeValidator, ConfigDict, PlainSerializer, TypeAdapter

from events import Channel, Event, Payload, Subject
from handlers.app import App
from handlers.errors import NotFound
from handlers.ids import DeliveryId, time_of
from handlers.ledger.rows import ForeignRow, LedgerRow, timeline_partition
from handlers.stores import Entity, Row, TableName, Tables

# More than arrive in a burst while one of them is delayed; compressed, they fit into a column.
_MAX_ENTRIES = 400
_MAX_FREEING = 20
# A delivery that is retried many times must still find its verdict while newer ones arrive.
_REMEMBERED = timedelta(days=7)


@dataclass(frozen=True)
class Entry:
    """A delivery in the recent history of its subject; `freed` are those that it freed from their marks."""

    id: DeliveryId
    digest: str
    channel: Channel
    extension: str
    size: int
    duplicate_of: str | None = None
    freed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """A decision: the original, if this is a duplicate; `freed` must be sent again without their marks."""

    duplicate_of: str | None = None
    freed: tuple[Entry, ...] = ()


UNIQUE = Verdict()


@dataclass(frozen=True)
class History:
    """The recent deliveries of a subject and event, by id; those up to `trimmed` are no longer compared."""

    entries: tuple[Entry, ...] = ()
    trimmed: str = ""

    def recall(self, delivery_id: str) -> Verdict | None:
        by_id = {entry.id: entry for entry in self.entries}
        mine = by_id.get(delivery_id)
        if mine is None:
            return None
        return Verdict(mine.duplicate_of, tuple(by_id[each] for each in mine.freed if each in by_id))


async def decide(event: Event[Payload], app: App, *, settled: bool) -> Verdict | None:
    """Decide, or recall the decision. Raises StorageFault.

    Returns None for an apparent duplicate that is not `settled`: ask again once others have been processed.
    """
    if event.subject is None or not app.settings.duplicate_window_seconds or not event.can_be_duplicate:
        return UNIQUE
    window = timedelta(seconds=app.settings.duplicate_window_seconds)
    me = Entry(
        event.delivery.id, event.digest, event.delivery.channel, event.format, len(event.delivery.body)
    )
    verdict: Verdict | None = None

    def decided(row: Row | None) -> Entity | None:
        nonlocal verdict
        history = _read(row)
        verdict = history.recall(me.id)
        if verdict is not None:
            return None
        longer, verdict = insert(history, me, window)
        if verdict.duplicate_of and not settled:
            verdict = None
            return None
        return None if longer == history else HistoryRow(**vars(longer)).columns()

    partition = timeline_partition(event.subject)
    await app.stores.tables.update(TableName.DUPLICATES, partition, event.type, decided, unread=True)
    return verdict


async def was_freed(event: Event[Payload], tables: Tables) -> bool:
    """Return whether a delivery has lost its duplicate mark. Raises StorageFault."""
    assert event.subject is not None
    try:
        row = await tables.get(TableName.DUPLICATES, timeline_partition(event.subject), event.type)
    except NotFound:
        return False
    verdict = _read(row).recall(event.delivery.id)
    return verdict is not None and verdict.duplicate_of is None


class Place(NamedTuple):
    """Where a history is kept, and the last delivery in it."""

    partition: str
    event: str
    last: str


async def places(tables: Tables) -> AsyncIterator[Place | ForeignRow]:
    """Yield where there is a history, and rows that are not this app's. Raises StorageFault."""
    async for row in tables.query(TableName.DUPLICATES, "PartitionKey ne ''"):
        match HistoryRow.read_or_name(row):
            case ForeignRow() as foreign:
                yield foreign
            case HistoryRow(entries=[*_, last]):
                yield Place(row["PartitionKey"], row["RowKey"], last.id)


async def forget(tables: Tables, subject: Subject, event: str, delivery_id: str) -> None:
    """Delete the history of a subject if this delivery is the last in it. Raises StorageFault."""
    await forget_at(tables, Place(timeline_partition(subject), event, delivery_id))


async def forget_at(tables: Tables, place: Place) -> None:
    """Delete a history if the last delivery in it is still the same. Raises StorageFault."""

    def is_last(row: Row) -> bool:
        entries = _read(row).entries
        return bool(entries) and entries[-1].id == place.last

    await tables.delete_if(TableName.DUPLICATES, place.partition, place.event, is_last)


def insert(history: History, me: Entry, window: timedelta) -> tuple[History, Verdict]:
    """Insert a delivery into the history; return both, with its verdict and the deliveries that it frees."""
    remembered = [entry for entry in history.entries if entry.id > history.trimmed]
    duplicate_of: str | None = None
    headless: list[list[Entry]] = []
    if me.id <= history.trimmed:
        headless = _split_from_its_head(_runs(remembered, window), me)
    else:
        ids = {entry.id for entry in remembered}
        everything = sorted([*remembered, me], key=lambda entry: entry.id)
        for number, run in enumerate(_runs(everything, window)):
            others = [entry for entry in run if entry is not me]
            head = next((entry.id for entry in others if entry.duplicate_of is None), None)
            if head is None and number == 0:  # it may be too old to be remembered
                head = next((entry.duplicate_of for entry in others if entry.duplicate_of not in ids), None)
            if len(others) < len(run):
                duplicate_of = head
            elif head is None:
                headless.append(run)
    freed = [replace(head, duplicate_of=None) for head, *_ in headless]
    changed = {entry.id: replace(entry, duplicate_of=head.id) for head, *rest in headless for entry in rest}
    changed |= {entry.id: entry for entry in freed}
    me = replace(me, duplicate_of=duplicate_of, freed=tuple(entry.id for entry in freed))
    entries = sorted(
        [me, *(changed.get(entry.id, entry) for entry in history.entries)], key=lambda entry: entry.id
    )
    return _trim(entries, history.trimmed, window), Verdict(duplicate_of, tuple(freed))


def _split_from_its_head(runs: list[list[Entry]], me: Entry) -> list[list[Entry]]:
    """Return the first run if a delivery older than all that is remembered splits it from its head.

    The delivery itself cannot be compared: its neighbours are forgotten.
    """
    return [
        run
        for run in runs[:1]
        if run[0].digest != me.digest and all(str(entry.duplicate_of) < me.id for entry in run)
    ]


def _trim(entries: list[Entry], trimmed: str, window: timedelta) -> History:
    """Forget what is old, except the last deliveries that freed others: a retry must free them again."""
    horizon = time_of(entries[-1].id) - max(2 * window, _REMEMBERED)
    recent = [entry for entry in entries[-_MAX_ENTRIES:] if entry.id > trimmed]
    while time_of(recent[0].id) < horizon:
        del recent[0]
    older = entries[: len(entries) - len(recent)]
    freeing = [entry for entry in older if entry.freed][-_MAX_FREEING:]
    return History((*freeing, *recent), max([trimmed, *(entry.id for entry in older)]))


def _runs(entries: list[Entry], window: timedelta) -> list[list[Entry]]:
    """Split the deliveries into runs of equal content, each at most `window` after the one before.

    The order of deliveries with the same time is unknown (files have whole seconds): if their contents
    differ, each is a run of its own.
    """
    moments = [time_of(entry.id) for entry in entries]
    contents: dict[datetime, set[str]] = defaultdict(set)
    for entry, moment in zip(entries, moments, strict=True):
        contents[moment].add(entry.digest)
    runs = [entries[:1]] if entries else []
    for (before, earlier), (entry, moment) in pairwise(zip(entries, moments, strict=True)):
        if (
            before.digest == entry.digest
            and moment - earlier <= window
            and len(contents[earlier]) == len(contents[moment]) == 1
        ):
            runs[-1].append(entry)
        else:
            runs.append([entry])
    return runs


_ENTRIES = TypeAdapter(tuple[Entry, ...], config=ConfigDict(defer_build=True))


def _unpacked(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return _ENTRIES.validate_json(zstandard.decompress(base64.b64decode(text)))
    except zstandard.ZstdError as error:
        raise ValueError("not zstd-compressed bytes in base64") from error


def _packed(entries: tuple[Entry, ...]) -> str:
    packed = zstandard.compress(_ENTRIES.dump_json(entries, exclude_defaults=True))
    return base64.b64encode(packed).decode()


class HistoryRow(LedgerRow):
    """The history of a subject (the partition) and an event (the row key)."""

    table = TableName.DUPLICATES

    entries: Annotated[tuple[Entry, ...], BeforeValidator(_unpacked), PlainSerializer(_packed)]
    trimmed: str = ""


def _read(row: Row | None) -> History:
    """Return the history in a row; none if there is no row, or if it is another program's."""
    ours = HistoryRow.read_ours(row)
    return History(ours.entries, ours.trimmed) if ours is not None else History()
