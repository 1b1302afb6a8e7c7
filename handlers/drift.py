"""Field drift: fields that printIQ sends and the models lack or type differently, and those it never sends.

Each event that was sent is compared with its model, and the findings are counted in memory. They go into the
table `drift`, a row for each event and object: at once if a field is new, else every few seconds, which saves
a write per event. A crash loses the counts of those seconds, never a new field. No failure here harms the
delivery, and names that a sender invents take no more than a few megabytes.

Examples show the form of a value, not the value: letters and digits are replaced, so that no personal data is
kept here.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator
from pydantic_core import from_json, to_json

from events import Event, EventType, Payload, differences, fields, timestamp
from handlers.errors import StorageFault
from handlers.ledger.rows import LedgerRow
from handlers.stores import Entity, Row, TableName, Tables

_log = logging.getLogger("printiq.drift")

_FLUSH_SECONDS = 10
# The fields seen first are kept: up to this many, if they fit into a column.
MAX_FIELDS = 100
# A process remembers up to this many fields of an event, to know which ones are new.
_MAX_KNOWN = 1000
_MAX_BYTES = 64_000
_MAX_PLACE = 150
_MAX_EXAMPLE = 40


@dataclass
class Sighting:
    """A field's count, first and last time, the form of its first value, and the last delivery with it."""

    count: int
    first: str
    last: str
    example: str
    delivery: str = ""

    def add(self, other: "Sighting") -> None:
        self.count += other.count
        self.first = min(self.first, other.first)
        if other.last >= self.last:
            self.last, self.delivery = other.last, other.delivery


@dataclass
class Findings:
    """The findings in the deliveries of one event that carried one object."""

    deliveries: int = 0
    first: str = ""
    last: str = ""
    unknown: dict[str, Sighting] = field(default_factory=dict)
    unread: dict[str, Sighting] = field(default_factory=dict)
    arrived: set[str] = field(default_factory=set)
    more: bool = False

    def add(self, other: "Findings") -> None:
        self.deliveries += other.deliveries
        self.first = min(self.first or other.first, other.first or self.first)
        self.last = max(self.last, other.last)
        self.arrived |= other.arrived
        self.more |= (
            other.more | self._add(self.unknown, other.unknown) | self._add(self.unread, other.unread)
        )

    @staticmethod
    def _add(mine: dict[str, Sighting], theirs: Mapping[str, Sighting]) -> bool:
        """Add sightings to those of the same place; return whether some had no room."""
        left_out = False
        for place, sighting in theirs.items():
            if place in mine:
                mine[place].add(sighting)
            elif len(mine) < MAX_FIELDS:
                mine[place] = Sighting(**vars(sighting))
            else:
                left_out = True
        return left_out


class Carried(NamedTuple):
    """An event and the object that it carried."""

    event: EventType
    object: str


class _Report(NamedTuple):
    """The document written last, and the ETags of the rows it was made of."""

    state: list[str]
    document: bytes


class Drift:
    """The comparison of sent events with the models; its counts are in the table `drift`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._waiting: dict[Carried, Findings] = {}
        self._known: dict[Carried, set[str]] = {}
        self._due: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._report = _Report([], b"")

    def observe(self, event: Event[Payload]) -> None:
        """Note an event that was sent. Never raises."""
        try:
            self._observe(event, timestamp(event.delivery.received_at))
        except Exception:  # noqa: BLE001 - a fault here must not make the delivery fail
            _log.exception("The fields of %s could not be compared with the model.", event.delivery.id)

    def _observe(self, event: Event[Payload], moment: str) -> None:
        carried = Carried(event.type, event.payload.OBJECT)
        found = differences(event.payload)
        waiting = self._waiting.setdefault(carried, Findings())
        findings = Findings(
            deliveries=1,
            first=moment,
            last=moment,
            unknown=_sightings(found.unknown, waiting.unknown, moment, event.delivery.id),
            unread=_sightings(found.unread, waiting.unread, moment, event.delivery.id),
            arrived=found.arrived & _fields_of(carried).keys(),
            more=max(len(found.unknown), len(found.unread)) > MAX_FIELDS,
        )
        waiting.add(findings)
        known = self._known.setdefault(carried, set())
        room = _MAX_KNOWN - len(known)
        new = set(islice((findings.arrived | findings.unknown.keys() | findings.unread.keys()) - known, room))
        known |= new
        self._flush_in(0 if new else _FLUSH_SECONDS)

    def _flush_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if self._due is not None:
            if self._due.when() <= loop.time() + seconds:
                return
            self._due.cancel()
        self._due = loop.call_later(seconds, self._begin_flush)

    def _begin_flush(self) -> None:
        self._due = None
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.get_running_loop().create_task(self._flush_in_background())
        else:
            self._flush_in(_FLUSH_SECONDS)

    async def _flush_in_background(self) -> None:
        try:
            await self.flush()
        except StorageFault as error:
            _log.warning("Field drift could not be stored, and is kept until it can: %s", error)
            self._flush_in(_FLUSH_SECONDS)

    async def flush(self) -> None:
        """Store the findings so far. On StorageFault they are kept for the next attempt."""
        while self._waiting:
            carried, findings = self._waiting.popitem()
            try:
                await _store(self._tables, carried, findings)
            except StorageFault:
                self._waiting.setdefault(carried, Findings()).add(findings)
                raise

    async def report(self) -> bytes:
        """Return the JSON document of where events differ from their models. Raises StorageFault.

        It is written anew only when rows have changed: every ten seconds at most.
        """
        rows = [row async for row in self._tables.query(TableName.DRIFT, "PartitionKey ne ''")]
        state = [row.etag for row in rows]
        if state != self._report.state or not self._report.document:
            self._report = _Report(state, _document(rows))
        return self._report.document

    async def close(self) -> None:
        """Stop watching; findings that were not stored are lost."""
        if self._due is not None:
            self._due.cancel()
        if self._flushing is not None:
            self._flushing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._flushing


def _sightings(
    values: Mapping[str, object], seen: Mapping[str, Sighting], moment: str, delivery_id: str
) -> dict[str, Sighting]:
    """Return a delivery's sightings; those of places that were `seen` have their example there."""
    bounded = ((place[:_MAX_PLACE], value) for place, value in islice(values.items(), MAX_FIELDS))
    return {
        place: Sighting(1, moment, moment, "" if place in seen else masked(value), delivery_id)
        for place, value in bounded
    }


