"""The account of every delivery: the only writer of the tables deliveries, timeline and records.

`deliveries` is the truth, `timeline` its index by subject, `records` a view of the latest state. Every write
can be done again with the same outcome.
"""

import asyncio
import json
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import accumulate

from events import Event, Kind, Payload, Problem, Subject, timestamp
from handlers.errors import NotFound
from handlers.ids import newest_first, time_of
from handlers.paths import folder
from handlers.stores import BlobRef, Entity, Row, TableName, Tables, Value, table_key
from handlers.work import Work

OPEN = "open"
# A text column holds 64 KiB in UTF-16; this counts bytes of UTF-8, which are never fewer than its units.
MAX_TEXT = 32_000
_AT_ONCE = 16


class Status(StrEnum):
    SENT = "sent"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    FAILING = "failing"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Say what came of a delivery."""

    status: Status
    error: str = ""
    duplicate_of: str | None = None
    queues: tuple[str, ...] = ()
    raw: BlobRef | None = None
    data_ref: str | None = None
    # when each step was done
    steps: Mapping[str, str] = field(default_factory=dict)


def day(delivery_id: str) -> str:
    """Return the partition of `deliveries` in which a delivery stands."""
    return f"{time_of(delivery_id):%Y-%m-%d}"


async def record(tables: Tables, work: Work, outcome: Outcome, event: Event[Payload] | None = None) -> None:
    """Write what came of a delivery to every table. Raises StorageFault."""
    row = _row(work, outcome, event)
    writes = [tables.merge(TableName.DELIVERIES, row)]
    if outcome.status in {Status.QUARANTINED, Status.FAILED}:
        if not await _is_closed(tables, work.id):
            writes.append(tables.merge(TableName.DELIVERIES, {**row, "PartitionKey": OPEN}))
    elif work.attempt > 1:  # an attempt that came after this one may have been given up
        writes.append(tables.delete(TableName.DELIVERIES, OPEN, newest_first(work.id)))
    if event is not None and outcome.status is not Status.FAILING:
        writes += [tables.merge(TableName.TIMELINE, each) for each in _timeline(row, event)]
        if event.subject is not None and outcome.status in {Status.SENT, Status.DUPLICATE}:
            writes.append(_record(tables, work, outcome, event, event.subject))
    await _some_at_once(writes)


async def _some_at_once(writes: Sequence[Awaitable[None]]) -> None:
    """Write all of it: an event may be about hundreds of jobs, and a call that waits too long times out."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def in_turn(write: Awaitable[None]) -> None:
        async with gate:
            await write

    await asyncio.gather(*map(in_turn, writes))


async def knows(tables: Tables, delivery_id: str) -> bool:
    """Tell whether a delivery was received and worked on before."""
    try:
        await tables.get(TableName.DELIVERIES, day(delivery_id), newest_first(delivery_id))
    except NotFound:
        return False
    return True


async def _is_closed(tables: Tables, delivery_id: str) -> bool:
    """Tell whether somebody dealt with it already: a message can come twice, the second time late."""
    try:
        row = await tables.get(TableName.DELIVERIES, day(delivery_id), newest_first(delivery_id))
    except NotFound:
        return False
    return bool(row.get("replayedBy") or row.get("dismissed"))


def _row(work: Work, outcome: Outcome, event: Event[Payload] | None) -> dict[str, Value]:
    subject = event.subject if event else None
    columns: dict[str, Value | None] = {
        "PartitionKey": day(work.id),
        "RowKey": newest_first(work.id),
        "id": work.id,
        "event": event.type if event else folder(work.event),
        "eventAsNamed": work.event if work.event != folder(work.event) else None,
        "kind": subject.kind if subject else None,
        "key": table_key(subject.key) if subject else None,
        "subject": _shortened(subject.key) if subject else None,
        "status": outcome.status,
        "channel": work.channel,
        "receivedAt": timestamp(work.received_at),
        "processedAt": timestamp(datetime.now(UTC)),
        "attempts": work.attempt,
        "error": _shortened(outcome.error),
        # emptied where it was freed from its mark
        "duplicateOf": outcome.duplicate_of or ("" if outcome.status is Status.SENT else None),
        "replayOf": work.replay.of if work.replay else None,
        "origin": work.replay.origin if work.replay else None,
        "queues": json.dumps(outcome.queues) if outcome.queues else None,
        "raw": str(outcome.raw) if outcome.raw else None,
        "dataRef": outcome.data_ref,
        "steps": json.dumps(outcome.steps) if outcome.steps else None,
        "size": work.size,
        "contentType": work.content_type,
        "file": work.file,
        "subjects": _pairs(named_subjects(event)) if event and event.subjects else None,
        "warnings": _bounded_list(event.warnings) if event and event.warnings else None,
    }
    return {name: value for name, value in columns.items() if value is not None}


