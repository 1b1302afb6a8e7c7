"""printIQ's events: `parse` turns the bytes of a delivery into a typed `Event`.

Pure: no I/O, no clock, no environment, nothing of Azure.
"""

from events.catalogue import TYPE_PREFIX, EventType
from events.contract import DIALECT, data_schema, envelope_schema, message_schema
from events.delivery import Channel, Delivery
from events.differences import Differences, differences, fields
from events.errors import (
    BodyTooLarge,
    EmptyBody,
    EventError,
    Malformed,
    NotJsonOrXml,
    Problem,
    ReportedFailure,
    UnknownEvent,
    Unprocessable,
    WrongObject,
)
from events.event import DATA_MEMBER, Envelope, Event, cloud_event, timestamp
from events.facts import Facts
from events.formats import Format, sniff
from events.models import Kind, Payload, Subject
from events.parse import parse
from events.terms import Fact, Term, numbers_in
from events.values import DateOrder

__all__ = [
    "DATA_MEMBER",
    "DIALECT",
    "TYPE_PREFIX",
    "BodyTooLarge",
    "Channel",
    "DateOrder",
    "Delivery",
    "Differences",
    "EmptyBody",
    "Envelope",
    "Event",
    "EventError",
    "EventType",
    "Fact",
    "Facts",
    "Format",
    "Kind",
    "Malformed",
    "NotJsonOrXml",
    "Payload",
    "Problem",
    "ReportedFailure",
    "Subject",
    "Term",
    "UnknownEvent",
    "Unprocessable",
    "WrongObject",
    "cloud_event",
    "data_schema",
    "differences",
    "envelope_schema",
    "fields",
    "message_schema",
    "numbers_in",
    "parse",
    "sniff",
    "timestamp",
]
