"""The rows of the ledger: the one owner of its columns and keys, and of how each is written and read.

============= ============ ================================= ================
table         row          partition                         row key
============= ============ ================================= ================
deliveries    DeliveryRow  the day of receipt in UTC; OPEN   newest first
timeline      TimelineRow  a subject                         newest first
records       RecordRow    a kind                            a business key
search        SearchRow    a kind                            words.keys_of
erasures      ErasureRow   a year                            newest first
sends         SendRow      a subscription                    newest first
sends         SendRow      what a subscription has not got   oldest first
subscriptions PauseRow     PauseRow.PARTITION                a subscription
lastseen      LastSeenRow  LastSeenRow.PARTITION             an event
============= ============ ================================= ================

A column is named like its field, in camelCase. What is None has no column.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import accumulate
from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic import ValidationError as InvalidError
from pydantic.alias_generators import to_camel

from events import Channel, Event, Fact, Facts, Kind, Payload, Problem, Subject, Term, timestamp
from handlers.ids import DeliveryId, new_id, newest_first, time_of
from handlers.paths import folder
from handlers.problems import in_words
from handlers.stores import BlobRef, Entity, Int64, Row, TableName, Value, table_key
from handlers.work import Work

_log = logging.getLogger("printiq.ledger")

# The partition of `deliveries` with a copy of each row that waits for a decision. It sorts after all days.
OPEN = "open"
# A text column holds 64 KiB of UTF-16; this counts bytes of UTF-8, which are never fewer than its units.
MAX_TEXT = 32_000
# The subjects of one delivery may take several columns: `subjects`, `subjects2`, …
_CHUNK = 15_000  # characters, which are at most two units of UTF-16 each
_CHUNKS = 20
_MAX_IDS = 800
_MORE_TERMS = 40


class Status(StrEnum):
    SENT = "sent"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    FAILING = "failing"
    FAILED = "failed"


# What waits for a decision until it is replayed or dismissed.
UNSENT = frozenset({Status.QUARANTINED, Status.FAILED})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a delivery, or of a failed attempt at it."""

    status: Status
    error: str = ""
    duplicate_of: str | None = None
    queues: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    raw: BlobRef | None = None
    data_ref: str | None = None
    # the time at which each step ended
    steps: Mapping[str, str] = field(default_factory=dict)


class ForeignRow(Exception):
    """A row that this app did not write, or that is incomplete; the message names the row and the mistake."""


def day(delivery_id: str) -> str:
    """Return a delivery's partition in `deliveries`."""
    return f"{time_of(delivery_id):%Y-%m-%d}"


def timeline_partition(subject: Subject) -> str:
    """Return a subject's partition in `timeline`."""
    return table_key(f"{subject.kind}|{subject.key}")


def shortened(text: str) -> str:
    """Return a text, cut to what a column holds."""
    encoded = text.encode("utf-8", "replace")
    return text if len(encoded) <= MAX_TEXT else encoded[:MAX_TEXT].decode(errors="ignore") + "…"