def _shortened(text: str) -> str:
    encoded = text.encode("utf-8", "replace")
    return text if len(encoded) <= MAX_TEXT else encoded[:MAX_TEXT].decode(errors="ignore") + "…"


def timeline_partition(subject: Subject) -> str:
    """Return the partition of `timeline` that tells of a subject."""
    return table_key(f"{subject.kind}|{subject.key}")


def subjects_of(row: Entity) -> list[Subject]:
    """Return the subjects that a row of `deliveries` names."""
    return [Subject(Kind(kind), key) for kind, key in json.loads(str(row.get("subjects") or "[]"))]


def named_subjects(event: Event[Payload]) -> Sequence[Subject]:
    """Return the subjects that the row names, as many as it holds: a row of `timeline` is written for each.

    What is not named here could not be found again to be removed.
    """
    sizes = accumulate(len(_pairs([subject]).encode()) for subject in event.subjects)
    return [subject for subject, size in zip(event.subjects, sizes, strict=True) if size <= MAX_TEXT]


def _pairs(subjects: Sequence[Subject]) -> str:
    return json.dumps(subjects, ensure_ascii=False, separators=(",", ":"))


def _bounded_list(items: Sequence[Problem]) -> str:
    """Write a list as JSON, as much of it as a column holds."""
    shown = list(items)
    while len(text := json.dumps([item._asdict() for item in shown])) > MAX_TEXT:
        shown = shown[: len(shown) // 2]
    return text


_IN_TIMELINE = (
    "RowKey", "id", "event", "status", "channel", "receivedAt", "processedAt", "error", "duplicateOf",
    "replayOf",
)  # fmt: skip


def _timeline(row: Entity, event: Event[Payload]) -> list[Entity]:
    shared = {name: row[name] for name in _IN_TIMELINE if name in row}
    return [
        {
            **shared,
            "PartitionKey": timeline_partition(subject),
            "kind": subject.kind,
            "subject": _shortened(subject.key),
            "primary": subject == event.subject,
        }
        for subject in named_subjects(event)
    ]


async def _record(
    tables: Tables, work: Work, outcome: Outcome, event: Event[Payload], subject: Subject
) -> None:
    """Write the latest state of the subject, unless a later delivery has."""
    order = work.replay.origin if work.replay else work.id
    in_row = len(event.data) <= MAX_TEXT
    columns: dict[str, Value | None] = {
        "PartitionKey": subject.kind,
        "RowKey": table_key(subject.key),
        "subject": _shortened(subject.key),
        "event": event.type,
        "delivery": work.id,
        "order": order,
        "receivedAt": timestamp(time_of(order)),
        "data": event.data.decode() if in_row else None,
        "dataRef": None if in_row else outcome.data_ref,
    }
    row = {name: value for name, value in columns.items() if value is not None}

    def unless_later(found: Row | None) -> Entity | None:
        return None if found is not None and found["order"] > order else row

    await tables.update(TableName.RECORDS, subject.kind, table_key(subject.key), unless_later)


async def intend_replay(tables: Tables, delivery_id: str, intention: str) -> None:
    """Note which delivery a replay will be, before it is sent: after an interruption it is the same one."""
    await tables.merge(TableName.DELIVERIES, {**_keys(delivery_id), "replaying": intention})


async def replayed(tables: Tables, delivery_id: str, replay_id: str) -> None:
    """Note that the replay is in custody; what it repeats is open no longer."""
    await tables.merge(TableName.DELIVERIES, {**_keys(delivery_id), "replaying": "", "replayedBy": replay_id})
    await tables.delete(TableName.DELIVERIES, OPEN, newest_first(delivery_id))


async def dismissed(tables: Tables, delivery_id: str, reason: str) -> None:
    """Note why nothing more is to be done about a delivery; it is open no longer."""
    await tables.merge(
        TableName.DELIVERIES,
        {
            **_keys(delivery_id),
            "dismissed": _shortened(reason),
            "dismissedAt": timestamp(datetime.now(UTC)),
        },
    )
    await tables.delete(TableName.DELIVERIES, OPEN, newest_first(delivery_id))


def _keys(delivery_id: str) -> dict[str, Value]:
    return {"PartitionKey": day(delivery_id), "RowKey": newest_first(delivery_id)}