def masked(value: object) -> str:
    """Return the form of a value: `X99999-99` for `J29328-01`; of a structure, its parts."""
    if isinstance(value, dict):
        return _shortened(f"object: {', '.join(map(str, value))}")
    if isinstance(value, list | tuple):
        return f"list of {len(value)}"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = str(value)
    return _shortened("".join(map(_masked, text[: _MAX_EXAMPLE + 1])))


def _masked(character: str) -> str:
    if character.isdigit():
        return "9"
    if character.isalpha():
        return "X" if character.isupper() else "x"
    return character if character.isprintable() else " "


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_EXAMPLE else text[:_MAX_EXAMPLE] + "…"


async def _store(tables: Tables, carried: Carried, findings: Findings) -> None:
    def added(row: Row | None) -> Entity:
        ours = DriftRow.read_ours(row)
        stored = ours.findings() if ours is not None else Findings()
        stored.add(findings)
        return DriftRow.of(carried, stored).columns()

    await tables.update(TableName.DRIFT, *carried, added)


def _parsed(value: object) -> object:
    return from_json(value) if isinstance(value, str) else value


def _written(seen: Mapping[str, Sighting]) -> str:
    kept = [(place, vars(sighting)) for place, sighting in seen.items()]
    while len((text := json.dumps(dict(kept), ensure_ascii=False)).encode("utf-16-le")) > _MAX_BYTES:
        kept.pop()
    return text


type _Sightings = Annotated[dict[str, Sighting], BeforeValidator(_parsed), PlainSerializer(_written)]


class DriftRow(LedgerRow):
    """The findings in an event (the partition) with one object (the row key)."""

    table = TableName.DRIFT

    event: EventType = Field(alias="PartitionKey")
    object: str = Field(alias="RowKey")
    deliveries: int
    first: str
    last: str
    unknown: _Sightings
    unread: _Sightings
    arrived: Annotated[
        set[str], BeforeValidator(_parsed), PlainSerializer(lambda each: json.dumps(sorted(each)))
    ]
    more: bool

    @model_validator(mode="after")
    def _can_carry_it(self) -> Self:
        if self.object not in {payload.OBJECT for payload in self.event.payloads}:
            raise ValueError(f"{self.event} carries no {self.object}")
        return self

    @classmethod
    def of(cls, carried: Carried, findings: Findings) -> Self:
        return cls(event=carried.event, object=carried.object, **vars(findings))

    @property
    def carried(self) -> Carried:
        return Carried(self.event, self.object)

    def findings(self) -> Findings:
        """Return the findings, to add others to."""
        return Findings(**{name: value for name, value in self if name not in Carried._fields})


def _document(rows: Iterable[Row]) -> bytes:
    ours = filter(None, map(DriftRow.read_ours, rows))
    return to_json({"events": [_shown(row) for row in ours]})


def _shown(row: DriftRow) -> dict[str, Any]:
    carried, findings = row.carried, row.findings()
    return {
        "event": carried.event,
        "object": carried.object,
        "deliveries": findings.deliveries,
        "first": findings.first,
        "last": findings.last,
        "unknown": _listed(_still_unknown(carried, findings)),
        "unread": _listed(findings.unread),
        "neverArrived": _never_arrived(carried, findings),
        "more": findings.more,
    }


def _listed(seen: Mapping[str, Sighting]) -> list[dict[str, Any]]:
    """List sightings, the most frequent first."""
    frequent = sorted(seen.items(), key=lambda each: -each[1].count)
    return [{"field": place, **vars(sighting)} for place, sighting in frequent]


def _still_unknown(carried: Carried, findings: Findings) -> dict[str, Sighting]:
    """Return the sightings that today's models still do not know."""
    known = _fields_of(carried)
    return {place: seen for place, seen in findings.unknown.items() if place not in known}


def _never_arrived(carried: Carried, findings: Findings) -> list[str]:
    """Return the known fields that never came; of one that holds others, only itself."""
    missing: list[str] = []
    for place in _fields_of(carried):
        if place in findings.arrived or (missing and place.startswith(f"{missing[-1]}/")):
            continue
        missing.append(place)
    return missing


@cache
def _fields_of(carried: Carried) -> Mapping[str, None]:
    """Return the fields in the model's order, as keys: they are looked up as well."""
    model = next(payload for payload in carried.event.payloads if carried.object == payload.OBJECT)
    return dict.fromkeys(fields(model))
