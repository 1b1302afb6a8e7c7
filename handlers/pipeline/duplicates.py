"""Which deliveries are repeats: the latest one of the same event for the same subject had the same content.

Messages are processed in parallel and out of order, but repeats are told by the order of receipt. So each
pair of subject and event has one row with its recent deliveries, changed only If-Match: the verdicts of one
subject are taken one after the other, and each is stored before the first message goes out.

Deliveries next to each other with the same content are a run: exactly one of each run, its head, is no
repeat. That stays right also where an earlier delivery is processed late (A, B, A with B late): an apparent
repeat waits a moment once, until what came before it has been seen; and if an earlier delivery turns up after
all and parts a run, a half that is left without a head gets one: its first is freed from its mark, and sent
again as what it is.
"""

import asyncio
import json
import random
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from events import Event, Payload, Subject
from handlers.errors import Conflict, NotFound, StorageFault
from handlers.ids import time_of
from handlers.ledger.write import timeline_partition
from handlers.stores import TableName, Tables

# How long an apparent repeat waits for what came before it.
SETTLE_SECONDS = 2

_TRIES = 30
_MAX_ENTRIES = 100
# A verdict must be found again by a delivery that is tried again and again, while newer ones come.
_REMEMBERED = timedelta(days=7)


@dataclass(frozen=True)
class Entry:
    """Be one delivery in a subject's recent history; `freed` are those that it freed from their marks."""

    id: str
    digest: str
    channel: str
    extension: str
    size: int
    duplicate_of: str | None = None
    freed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """Say what a delivery repeats, if it does; `freed` must be sent again without their marks."""

    duplicate_of: str | None = None
    freed: tuple[Entry, ...] = ()


class NotSettled(Exception):
    """Say that this looks like a repeat, and must be looked at once more after SETTLE_SECONDS."""


async def verdict(event: Event[Payload], tables: Tables, *, window_seconds: int, settled: bool) -> Verdict:
    """Decide, or recall what was decided. Raises NotSettled."""
    if event.subject is None or not window_seconds or not event.can_be_duplicate:
        return Verdict()
    window = timedelta(seconds=window_seconds)
    partition, row = timeline_partition(event.subject), event.type.value
    me = Entry(
        event.delivery.id, event.digest, event.delivery.channel, event.format, len(event.delivery.body)
    )
    for _ in range(_TRIES):
        entries, etag = await _read(tables, partition, row)
        if any(entry.id == me.id for entry in entries):
            return _recall(entries, me.id)
        entries = insert(entries, me, window)
        found = _recall(entries, me.id)
        if found.duplicate_of and not settled:
            raise NotSettled
        try:
            await _write(tables, partition, row, entries, etag)
        except (Conflict, NotFound):  # another delivery of this subject was first
            await asyncio.sleep(random.uniform(0.005, 0.05))
            continue
        return found
    raise StorageFault(
        "could not decide whether this is a repeat: too many deliveries of one subject at once"
    )


def _recall(entries: list[Entry], delivery_id: str) -> Verdict:
    by_id = {entry.id: entry for entry in entries}
    mine = by_id[delivery_id]
    return Verdict(mine.duplicate_of, tuple(by_id[freed] for freed in mine.freed if freed in by_id))


async def forget(tables: Tables, subject: Subject, event: str, delivery_id: str) -> None:
    """Remove the history of a subject if this delivery is the last in it."""
    partition = timeline_partition(subject)
    try:
        entries, etag = await _read(tables, partition, event)
        if entries and entries[-1].id == delivery_id:
            await tables.delete(TableName.DUPLICATES, partition, event, etag=etag)
    except Conflict:
        return  # a newer delivery has just come


def insert(entries: list[Entry], me: Entry, window: timedelta) -> list[Entry]:
    """Put a delivery in its place among those that were seen, with its verdict and those that it frees."""
    everything = sorted([*entries, me], key=lambda entry: entry.id)
    ids = {entry.id for entry in entries}
    duplicate_of: str | None = None
    freed: list[str] = []
    for number, run in enumerate(_runs(everything, window)):
        others = [entry for entry in run if entry is not me]
        head = next((entry.id for entry in others if entry.duplicate_of is None), None)
        if head is None and number == 0:  # perhaps it came so long ago that it is no longer remembered
            head = next((entry.duplicate_of for entry in others if entry.duplicate_of not in ids), None)
        if len(others) < len(run):
            duplicate_of = head
        elif head is None:
            freed.append(run[0].id)
    me = replace(me, duplicate_of=duplicate_of, freed=tuple(freed))
    horizon = time_of(everything[-1].id) - max(2 * window, _REMEMBERED)
    kept = [entry for entry in everything if time_of(entry.id) >= horizon][-_MAX_ENTRIES:]
    if kept[0].id > me.id:  # its verdict has to be found again if it is tried again
        kept = [me, *kept]
    return [
        me if entry.id == me.id else replace(entry, duplicate_of=None) if entry.id in freed else entry
        for entry in kept
    ]


def _runs(entries: list[Entry], window: timedelta) -> list[list[Entry]]:
    """Part the deliveries into runs of equal content, each at most `window` after the one before.

    Among deliveries of one moment (files tell theirs to the second) the order is unknown: where their
    contents differ, each is a run of its own.
    """
    contents: dict[datetime, set[str]] = defaultdict(set)
    for entry in entries:
        contents[time_of(entry.id)].add(entry.digest)
    runs: list[list[Entry]] = []
    for entry in entries:
        before = runs[-1][-1] if runs else None
        if (
            before is not None
            and before.digest == entry.digest
            and time_of(entry.id) - time_of(before.id) <= window
            and len(contents[time_of(before.id)]) == len(contents[time_of(entry.id)]) == 1
        ):
            runs[-1].append(entry)
        else:
            runs.append([entry])
    return runs


async def _read(tables: Tables, partition: str, row: str) -> tuple[list[Entry], str | None]:
    try:
        found = await tables.get(TableName.DUPLICATES, partition, row)
    except NotFound:
        return [], None
    return [_entry(members) for members in json.loads(found["entries"])], found.etag


def _entry(members: dict[str, Any]) -> Entry:
    return Entry(**{**members, "freed": tuple(members.get("freed", ()))})


async def _write(tables: Tables, partition: str, row: str, entries: list[Entry], etag: str | None) -> None:
    text = json.dumps([{name: value for name, value in asdict(entry).items() if value} for entry in entries])
    entity = {"PartitionKey": partition, "RowKey": row, "entries": text}
    if etag is None:
        await tables.insert(TableName.DUPLICATES, entity)
    else:
        await tables.replace(TableName.DUPLICATES, entity, etag=etag)
