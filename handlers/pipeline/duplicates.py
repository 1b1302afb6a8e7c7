"""Which deliveries are duplicates: the latest one of the same event and subject had the same content.

Messages are processed in parallel and out of order, but duplicates are found by the order of receipt. So each
pair of subject and event has one row with its recent deliveries, changed only If-Match: the verdicts on one
subject are reached one after the other, and each is stored before the first message goes out.

Adjacent deliveries with the same content are a run: exactly one of each run, its head, is not a duplicate.
That holds even if an earlier delivery is processed late (A, B, A with B late). An apparent duplicate waits a
moment once, until the deliveries before it have been seen. If an earlier delivery turns up after all and
splits a run, a half without a head gets one: its first delivery is freed from its mark, and sent again.
"""

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from events import Event, Payload, Subject
from handlers.app import App
from handlers.ids import time_of
from handlers.ledger.rows import timeline_partition
from handlers.stores import Entity, Row, TableName, Tables

_MAX_ENTRIES = 100
# A delivery that is retried again and again must find its verdict while newer ones come.
_REMEMBERED = timedelta(days=7)


@dataclass(frozen=True)
class Entry:
    """A delivery in the recent history of its subject; `freed` are those that it freed from their marks."""

    id: str
    digest: str
    channel: str
    extension: str
    size: int
    duplicate_of: str | None = None
    freed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What a delivery duplicates, if anything; `freed` must be sent again without their marks."""

    duplicate_of: str | None = None
    freed: tuple[Entry, ...] = ()


UNIQUE = Verdict()


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
        entries = _entries(row)
        if any(entry.id == me.id for entry in entries):
            verdict = _recall(entries, me.id)
            return None
        entries = insert(entries, me, window)
        verdict = _recall(entries, me.id)
        if verdict.duplicate_of and not settled:
            verdict = None
            return None
        return _columns(entries)

    await app.stores.tables.update(
        TableName.DUPLICATES, timeline_partition(event.subject), event.type, decided
    )
    return verdict


def _recall(entries: list[Entry], delivery_id: str) -> Verdict:
    by_id = {entry.id: entry for entry in entries}
    mine = by_id[delivery_id]
    return Verdict(mine.duplicate_of, tuple(by_id[freed] for freed in mine.freed if freed in by_id))


async def forget(tables: Tables, subject: Subject, event: str, delivery_id: str) -> None:
    """Delete the history of a subject if this delivery is the last in it. Raises StorageFault."""

    def is_last(row: Row) -> bool:
        entries = _entries(row)
        return bool(entries) and entries[-1].id == delivery_id

    await tables.delete_if(TableName.DUPLICATES, timeline_partition(subject), event, is_last)


def insert(entries: list[Entry], me: Entry, window: timedelta) -> list[Entry]:
    """Insert a delivery into the history, with its verdict and the deliveries that it frees."""
    everything = sorted([*entries, me], key=lambda entry: entry.id)
    ids = {entry.id for entry in entries}
    duplicate_of: str | None = None
    freed: list[str] = []
    for number, run in enumerate(_runs(everything, window)):
        others = [entry for entry in run if entry is not me]
        head = next((entry.id for entry in others if entry.duplicate_of is None), None)
        if head is None and number == 0:  # it may be too old to be remembered
            head = next((entry.duplicate_of for entry in others if entry.duplicate_of not in ids), None)
        if len(others) < len(run):
            duplicate_of = head
        elif head is None:
            freed.append(run[0].id)
    me = replace(me, duplicate_of=duplicate_of, freed=tuple(freed))
    horizon = time_of(everything[-1].id) - max(2 * window, _REMEMBERED)
    kept = [entry for entry in everything if time_of(entry.id) >= horizon][-_MAX_ENTRIES:]
    if kept[0].id > me.id:  # a retry must find its verdict
        kept = [me, *kept]
    return [
        me if entry.id == me.id else replace(entry, duplicate_of=None) if entry.id in freed else entry
        for entry in kept
    ]


def _runs(entries: list[Entry], window: timedelta) -> list[list[Entry]]:
    """Split the deliveries into runs of equal content, each at most `window` after the one before.

    The order of deliveries with the same time is unknown (files have whole seconds): if their contents
    differ, each is a run of its own.
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


def _entries(row: Row | None) -> list[Entry]:
    return [_entry(members) for members in json.loads(row["entries"])] if row else []


def _entry(members: dict[str, Any]) -> Entry:
    return Entry(**{**members, "freed": tuple(members.get("freed", ()))})


def _columns(entries: list[Entry]) -> Entity:
    kept = [{name: value for name, value in asdict(entry).items() if value} for entry in entries]
    return {"entries": json.dumps(kept)}
