"""What the JSON API takes and shows: its requests and answers as models, which OpenAPI is written from."""

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

from events import Channel, EventError, EventType, Kind
from handlers.ledger.query import CURSOR, Filter
from handlers.ledger.write import Status, subjects_of
from handlers.paths import UNKNOWN_EVENT

MAX_PAGE = 500


class _Shown(BaseModel):
    """Be a part of an answer: camelCase on the wire, and what is None is left out."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        serialize_by_alias=True,
        extra="ignore",
        frozen=True,
        defer_build=True,
    )

    def document(self) -> bytes:
        """Write it as JSON; what is None is left out."""
        return self.model_dump_json(exclude_none=True).encode()


class _Asked(BaseModel):
    """Be a request: a name that is not known is refused, since a misspelt filter would select everything."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        serialize_by_alias=True,
        extra="forbid",
        frozen=True,
        defer_build=True,
    )


def _spelt(name: str) -> str:
    return UNKNOWN_EVENT if name.lower() == UNKNOWN_EVENT else _known(name)


def _known(name: str) -> str:
    try:
        return EventType.named(name).value
    except EventError as error:
        raise ValueError(error.message) from error


# In the regular expressions of JSON Schema, which take other characters for blanks than Python's strip does.
_NOT_BLANK = r"[^\s\u001c-\u001f\u0085]|\ufeff"


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("it is blank")
    return text


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value.is_integer()


# What ids can tell, with room for a day's arithmetic.
_FIRST, _LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def _moment(value: object) -> datetime:
    """Read a time; one without an offset is UTC, a date is its first moment, as everywhere in the ledger.

    A time before or after all deliveries there can be is brought nearer, which selects the same ones.
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
    AfterValidator(_spelt),
    WithJsonSchema({"type": "string", "enum": [*EventType, UNKNOWN_EVENT]}),
]
KnownEvent = Annotated[
    str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(EventType)})
]
Moment = Annotated[
    datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})
]
# JSON Schema's integer is any number without a fraction: 5.0 is one.
Limit = Annotated[
    int, Field(ge=1, le=5000), BeforeValidator(lambda value: int(value) if _is_whole(value) else value)
]
Cursor = Annotated[str, Field(pattern=f"^{CURSOR}$")]
Key = Annotated[str, Field(min_length=1, max_length=1024)]


class Selection(_Asked):
    """Select deliveries; what is left out selects all."""

    status: Annotated[Status | None, Field(description="What came of it.")] = None
    event: Annotated[EventName | None, Field(description="printIQ's event, or `_unknown`.")] = None
    subject: Annotated[
        Key | None, Field(description="A business key as printIQ writes it, such as J29328-01.")
    ] = None
    kind: Annotated[Kind | None, Field(description="What the key is the key of.")] = None
    channel: Annotated[Channel | None, Field(description="The way it came.")] = None
    from_: Annotated[
        Moment | None, Field(alias="from", description="Received at this time or later; a date is UTC.")
    ] = None
    to: Annotated[Moment | None, Field(description="Received before this time; a date is UTC.")] = None
    open: Annotated[
        bool, Field(description="Only what is quarantined or failed and waits for a decision.")
    ] = False

    def filter(self) -> Filter:
        return Filter(
            status=self.status,
            event=self.event,
            subject=self.subject,
            kind=self.kind,
            channel=self.channel,
            start=self.from_,
            end=self.to,
            open=self.open,
        )


_SIZE = Field(ge=1, le=MAX_PAGE, description="Rows on a page.")
_CURSOR = Field(description="The `cursor` of the page before.")


class Listing(Selection):
    """Ask for a page of deliveries."""

    size: Annotated[int, _SIZE] = 50
    cursor: Annotated[Cursor | None, _CURSOR] = None


class Paging(_Asked):
    """Ask for a page of a subject's timeline."""

    size: Annotated[int, _SIZE] = 50
    cursor: Annotated[Cursor | None, _CURSOR] = None


_AS = Field(alias="as", description="Another event, where the sender had the wrong one.")
_QUEUES = Field(min_length=1, description="Only these of the queues that subscribe to the event.")
QueueNames = tuple[Annotated[str, Field(min_length=3, max_length=63)], ...]


class Again(_Asked):
    """Say how to replay a delivery."""

    as_: Annotated[KnownEvent | None, _AS] = None
    queues: Annotated[QueueNames | None, _QUEUES] = None
    dry_run: Annotated[bool, Field(description="Only tell whether it could be done.")] = False