def _from_json(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


# Made once: json.dumps makes one for each call.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _to_json(value: object) -> str | None:
    return _ENCODER.encode(value) if value else None


def _bounded(warnings: Sequence[Problem]) -> str | None:
    """Write warnings as JSON, as many as a column holds."""
    shown = list(warnings)
    while len(text := json.dumps([each._asdict() for each in shown])) > MAX_TEXT:
        shown = shown[: len(shown) // 2]
    return text if shown else None


def _place(value: object) -> object:
    return BlobRef.read(value) if isinstance(value, str) else value


type _Json[T] = Annotated[T, BeforeValidator(_from_json), PlainSerializer(_to_json)]


class LedgerRow(BaseModel):
    """A row of one of the tables; what other programs wrote there is a ForeignRow."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="ignore",
        frozen=True,
        defer_build=True,
    )

    table: ClassVar[TableName]

    @classmethod
    def read(cls, row: Row) -> Self:
        """Read a row. Raises ForeignRow."""
        try:
            return cls.model_validate({name: value for name, value in row.items() if value != ""})
        except InvalidError as error:
            keys = f"{row.get('PartitionKey')} {row.get('RowKey')}"
            raise ForeignRow(
                f"The row {keys} in the table {cls.table} is not one of this app's: {in_words(error)}"
            ) from error

    @classmethod
    def read_or_name(cls, row: Row) -> Self | ForeignRow:
        """Read a row; return why one is not this app's."""
        try:
            return cls.read(row)
        except ForeignRow as error:
            return error

    @classmethod
    def read_ours(cls, row: Row | None) -> Self | None:
        """Read a row, if there is one; one that is not this app's is logged and None."""
        found = cls.read_or_name(row) if row is not None else None
        if isinstance(found, ForeignRow):
            _log.warning("%s", found)
            return None
        return found

    def columns(self) -> dict[str, Value]:
        """Return the columns without the keys."""
        return {name: value for name, value in self.model_dump().items() if value is not None}


class DeliveryRow(LedgerRow):
    """A delivery: its arrival, its outcome, and an operator's decision."""

    table = TableName.DELIVERIES

    id: DeliveryId
    event: str
    event_as_named: str | None = None
    kind: Kind | None = None
    key: str | None = None
    subject: str | None = None
    customer: str | None = None
    reference: str | None = None
    status: Status
    channel: Channel
    received_at: str
    processed_at: str | None = None
    attempts: int = 0
    error: str = ""
    duplicate_of: str | None = None
    replay_of: str | None = None
    origin: str | None = None
    queues: _Json[tuple[str, ...]] = ()
    # the paused subscriptions that did not get it
    withheld: _Json[tuple[str, ...]] = ()
    raw: Annotated[BlobRef | None, BeforeValidator(_place), PlainSerializer(lambda raw: raw and str(raw))] = (
        None
    )
    data_ref: str | None = None
    steps: _Json[Mapping[str, str]] = Field(default_factory=dict)
    size: int = 0
    content_type: str | None = None
    file: str | None = None
    # in several columns
    subjects: Annotated[tuple[Subject, ...], BeforeValidator(_from_json)] = ()
    # what it can be found by
    terms: _Json[tuple[Term, ...]] = ()
    warnings: Annotated[tuple[Problem, ...], BeforeValidator(_from_json), PlainSerializer(_bounded)] = ()
    # the id of the replay that was begun, and how
    replaying: str | None = None
    replayed_by: str | None = None
    dismissed: str | None = None
    dismissed_at: str | None = None
    decided_by: str | None = None
    erased: str | None = None
    erased_because: str | None = None
    # the state in which it was read; empty if it was not
    etag: str = Field("", exclude=True)

    @classmethod
    def of(cls, work: Work, outcome: Outcome, event: Event[Payload] | None) -> Self:
        """Return the row of a delivery with this outcome."""
        subject = event.subject if event else None
        subjects = event.subjects if event else ()
        facts = event.facts if event else Facts()
        named = _as_many_as_fit(subjects)
        warnings = list(event.warnings) if event else []
        if len(named) < len(subjects):
            warnings.insert(0, Problem("", f"Only {len(named):,} of {len(subjects):,} subjects are kept."))
        return cls(
            id=work.id,
            event=event.type if event else folder(work.event),
            event_as_named=work.event if work.event != folder(work.event) else None,
            kind=subject.kind if subject else None,
            key=table_key(subject.key) if subject else None,
            subject=shortened(subject.key) if subject else None,
            customer=facts.customer_name or facts.customer,
            reference=facts.reference,
            status=outcome.status,
            channel=work.channel,
            received_at=timestamp(work.received_at),
            processed_at=timestamp(datetime.now(UTC)),
            attempts=work.attempt,
            error=shortened(outcome.error),
            duplicate_of=outcome.duplicate_of,
            replay_of=work.replay.of if work.replay else None,
            origin=work.replay.origin if work.replay else None,
            queues=outcome.queues,
            withheld=outcome.withheld,
            raw=outcome.raw,
            data_ref=outcome.data_ref,
            steps=outcome.steps,
            size=work.size,
            content_type=work.content_type,
            file=work.file,
            subjects=named,
            terms=event.terms if event else work.numbers,
            warnings=tuple(warnings),
        )

    @classmethod
    def read(cls, row: Row) -> Self:
        texts = [str(row[name]) for name in _SUBJECTS_COLUMNS if row.get(name)]
        return super().read(Row({**row, "subjects": "".join(texts), "etag": row.etag}, row.etag))

    def columns(self) -> dict[str, Value]:
        text = _to_json(self.subjects) or ""
        chunks = [text[start : start + _CHUNK] for start in range(0, len(text), _CHUNK)]
        others = {name: value for name, value in super().columns().items() if name != "subjects"}
        named = dict(zip(_SUBJECTS_COLUMNS, chunks, strict=False))
        return {**others, **named, "size": Int64(self.size)}

    @property
    def partition(self) -> str:
        return day(self.id)

    @property
    def row_key(self) -> str:
        return newest_first(self.id)

    @property
    def is_closed(self) -> bool:
        """Whether an operator has dealt with it."""
        return bool(self.replayed_by or self.dismissed)

    @property
    def order(self) -> str:
        """The id by which the states of a subject are ordered: the original's, if this is a replay."""
        return self.origin or self.id

    def over(self, before: Self | None) -> Self:
        """Return this row with the values that only the earlier one has, such as an operator's decision."""
        if before is None:
            return self
        news = {name: value for name, value in self if value not in (None, (), {}, "")}
        cleared: dict[str, str | None] = {"error": self.error}
        if self.status is Status.SENT:  # it may have been freed from its mark
            cleared["duplicate_of"] = None
        return before.model_copy(update={**news, **cleared})

    def erased_at(self, moment: datetime, reason: str) -> Self:
        """Return what remains of an erased delivery."""
        return type(self)(
            id=self.id,
            event=self.event,
            status=self.status,
            channel=self.channel,
            received_at=self.received_at,
            processed_at=self.processed_at,
            attempts=self.attempts,
            size=self.size,
            erased=timestamp(moment),
            erased_because=reason,
        )


_SUBJECTS_COLUMNS = ["subjects", *(f"subjects{number}" for number in range(2, _CHUNKS + 1))]


def _as_many_as_fit(subjects: Sequence[Subject]) -> tuple[Subject, ...]:
    """Return the subjects that a row can name; rows of any others could not be found and removed later."""
    # a list of one has brackets, which in a longer list cost no more than the commas
    sizes = accumulate(len(_to_json([subject]) or "") for subject in subjects)
    return tuple(subject for subject, size in zip(subjects, sizes, strict=True) if size <= _CHUNK * _CHUNKS)


class TimelineRow(LedgerRow):
    """A delivery in the history of one of its subjects.

    `kind` and `subject` are what the delivery is about, as in its own row; `primary` is whether the history
    is that subject's own.
    """

    table = TableName.TIMELINE

    id: DeliveryId
    event: str
    kind: Kind
    subject: str
    primary: bool
    customer: str | None = None
    reference: str | None = None
    queues: _Json[tuple[str, ...]] = ()
    withheld: _Json[tuple[str, ...]] = ()
    status: Status
    channel: Channel
    received_at: str
    processed_at: str | None = None
    error: str = ""
    duplicate_of: str | None = None
    replay_of: str | None = None

    @classmethod
    def of(cls, row: DeliveryRow, *, primary: bool) -> Self:
        return cls(
            id=row.id,
            event=row.event,
            kind=row.subjects[0].kind,
            subject=shortened(row.subjects[0].key),
            primary=primary,
            customer=row.customer,
            reference=row.reference,
            queues=row.queues,
            withheld=row.withheld,
            status=row.status,
            channel=row.channel,
            received_at=row.received_at,
            processed_at=row.processed_at,
            error=row.error,
            duplicate_of=row.duplicate_of,
            replay_of=row.replay_of,
        )


class RecordRow(LedgerRow):
    """The latest state of a subject, and the delivery that brought it."""

    table = TableName.RECORDS

    subject: str
    event: str
    delivery: str
    order: str
    received_at: str
    # the facts of the payload
    status: str | None = None
    customer: str | None = None
    customer_name: str | None = None
    reference: str | None = None
    total: str | None = None
    currency: str | None = None
    date: str | None = None
    due: str | None = None
    # what the subject can be found by: by this delivery, and by earlier or late ones
    terms: _Json[tuple[Term, ...]] = ()
    more_terms: _Json[tuple[Term, ...]] = ()
    data: str | None = None
    data_ref: str | None = None

    @classmethod
    def of(cls, row: DeliveryRow, event: Event[Payload], subject: Subject) -> Self:
        in_row = len(event.data) <= MAX_TEXT
        return cls(
            subject=shortened(subject.key),
            event=row.event,
            delivery=row.id,
            order=row.order,
            received_at=timestamp(time_of(row.order)),
            **event.facts._asdict(),
            terms=row.terms,
            data=event.data.decode() if in_row else None,
            data_ref=None if in_row else row.data_ref,
        )

    @property
    def all_terms(self) -> tuple[Term, ...]:
        return (*self.terms, *self.more_terms)

    def with_more(self, terms: Iterable[Term]) -> Self:
        """Return this row with these terms beside its own, as many as are kept."""
        others = [term for term in dict.fromkeys(terms) if term not in self.terms]
        return self.model_copy(update={"more_terms": tuple(others[:_MORE_TERMS])})

    def known(self, fact: Fact) -> str | None:
        """Return the latest value of a fact of its terms."""
        return next((value for name, value in self.all_terms if name == fact), None)


class SearchRow(LedgerRow):
    """A place in a term of a subject at which a text may begin; `fact` and `value` are the term."""

    table = TableName.SEARCH

    subject: str
    fact: str
    value: str
    customer: str | None = None
    customer_name: str | None = None
    reference: str | None = None

    @classmethod
    def of(cls, record: RecordRow, term: Term) -> Self:
        return cls(
            subject=record.subject,
            fact=term.fact,
            value=term.value,
            customer=record.known(Fact.CUSTOMER),
            customer_name=record.known(Fact.CUSTOMER_NAME),
            reference=record.known(Fact.REFERENCE),
        )


class ErasureRow(LedgerRow):
    """The record that an erasure was done: when, why, and of how many deliveries; not of whom."""

    table = TableName.ERASURES

    erased_at: str
    reason: str
    deliveries: int
    ids: _Json[tuple[str, ...]] = ()

    @classmethod
    def of(cls, ids: Sequence[str], reason: str, moment: datetime) -> Self:
        return cls(erased_at=timestamp(moment), reason=reason, deliveries=len(ids), ids=tuple(ids[:_MAX_IDS]))

    def entity(self) -> Entity:
        moment = datetime.fromisoformat(self.erased_at)
        keys = {"PartitionKey": f"{moment:%Y}", "RowKey": newest_first(new_id(moment))}
        return {**self.columns(), **keys}


class SendState(StrEnum):
    """The state of a delivery at one subscription."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    PAUSED = "paused"
    REPLAYED = "replayed"


# What a subscription has not got.
UNDELIVERED = frozenset({SendState.WAITING, SendState.FAILED, SendState.PAUSED})


class SendRow(LedgerRow):
    """A delivery at a subscription to which it is pushed, or from which it was withheld.

    `attempts` counts requests; `status` and `answer` are the last one's. `digest` is the message's: a
    delivery may have a second one, without its duplicate mark.
    """

    table = TableName.SENDS

    subscription: str
    delivery: DeliveryId
    event: str
    kind: Kind | None = None
    subject: str | None = None
    state: SendState
    attempts: int = 0
    status: int | None = None
    latency_ms: int | None = None
    first_at: str
    last_at: str
    next_at: str | None = None
    answer: str | None = None
    error: str | None = None
    replayed_by: str | None = None
    digest: str = ""
    etag: str = Field("", exclude=True)

    @classmethod
    def read(cls, row: Row) -> Self:
        return super().read(Row({**row, "etag": row.etag}, row.etag))

    def entity(self) -> Entity:
        keys = {"PartitionKey": self.subscription, "RowKey": newest_first(self.delivery)}
        return {**self.columns(), **keys}

    def has_got(self, digest: str) -> bool:
        """Whether the subscription has the message already."""
        return self.state is SendState.DELIVERED and self.digest == digest

    def copy_entity(self) -> Entity:
        """Return the copy in the partition of what is not delivered."""
        partition, row_key = copy_keys(self.subscription, self.delivery)
        return {**self.columns(), "PartitionKey": partition, "RowKey": row_key}


def undelivered(subscription: str) -> str:
    """Return the partition with the copies of the rows that are not delivered."""
    return f"{subscription}|{OPEN}"


def copy_keys(subscription: str, delivery_id: str) -> tuple[str, str]:
    """Return the partition and the row key of a row's copy: a UUIDv7 sorts by time."""
    return undelivered(subscription), UUID(delivery_id).hex


class PauseRow(LedgerRow):
    """A subscription that is paused: why, since when, and who paused it."""

    table = TableName.SUBSCRIPTIONS

    PARTITION: ClassVar = "subscription"

    subscription: str
    reason: str
    by: str | None = None
    at: str

    @classmethod
    def keys(cls, subscription: str) -> tuple[str, str]:
        return cls.PARTITION, table_key(subscription)

    def entity(self) -> Entity:
        partition, row_key = self.keys(self.subscription)
        return {**self.columns(), "PartitionKey": partition, "RowKey": row_key}


class LastSeenRow(LedgerRow):
    """When an event last came."""

    table = TableName.LAST_SEEN
    PARTITION: ClassVar = "event"

    received_at: Annotated[AwareDatetime, PlainSerializer(timestamp)]
