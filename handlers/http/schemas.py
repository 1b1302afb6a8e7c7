"""The JSON API's requests and responses as models; OpenAPI is generated from them."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from events import Channel, EventError, EventType, Kind, Subject
from handlers.ledger.query import CURSOR, Filter
from handlers.ledger.rows import SendState, Status
from handlers.paths import UNKNOWN_EVENT
from handlers.subscriptions import SubscriptionKind

MAX_PAGE = 500
MAX_EXPORT = 5000
MAX_IDS = 100  # they must fit into an address


class _Response(BaseModel):
    """Part of a response: camelCase on the wire, without the members that are None."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        from_attributes=True,
        validate_by_name=True,
        serialize_by_alias=True,
        extra="ignore",
        frozen=True,
        defer_build=True,
    )

    @classmethod
    def of(cls, row: BaseModel, **more: object) -> Self:
        """Show a row of the ledger; pydantic reads its fields four times as fast from a dict as by name."""
        return cls.model_validate({**vars(row), **more})

    def document(self) -> bytes:
        """Write it as JSON, without the members that are None."""
        return self.model_dump_json(exclude_none=True).encode()


class _Request(BaseModel):
    """A request. Unknown names are refused, since a misspelt filter would select everything."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        serialize_by_alias=True,
        extra="forbid",
        frozen=True,
        defer_build=True,
    )


def _event_or_unknown(name: str) -> str:
    return UNKNOWN_EVENT if name.lower() == UNKNOWN_EVENT else _event(name)


def _event(name: str) -> str:
    try:
        return EventType.named(name).value
    except EventError as error:
        raise ValueError(error.message) from error


# As a regular expression of JSON Schema, whose blanks differ from those of Python's strip.
_NOT_BLANK = r"[^\s\u001c-\u001f\u0085]|\ufeff"


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value.is_integer()


# The times that an id can hold, less room for arithmetic with days.
_FIRST, _LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def _moment(value: object) -> datetime:
    """Read a time. Without an offset it is UTC; a date is its first moment.

    A time before or after every possible delivery is moved to that bound, which selects the same ones.
    """
    if not isinstance(value, str) or not re.match(r"\d{4}-\d{2}-\d{2}", value):
        raise ValueError("write a time as 2026-01-31T08:00:00Z, or a date as 2026-01-31")
    moment = datetime.fromisoformat(value)
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return min(max(moment, _FIRST), _LAST).astimezone(UTC)


Id = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
Timestamp = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
EventName = Annotated[
    str,
    AfterValidator(_event_or_unknown),
    WithJsonSchema({"type": "string", "enum": [*EventType, UNKNOWN_EVENT]}),
]
KnownEvent = Annotated[
    str, AfterValidator(_event), WithJsonSchema({"type": "string", "enum": list(EventType)})
]
Moment = Annotated[
    datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})
]
# JSON Schema's integer is any number without a fraction: 5.0 is one.
Limit = Annotated[
    int, Field(ge=1, le=5000), BeforeValidator(lambda value: int(value) if _is_whole(value) else value)
]
Cursor = Annotated[str, Field(pattern=f"^{CURSOR}$")]
NextCursor = Annotated[Cursor | None, Field(description="Pass it on for the next page; absent on the last.")]
OldestSeconds = Annotated[float | None, Field(description="The age of the oldest waiting message.")]
Reason = Annotated[
    str,
    Field(min_length=1, max_length=1000, json_schema_extra={"pattern": _NOT_BLANK}),
    AfterValidator(_not_blank),
]
By = Annotated[
    str | None,
    Field(min_length=1, max_length=100, description="Who decides this: a name, kept in the ledger."),
]


def _split(value: object) -> object:
    """Read several values that a query separates by commas; a body may have one without a list."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(","))
    return tuple(value) if isinstance(value, list) else value