class ManyAgain(Again):
    """Say which deliveries to replay, and how."""

    filter: Annotated[Selection, Field(description="Which ones; those replayed already are passed over.")]
    limit: Annotated[Limit, Field(description="At most so many, 50 a second.")] = 500
    cursor: Annotated[Cursor | None, Field(description="The `cursor` of the answer before.")] = None


class Dismissal(_Asked):
    """Say why nothing more is to be done about a delivery."""

    reason: Annotated[
        str,
        Field(min_length=1, max_length=1000, json_schema_extra={"pattern": _NOT_BLANK}),
        AfterValidator(_not_blank),
    ]


class Prefix(_Asked):
    """Ask which subjects begin with a text."""

    prefix: Annotated[
        str, Field(min_length=2, max_length=100, description="The first characters of a business key.")
    ]


class Period(_Asked):
    """Ask for counts of a period: its last 7 days by the hour, 92 by the day; else the last 24 hours."""

    from_: Annotated[Moment | None, Field(alias="from", description="The first hour or day.")] = None
    to: Annotated[Moment | None, Field(description="The end, not included.")] = None
    per: Annotated[Literal["hour", "day"], Field(description="The width of a bar.")] = "hour"


class Delivery(_Shown):
    """Show what is known of a delivery."""

    id: Id
    event: Annotated[str, Field(description="printIQ's event; `_unknown` where there is none of this name.")]
    event_as_named: Annotated[str | None, Field(description="The name as the sender wrote it.")] = None
    kind: Annotated[Kind | None, Field(description="What the subject is.")] = None
    subject: Annotated[str | None, Field(description="The primary business key.")] = None
    status: Status
    channel: Channel
    received_at: Timestamp
    processed_at: Timestamp | None = None
    error: Annotated[str | None, Field(description="Why it was not sent.")] = None
    duplicate_of: Id | None = None
    replay_of: Id | None = None
    replayed_by: Id | None = None
    dismissed: Annotated[str | None, Field(description="Why nothing more is to be done about it.")] = None
    dismissed_at: Timestamp | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, row: Any) -> Any:
        # a table's columns cannot be removed by a merge: "" stands for none
        return {name: value for name, value in row.items() if value != ""} if isinstance(row, dict) else row


class Page(_Shown):
    """Show deliveries, the newest first; a page may be short, or empty, and still have one that follows."""

    deliveries: list[Delivery]
    cursor: Annotated[Cursor | None, Field(description="Ask with it for the page that follows.")] = None


class Finding(_Shown):
    """Name one thing that is wrong, or odd, and where."""

    pointer: Annotated[str, Field(description="A JSON Pointer into the document; empty: all of it.")]
    message: str


class About(_Shown):
    """Name a subject."""

    kind: Kind
    key: str


class Detail(Delivery):
    """Show all that is known of a delivery."""

    attempts: Annotated[int | None, Field(description="How often it was worked on.")] = None
    size: Annotated[int | None, Field(description="Bytes, as they came.")] = None
    content_type: Annotated[str | None, Field(description="What the sender called it.")] = None
    subjects: list[About] = []
    queues: Annotated[list[str], Field(description="The result queues that it was sent to.")] = []
    errors: Annotated[list[Finding], Field(description="What it was refused for.")] = []
    warnings: list[Finding] = []
    steps: Annotated[
        dict[str, Timestamp] | None, Field(description="When each step of the work was done.")
    ] = None
    raw: Annotated[str | None, Field(description="Where its bytes lie: container/name.")] = None
    data_ref: Annotated[str | None, Field(description="The blob of its data, where that is large.")] = None

    @model_validator(mode="before")
    @classmethod
    def _unpacked(cls, row: Any) -> Any:
        if not isinstance(row, dict):
            return row
        lists = ("queues", "warnings", "steps")
        read = {name: json.loads(row[name]) for name in lists if isinstance(row.get(name), str)}
        return {**row, **read, "subjects": [each._asdict() for each in subjects_of(row)]}


class Replayable(_Shown):
    """Tell that a delivery could be replayed, and as which event."""

    replay_of: Id
    event: str


class Replayed(Replayable):
    """Confirm that a replay is in custody: a delivery of its own."""

    id: Id


