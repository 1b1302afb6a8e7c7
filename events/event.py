"""A parsed delivery: its type, its typed payload, its subjects, and the CloudEvent it becomes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b

from pydantic_core import to_json

from events.catalogue import EventType
from events.delivery import Delivery
from events.errors import Problem
from events.facts import Facts
from events.formats import Format
from events.models import Payload, Subject
from events.terms import Term, terms_of

# What the data of a message begins with: the last member.
DATA_MEMBER = b',"data":'
# Queue messages travel in XML, which cannot hold these two characters; JSON can escape them.
_NOT_IN_XML = ((b"\xef\xbf\xbe", b"\\ufffe"), (b"\xef\xbf\xbf", b"\\uffff"))


def _fit_for_xml(utf8: bytes) -> bytes:
    if b"\xef" in utf8:  # a quick test that most fail
        for character, escape in _NOT_IN_XML:
            utf8 = utf8.replace(character, escape)
    return utf8


@dataclass(frozen=True)
class Event[P: Payload]:
    """A parsed delivery. `warnings` are oddities that did not prevent reading it."""

    type: EventType
    payload: P
    delivery: Delivery
    format: Format
    subjects: tuple[Subject, ...]
    warnings: tuple[Problem, ...] = ()

    @property
    def subject(self) -> Subject | None:
        """The primary subject: what the event is about."""
        return self.subjects[0] if self.subjects else None

    @property
    def status(self) -> str | None:
        """The status that the event reports, None where it reports none."""
        return self.payload.status

    @cached_property
    def facts(self) -> Facts:
        """What most consumers need of the event, without knowing printIQ's fields."""
        return self.payload.facts

    @property
    def terms(self) -> tuple[Term, ...]:
        """What the event can be found by."""
        return terms_of(self.subjects, self.facts, self.payload.references())

    @cached_property
    def data(self) -> bytes:
        """The payload in normal form, as JSON: the same bytes for the same object, in whichever format."""
        return _fit_for_xml(to_json(self.payload))

    @cached_property
    def digest(self) -> str:
        """A digest of `data`, by which duplicates are found."""
        return blake2b(self.data, digest_size=16).hexdigest()

    @property
    def can_be_duplicate(self) -> bool:
        """Whether an equal delivery can be the same event again, or is always a separate one."""
        return self.type.duplicates and self.payload.can_be_duplicate


def timestamp(moment: datetime) -> str:
    """Write a moment as RFC 3339 in UTC, always with milliseconds, so that texts sort as times do."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The attributes of a CloudEvent that do not come from the event.

    `id` and `time` are those of the first delivery, even for a replay, where only `delivery` differs;
    `data_ref` is the absolute URL of a blob with the data, for an event too large for a message.
    """

    id: str
    time: datetime
    source: str
    data_schema: str
    duplicate_of: str | None = None
    replay_of: str | None = None
    data_ref: str | None = None


def _attributes(facts: Facts) -> dict[str, str | None]:
    """Return the facts as extension attributes, whose names take no separators."""
    return {name.replace("_", ""): fact for name, fact in facts._asdict().items()}


def cloud_event(event: Event[Payload], envelope: Envelope) -> bytes:
    """Write a CloudEvents 1.0 structured JSON message; with `data_ref` the data is left out (claim check)."""
    attributes = {
        "specversion": "1.0",
        "id": envelope.id,
        "source": envelope.source,
        "type": event.type.message_type,
        "subject": event.subject.key if event.subject else None,
        "time": timestamp(envelope.time),
        "datacontenttype": "application/json",
        "dataschema": envelope.data_schema,
        "channel": event.delivery.channel,
        "kind": event.subject.kind if event.subject else event.type.kind,
        "object": event.payload.OBJECT,
        "delivery": event.delivery.id,
        # ids sort as their times do, also within one millisecond
        "sequence": envelope.id,
        **_attributes(event.facts),
        "duplicateof": envelope.duplicate_of,
        "replayof": envelope.replay_of,
        "dataref": envelope.data_ref,
    }
    present = {name: value for name, value in attributes.items() if value is not None}
    head = _fit_for_xml(to_json(present))
    if envelope.data_ref is not None:
        return head
    return b"".join((head[:-1], DATA_MEMBER, event.data, b"}"))