# Strict, as bodies are read, would take no text for a member of an enum once the text was split.
type Several[T] = Annotated[tuple[Annotated[T, Field(strict=False)], ...], BeforeValidator(_split)]
AskedId = Annotated[
    str,
    Field(pattern=r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"),
    AfterValidator(str.lower),
    WithJsonSchema({"type": "string", "format": "uuid"}),
]
Key = Annotated[str, Field(min_length=1, max_length=1024)]


def _subject(value: object) -> object:
    """Read a subject as `kind/key`."""
    kind, _, key = str(value).partition("/")
    if kind not in Kind or not key:
        raise ValueError(f"write it as kind/key; the kinds are {', '.join(Kind)}")
    return Subject(Kind(kind), key)


SubjectName = Annotated[
    Subject,
    BeforeValidator(_subject),
    WithJsonSchema({"type": "string", "pattern": f"^({'|'.join(Kind)})/.", "maxLength": 1024}),
]


class DeliverySummary(_Response):
    """A delivery as lists show it."""

    id: Id
    event: Annotated[str, Field(description="printIQ's event, or `_unknown` for an unknown name.")]
    event_as_named: Annotated[str | None, Field(description="The event's name as the sender wrote it.")] = (
        None
    )
    kind: Annotated[Kind | None, Field(description="What the subject is.")] = None
    subject: Annotated[str | None, Field(description="The primary business key.")] = None
    customer: Annotated[str | None, Field(description="The customer's name, or its code.")] = None
    reference: Annotated[str | None, Field(description="The customer's own reference.")] = None
    sent_to: Annotated[
        list[str], Field(description="The titles of the subscriptions to which it was sent.")
    ] = []
    undelivered: Annotated[
        list[str],
        Field(description="Of `sentTo`, those that have not got it: their address did not take it."),
    ] = []
    withheld_from: Annotated[
        list[str], Field(description="The titles of the subscriptions that were paused, and did not get it.")
    ] = []
    status: Status
    channel: Channel
    received_at: Timestamp
    processed_at: Timestamp | None = None
    error: Annotated[
        str | None, BeforeValidator(lambda error: error or None), Field(description="Why it was not sent on.")
    ] = None
    duplicate_of: Id | None = None
    replay_of: Id | None = None
    replayed_by: Id | None = None
    dismissed: Annotated[str | None, Field(description="The reason given when it was dismissed.")] = None
    dismissed_at: Timestamp | None = None
    decided_by: Annotated[
        str | None, Field(description="Who replayed or dismissed it, by the name given.")
    ] = None


class ProblemItem(_Response):
    """One error or warning, and where it is."""

    pointer: Annotated[str, Field(description="A JSON Pointer into the document; empty for all of it.")]
    message: str


class SubjectRef(_Response):
    """A subject's kind and business key."""

    kind: Kind
    key: str


class DeliveryDetail(DeliverySummary):
    """The details of a delivery."""

    attempts: Annotated[int | None, Field(description="How often processing was attempted.")] = None
    size: Annotated[int | None, Field(description="Bytes as received.")] = None
    content_type: Annotated[str | None, Field(description="The Content-Type that the sender declared.")] = (
        None
    )
    file: Annotated[str | None, Field(description="The file that it arrived as, by its whole name.")] = None
    subjects: list[SubjectRef] = []
    queues: Annotated[list[str], Field(description="The subscriptions to which it was sent.")] = []
    withheld: Annotated[
        list[str], Field(description="The subscriptions that were paused, and did not get it.")
    ] = []
    errors: Annotated[list[ProblemItem], Field(description="Why it was refused.")] = []
    warnings: list[ProblemItem] = []
    steps: Annotated[
        dict[str, Timestamp] | None,
        BeforeValidator(lambda steps: steps or None),
        Field(description="When each processing step was done."),
    ] = None
    raw: Annotated[
        str | None,
        BeforeValidator(lambda raw: raw and str(raw)),
        Field(description="Where its bytes are kept: container/name."),
    ] = None
    data_ref: Annotated[str | None, Field(description="The blob with its data, if that is large.")] = None
    erased: Annotated[Timestamp | None, Field(description="When all that it held was erased.")] = None
    erased_because: Annotated[str | None, Field(description="The reason given when it was erased.")] = None


class Send(_Response):
    """A delivery at a subscription to which it was pushed, or from which it was withheld."""

    subscription: str
    delivery: Id
    event: str
    kind: Kind | None = None
    subject: str | None = None
    state: SendState
    attempts: Annotated[int, Field(description="How many requests were made.")]
    status: Annotated[int | None, Field(description="The last response's HTTP status.")] = None
    latency_ms: Annotated[int | None, Field(description="How long the last response took.")] = None
    first_at: Timestamp
    last_at: Timestamp
    next_at: Timestamp | None = None
    answer: Annotated[str | None, Field(description="The beginning of the last response's body.")] = None
    error: Annotated[str | None, Field(description="Why it was not delivered.")] = None
    replayed_by: Id | None = None


class DeliveryHistory(DeliveryDetail):
    """The details of a delivery, with what became of it where it is pushed to or was withheld from."""

    sends: Annotated[list[Send], Field(description="Empty until it was tried; queues have no history.")]


class DeliveryItem(DeliveryDetail):
    """A delivery in a list: the members asked for with `fields`, by default those without bulk."""

    model_config = ConfigDict(json_schema_extra={"required": ["id"]})


class DeliveryPage(_Response):
    """Deliveries, newest first. A page may be short or empty and still have a next one."""

    deliveries: list[DeliveryItem]
    cursor: NextCursor = None

    def showing(self, fields: Sequence[str]) -> bytes:
        """Write it as JSON, of each delivery only these fields and its id."""
        shown = {"id", *fields} if fields else set(_IN_LISTS)
        return self.model_dump_json(
            exclude_none=True, include={"deliveries": {"__all__": shown}, "cursor": True}
        ).encode()


class Replayable(_Response):
    """A delivery that can be replayed, and as which event."""

    replay_of: Id
    event: str


class ReplayAccepted(Replayable):
    """A replay in custody: a delivery of its own."""

    id: Id


class ReplaysResult(_Response):
    """The outcome of replaying a selection."""

    matched: Annotated[int, Field(description="Replayed in this call; in a dry run, those that can be.")]
    replayed: list[ReplayAccepted]
    skipped: Annotated[int, Field(description="Already replayed, dismissed, or not replayable.")]
    cursor: Annotated[Cursor | None, Field(description="Pass it on to continue where this call stopped.")] = (
        None
    )


class Record(_Response):
    """The latest state of a subject."""

    event: str
    delivery: Id
    received_at: Timestamp
    status: Annotated[str | None, Field(description="Its status, as printIQ names it.")] = None
    customer: Annotated[str | None, Field(description="The customer's code.")] = None
    customer_name: Annotated[str | None, Field(description="The customer's name.")] = None
    reference: Annotated[str | None, Field(description="The customer's own reference.")] = None
    total: Annotated[str | None, Field(description="A decimal, with or without tax as printIQ gives it.")] = (
        None
    )
    currency: str | None = None
    date: Annotated[str | None, Field(description="The calendar day as printIQ wrote it.")] = None
    due: Annotated[str | None, Field(description="The calendar day as printIQ wrote it.")] = None
    data: Annotated[
        Any,
        BeforeValidator(lambda data: json.loads(data) if isinstance(data, str) else data),
        Field(description="The payload, normalised."),
    ] = None
    data_ref: Annotated[str | None, Field(description="The blob with the data, if that is large.")] = None


class Timeline(_Response):
    """The history of a subject."""

    kind: Kind
    key: str
    latest: Record | None = None
    deliveries: list[DeliverySummary]
    cursor: NextCursor = None


class Matched(_Response):
    """What a text was found in."""

    fact: Annotated[
        str,
        Field(
            description="`key`, `customer`, `customerName` or `reference`; of a delivery also `number`, in a "
            "body that could not be read, `file`, its name, or `id`."
        ),
    ]
    value: str


class SubjectMatch(_Response):
    """A subject for which deliveries were received."""

    kind: Kind
    key: str
    matched: Matched
    customer: Annotated[str | None, Field(description="The customer's name, or its code.")] = None
    reference: Annotated[str | None, Field(description="The customer's own reference.")] = None


class DeliveryMatch(DeliverySummary):
    """A delivery that awaits a decision, or whose id was searched for."""

    matched: Matched


class SearchResult(_Response):
    """What a text is part of, the nearest first: at most ten subjects of each kind, and ten deliveries."""

    subjects: list[SubjectMatch]
    deliveries: Annotated[
        list[DeliveryMatch], Field(description="Of the deliveries that await a decision, newest first.")
    ]
    more: Annotated[bool, Field(description="There is more than is returned: search for a longer text.")]


class StatusCount(_Response):
    """The number of deliveries of one event and status."""

    event: str
    status: Status
    count: int


class Bucket(_Response):
    """The counts of one hour or day."""

    start: Timestamp
    counts: list[StatusCount]


class OpenCount(_Response):
    """The number of deliveries that await a decision; `more` if there are more than were counted."""

    count: int
    more: bool


class QueueDepth(_Response):
    """The depth and age of a queue, or of what is to be pushed to an https subscription."""

    name: str
    title: Annotated[str | None, Field(description="What people call it, if it is a subscription's.")] = None
    role: Literal["inbox", "notifications", "poison", "push", "result"]
    messages: Annotated[int, Field(description="Approximate; includes messages in work.")]
    oldest_seconds: OldestSeconds = None


class Environment(_Response):
    """Which installation of the app this is."""

    site: Annotated[str, Field(description="The setting PRINTIQ_SITE.")]
    tier: Annotated[Literal["uat", "prod"] | None, Field(description="The setting PRINTIQ_TIER.")] = None


class StatsReport(_Response):
    """Counts of deliveries by event and status, and the depth of each queue."""

    environment: Environment
    from_: Annotated[Timestamp, Field(alias="from")]
    to: Timestamp
    per: Literal["hour", "day"]
    buckets: list[Bucket]
    counted_from: Annotated[
        Timestamp | None,
        Field(
            description="Older buckets were left out: the period or the number of deliveries was too large."
        ),
    ] = None
    open: OpenCount
    queues: list[QueueDepth]


class Pause(_Response):
    """Why and since when a subscription is paused, and who paused it."""

    reason: str
    by: str | None = None
    at: Timestamp


class Subscription(_Response):
    """A destination of results, and how it fares."""

    name: str
    kind: SubscriptionKind
    title: Annotated[str | None, Field(description="What people call it.")] = None
    events: Annotated[list[str], Field(description="Names of events, or patterns.")]
    duplicates: Literal["send", "drop"]
    paused: bool
    pause: Pause | None = None
    this_hour: Annotated[int, Field(description="Its events since the hour began.")]
    last_day: Annotated[int, Field(description="Its events of the last 24 hours, the present one included.")]
    waiting: Annotated[
        int | None,
        Field(description="Messages in its queue, or not pushed yet. Unknown for Service Bus."),
    ] = None
    oldest_seconds: OldestSeconds = None
    failed: Annotated[int, Field(description="Deliveries that were given up, counted to 1,000.")]
    missed: Annotated[
        int, Field(description="Deliveries that were withheld while it was paused, counted to 1,000.")
    ]


class SubscriptionList(_Response):
    """All subscriptions, in the order of subscriptions.toml."""

    subscriptions: list[Subscription]


class SubscriptionDetail(Subscription):
    """A subscription with what became of its deliveries, newest first; those undelivered oldest first."""

    sends: list[Send]
    cursor: NextCursor = None


class TestSent(_Response):
    """A test event that was sent to a subscription."""

    id: Id


class MissedReplayed(_Response):
    """The outcome of replaying what a subscription missed."""

    matched: Annotated[int, Field(description="Replayed in this call; in a dry run, those that can be.")]
    skipped: Annotated[int, Field(description="Not replayable, or no longer kept.")]
    more: Annotated[bool, Field(description="There is more: call again.")]


class FieldSeen(_Response):
    """How often a field was seen, and the form of its first value: `X99999-99` for J29328-01."""

    field: Annotated[str, Field(description="Its names joined by `/`; `*` is any item of a list.")]
    count: int
    first: Timestamp
    last: Timestamp
    example: str
    delivery: Annotated[str, Field(description="The id of the last delivery that had it.")]


class EventDrift(_Response):
    """Where the deliveries of an event differ from its model."""

    event: str
    object: str
    deliveries: Annotated[int, Field(description="How many were compared.")]
    first: Timestamp
    last: Timestamp
    unknown: Annotated[list[FieldSeen], Field(description="Fields that are not in the model.")]
    unread: Annotated[
        list[FieldSeen], Field(description="Values that could not be read as the model declares.")
    ]
    never_arrived: Annotated[list[str], Field(description="Fields of the model that never arrived.")]
    more: Annotated[bool, Field(description="More fields were seen than are kept.")]


class DriftReport(_Response):
    """Where printIQ's payloads differ from the models."""

    events: list[EventDrift]


class EventSchema(_Response):
    """An event, what it carries and where its schema is."""

    event: str
    kind: Kind
    object: Annotated[str, Field(description="printIQ's name of what it carries.")]
    format: Annotated[str, Field(description="The format that printIQ sends; JSON and XML are both read.")]
    trigger: Annotated[str, Field(description='Completes "sent when …".')]
    type: Annotated[str, Field(description="The CloudEvents `type` of its messages.")]
    schema_: Annotated[str, Field(alias="schema", description="The address of its data's JSON Schema.")]
    message_schema: Annotated[str, Field(description="The address of its whole message's JSON Schema.")]


class EventSchemas(_Response):
    """All events."""

    schemas: list[EventSchema]
    envelope: Annotated[str, Field(description="The address of the JSON Schema of any event's message.")]


class Health(_Response):
    """Storage answers."""

    status: Literal["ok"]


class Accepted(_Response):
    """An event in custody."""

    id: Id
    event: str
    status: Literal["accepted", "quarantined"]
    kind: Kind | None = None
    subject: str | None = None
    received_at: Timestamp
    warnings: list[ProblemItem] | None = None
    detail: Annotated[str | None, Field(description="Why it was refused; only with QUARANTINE_STATUS.")] = (
        None
    )
    errors: list[ProblemItem] | None = None


class ProblemType(_Response):
    """What the problems of one `type` mean, and what to do."""

    type: str
    title: str
    status: int
    meaning: str


class ProblemTypes(_Response):
    """All problem types."""

    problems: list[ProblemType]


class ProblemDocument(_Response):
    """Problem details (RFC 9457)."""

    type: Annotated[
        str,
        Field(description="A path at this app that documents the problem. It never changes: test for it."),
    ]
    title: str
    status: int
    detail: str
    errors: list[ProblemItem]
    id: Annotated[Id | None, Field(description="The delivery's id, if it was kept.")] = None


# The members of a delivery that a list can show, by their names on the wire.
_FIELDS = {to_camel(name): name for name in DeliveryItem.model_fields if name != "errors"}
_IN_LISTS = frozenset(DeliverySummary.model_fields)


def _field(name: str) -> str:
    if name not in _FIELDS:
        raise ValueError(f"no delivery has {name[:60]!r}; it has {', '.join(_FIELDS)}")
    return _FIELDS[name]


FieldName = Annotated[str, AfterValidator(_field), WithJsonSchema({"type": "string", "enum": list(_FIELDS)})]


class DeliveryFilter(_Request):
    """A selection of deliveries; members that are left out select all."""

    status: Annotated[Several[Status], Field(description="Any of these outcomes.")] = ()
    event: Annotated[
        Several[EventName], Field(description="Any of these events of printIQ, or `_unknown`.")
    ] = ()
    subject: Annotated[
        Key | None, Field(description="A business key as printIQ writes it, such as J29328-01.")
    ] = None
    kind: Annotated[Kind | None, Field(description="What the key is the key of.")] = None
    channel: Annotated[Several[Channel], Field(description="Arrived by any of these.")] = ()
    from_: Annotated[
        Moment | None, Field(alias="from", description="Received at this time or later; a date is UTC.")
    ] = None
    to: Annotated[Moment | None, Field(description="Received before this time; a date is UTC.")] = None
    open: Annotated[
        bool, Field(description="Only quarantined or failed deliveries that await a decision.")
    ] = False

    def filter(self) -> Filter:
        return Filter(
            status=frozenset(self.status),
            event=frozenset(self.event),
            subject=self.subject,
            kind=self.kind,
            channel=frozenset(self.channel),
            start=self.from_,
            end=self.to,
            open=self.open,
        )


_LIMIT = Field(ge=1, le=MAX_PAGE, description="The most deliveries on a page.")
_CURSOR = Field(description="The `cursor` of the previous page.")


class DeliveryQuery(DeliveryFilter):
    """A request for a page of deliveries."""

    limit: Annotated[int, _LIMIT] = 50
    cursor: Annotated[Cursor | None, _CURSOR] = None
    fields: Annotated[
        Several[FieldName],
        Field(
            description="Only these members of each delivery, and its `id`. Those that only details have are "
            "absent where `subject` is given."
        ),
    ] = ()


class ExportQuery(DeliveryFilter):
    """A request for deliveries as a file."""

    format: Annotated[
        Literal["csv", "ndjson", "zip"],
        Field(description="A table, a JSON object per line, or both with the bodies as received."),
    ] = "csv"
    limit: Annotated[int, Field(ge=1, le=MAX_EXPORT, description="The most deliveries in the file.")] = (
        MAX_EXPORT
    )
    cursor: Annotated[Cursor | None, _CURSOR] = None
    ids: Annotated[
        Several[AskedId],
        Field(max_length=MAX_IDS, description="These deliveries, whatever the filter selects."),
    ] = ()
    about: Annotated[
        SubjectName | None,
        Field(
            description="All about this subject, such as customer/KOWSEED, and about the quotes, jobs, "
            "invoices, … that its deliveries name; in place of `kind` and `subject`."
        ),
    ] = None


class DetailQuery(_Request):
    """A request for the details of a delivery."""

    wait: Annotated[
        float, Field(ge=0, le=60, description="Seconds to wait for its outcome, for a replay just accepted.")
    ] = 0


class TimelineQuery(_Request):
    """A request for a page of a subject's timeline."""

    limit: Annotated[int, _LIMIT] = 50
    cursor: Annotated[Cursor | None, _CURSOR] = None


_AS = Field(alias="as", description="The right event, where the sender named a wrong one.")
_QUEUES = Field(min_length=1, description="Only these of the subscriptions to the event, of any kind.")
QueueNames = tuple[Annotated[str, Field(min_length=1, max_length=260)], ...]


class ReplayRequest(_Request):
    """How to replay a delivery."""

    as_: Annotated[KnownEvent | None, _AS] = None
    queues: Annotated[QueueNames | None, _QUEUES] = None
    dry_run: Annotated[bool, Field(description="Check only; replay nothing.")] = False
    by: By = None


class ReplaysRequest(ReplayRequest):
    """Which deliveries to replay, and how."""

    filter: Annotated[
        DeliveryFilter, Field(description="Which deliveries; those already replayed are skipped.")
    ]
    limit: Annotated[Limit, Field(description="The most to replay in this call; 50 a second.")] = 500
    cursor: Annotated[Cursor | None, Field(description="The `cursor` of the previous response.")] = None


class DismissRequest(_Request):
    """The reason why a delivery needs no further action."""

    reason: Reason
    by: By = None


class SubscriptionQuery(_Request):
    """A request for a subscription and a page of its deliveries."""

    state: Annotated[SendState | None, Field(description="Only deliveries in this state.")] = None
    limit: Annotated[int, _LIMIT] = 50
    cursor: Annotated[Cursor | None, _CURSOR] = None


class PauseRequest(_Request):
    """The reason why a subscription is paused."""

    reason: Reason
    by: By = None


class ResumeRequest(_Request):
    """Who resumes a subscription."""

    by: By = None


class MissedRequest(_Request):
    """How to replay what a subscription missed."""

    dry_run: Annotated[bool, Field(description="Count only; replay nothing.")] = False
    limit: Annotated[Limit, Field(description="The most to replay in this call; 50 a second.")] = 500
    by: By = None


class SearchQuery(_Request):
    """A text to search for."""

    q: Annotated[
        str,
        Field(
            min_length=2,
            max_length=200,
            description="Part of a number, or the start of a word in a name, without regard to case and "
            "accents; or a delivery's id.",
        ),
    ]


class StatsQuery(_Request):
    """A request for counts: at most 7 days by the hour or 92 by the day, by default the last 24 hours."""

    from_: Annotated[Moment | None, Field(alias="from", description="The first hour or day.")] = None
    to: Annotated[Moment | None, Field(description="The end, exclusive.")] = None
    per: Annotated[Literal["hour", "day"], Field(description="The width of a bucket.")] = "hour"
