"""Which deliveries are repeats: the latest one of the same event for the same subject had the same content.

Messages are processed in parallel and out of order, but repeats are told by the order of receipt. So each
pair of subject and event has one row with its recent deliveries, changed only If-Match: the verdicts of one
subject are taken one after the other, and each is stored before the first message goes out.

Two rules make them right also where an earlier delivery is processed late (A, B, A with B late): an apparent
repeat waits a moment once, until what came before it has been seen; and if an earlier delivery turns up after
all, it frees the one behind it from its mark, which is then sent again as what it is.
"""

import asyncio
import json
import random
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

from events import Event, Payload, Subject
from handlers.ids import time_of
from handlers.stores import NotFound, StorageFault, TableName, Tables, table_key
from handlers.stores.faults import Conflict

# How long an apparent repeat waits for what came before it.
SETTLE_SECONDS = 2

_TRIES = 30
_MAX_ENTRIES = 100


@dataclass(frozen=True)
class Entry:
    """Be one delivery in a subject's recent history; `freed` is the one that it freed from its mark."""

    id: str
    digest: str
    channel: str
    extension: str
    size: int
    duplicate_of: str | None = None
    freed: str | None = None


@dataclass(frozen=True)
class Verdict:
    """Say what a delivery repeats, if it does; `freed` names one that must be sent again without its mark."""

    duplicate_of: str | None = None
    freed: Entry | None = None


class NotSettled(Exception):  # noqa: N818 - says what it is
    """Say that this looks like a repeat, and must be looked at once more after SETTLE_SECONDS."""


async def verdict(event: Event[Payload], tables: Tables, *, window_seconds: int, settled: bool) -> Verdict:
    """Decide, or recall what was decided. Raises NotSettled."""
    if event.subject is None or not window_seconds or not event.can_repeat:
        return Verdict()
    window = timedelta(seconds=window_seconds)
    partition, row = table_key(f"{event.subject.kind}|{event.subject.key}"), event.type.value
    me = Entry(
        event.delivery.id, event.digest, event.delivery.channel, event.format, len(event.delivery.body)
    )
    for _ in range(_TRIES):
        entries, etag = await _read(tables, partition, row)
        by_id = {entry.id: entry for entry in entries}
        if me.id in by_id:
            return Verdict(by_id[me.id].duplicate_of, by_id.get(by_id[me.id].freed or ""))
        entries, mine = _insert(entries, me, window)
        if mine.duplicate_of and not settled:
            raise NotSettled
        try:
            await _write(tables, partition, row, entries, etag)
        except (Conflict, NotFound):  # another delivery of this subject was first
            await asyncio.sleep(random.uniform(0.005, 0.05))  # noqa: S311 - no secret
            continue
        return Verdict(mine.duplicate_of, next((entry for entry in entries if entry.id == mine.freed), None))
    raise StorageFault(
        "could not decide whether this is a repeat: too many deliveries of one subject at once"
    )


async def forget(tables: Tables, subject: Subject, event: str, delivery_id: str) -> None:
    """Remove the history of a subject if this delivery is the last in it."""
    partition = table_key(f"{subject.kind}|{subject.key}")
    try:
        entries, etag = await _read(tables, partition, event)
        if entries and entries[-1].id == delivery_id:
            await tables.delete(TableName.REPEATS, partition, event, etag=etag)
    except Conflict:
        return  # a newer delivery has just come


def _insert(entries: list[Entry], me: Entry, window: timedelta) -> tuple[list[Entry], Entry]:
    now = time_of(me.id)
    before = [entry for entry in entries if entry.id < me.id]
    after = [entry for entry in entries if entry.id > me.id]
    older = before[-1] if before and now - time_of(before[-1].id) <= window else None
    newer = after[0] if after and time_of(after[0].id) - now <= window else None
    if older and older.digest == me.digest:
        me = replace(me, duplicate_of=older.duplicate_of or older.id)
    elif newer and newer.digest == me.digest and newer.duplicate_of is None:
        me = replace(me, duplicate_of=newer.id)  # it overtook this one, and was sent unmarked
    if newer and newer.digest != me.digest and newer.duplicate_of:
        after[0] = replace(newer, duplicate_of=None)
        me = replace(me, freed=newer.id)
    kept = [*before, me, *after]
    horizon = time_of(kept[-1].id) - 2 * window
    return [entry for entry in kept if time_of(entry.id) >= horizon or entry is me][-_MAX_ENTRIES:], me


async def _read(tables: Tables, partition: str, row: str) -> tuple[list[Entry], str | None]:
    try:
        found = await tables.get(TableName.REPEATS, partition, row)
    except NotFound:
        return [], None
    return [Entry(**entry) for entry in json.loads(found["entries"])], found.etag


async def _write(tables: Tables, partition: str, row: str, entries: list[Entry], etag: str | None) -> None:
    text = json.dumps(
        [{name: value for name, value in asdict(entry).items() if value is not None} for entry in entries]
    )
    entity = {"PartitionKey": partition, "RowKey": row, "entries": text}
    if etag is None:
        await tables.insert(TableName.REPEATS, entity)
    else:
        await tables.replace(TableName.REPEATS, entity, etag=etag)