class ManyReplayed(_Shown):
    """Tell what was found and what was replayed."""

    matched: Annotated[int, Field(description="Replayed now; in a dry run, those that could be.")]
    replayed: list[Replayed]
    skipped: Annotated[int, Field(description="Replayed before, dismissed, or not possible.")]
    cursor: Annotated[Cursor | None, Field(description="Ask with it to go on where this stopped.")] = None


class Record(_Shown):
    """Show the latest state of a subject."""

    event: str
    delivery: Id
    received_at: Timestamp
    data: Annotated[Any, Field(description="The payload, normalised.")] = None
    data_ref: Annotated[str | None, Field(description="The blob of the data, where it is large.")] = None

    @classmethod
    def of(cls, row: dict[str, Any]) -> Self:
        return cls.model_validate({**row, "data": json.loads(row["data"]) if row.get("data") else None})


class Timeline(_Shown):
    """Show the history of a subject."""

    kind: Kind
    key: str
    latest: Record | None = None
    deliveries: list[Delivery]
    cursor: Annotated[Cursor | None, Field(description="Ask with it for the page that follows.")] = None


class Known(_Shown):
    """Name a subject that something was received about."""

    kind: Kind
    key: str
    event: Annotated[str, Field(description="The latest event about it.")]
    received_at: Timestamp


class Subjects(_Shown):
    """List subjects, at most ten of each kind."""

    subjects: list[Known]


class Count(_Shown):
    """Count deliveries of one event and status."""

    event: str
    status: Status
    count: int


class Bucket(_Shown):
    """Count what was received in one hour or day."""

    start: Timestamp
    counts: list[Count]


class Open(_Shown):
    """Count what waits for a decision; `more` says that there are more than were counted."""

    count: int
    more: bool


class Queue(_Shown):
    """Show how full a queue is."""

    name: str
    role: Literal["inbox", "poison", "result"]
    messages: Annotated[int, Field(description="About so many, those being worked on included.")]
    oldest_seconds: Annotated[float | None, Field(description="The age of the oldest that waits.")] = None


class Stats(_Shown):
    """Count what was received, by event and status, and show how full the queues are."""

    from_: Annotated[Timestamp, Field(alias="from")]
    to: Timestamp
    per: Literal["hour", "day"]
    buckets: list[Bucket]
    counted_from: Annotated[
        Timestamp | None, Field(description="Older bars were left out: too many, or too much in them.")
    ] = None
    open: Open
    queues: list[Queue]


class Sighting(_Shown):
    """Show how often a field was seen, and the form of its first value: `X99999-99` for J29328-01."""

    field: Annotated[str, Field(description="Its names joined by `/`, with `*` for any item of a list.")]
    count: int
    first: Timestamp
    last: Timestamp
    example: str


class EventDrift(_Shown):
    """Show where the deliveries of an event differ from the model of what it carries."""

    event: str
    object: str
    deliveries: Annotated[int, Field(description="How many were compared.")]
    first: Timestamp
    last: Timestamp
    unknown: Annotated[list[Sighting], Field(description="Fields that the model does not know.")]
    unread: Annotated[list[Sighting], Field(description="Values that could only be kept as they came.")]
    never_arrived: Annotated[list[str], Field(description="Fields that the model knows and that never came.")]
    more: Annotated[bool, Field(description="There were more fields than are kept.")]


class DriftReport(_Shown):
    """Show where what printIQ sends differs from the models."""

    events: list[EventDrift]


class Schema(_Shown):
    """Name an event, what it carries and where its schema is."""

    event: str
    kind: Kind
    object: Annotated[str, Field(description="printIQ's name of what it carries.")]
    format: Annotated[str, Field(description="What printIQ sends; either is read.")]
    trigger: Annotated[str, Field(description='Completes "sent when …".')]
    schema_: Annotated[str, Field(alias="schema", description="The address of its JSON Schema.")]


class Schemas(_Shown):
    """List the events."""

    schemas: list[Schema]


class Health(_Shown):
    """Say that storage answers."""

    status: Literal["ok"]


class Accepted(_Shown):
    """Confirm that an event is in custody."""

    id: Id
    event: str
    status: Literal["accepted", "quarantined"]
    kind: Kind | None = None
    subject: str | None = None
    received_at: Timestamp
    warnings: list[Finding] | None = None
    detail: Annotated[str | None, Field(description="Only with QUARANTINE_STATUS: why it was refused.")] = (
        None
    )
    errors: list[Finding] | None = None


class ProblemDocument(_Shown):
    """Say what is wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Finding]
    id: Annotated[Id | None, Field(description="The delivery, where it was kept.")] = None
