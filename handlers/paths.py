"""The names of a delivery's blobs in archive and quarantine: `{event}/{yyyy}/{MM}/{dd}/{id}.…`."""

import re
from typing import NamedTuple, Self

from events import EventError, EventType, sniff
from handlers.ids import time_of

UNKNOWN_EVENT = "_unknown"

_CONTENT_TYPES = {"json": "application/json", "xml": "application/xml", "bin": "application/octet-stream"}


class Stored(NamedTuple):
    """The parts of a blob's name in archive or quarantine; `day` is YYYY-MM-DD."""

    event: str
    day: str
    id: str
    extension: str

    @classmethod
    def read(cls, name: str) -> Self:
        """Read a name that this app made. Raises ValueError for any other."""
        match = _NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"{name[:100]!r} is not the name of a blob of this app's")
        stored = cls(match["event"], match["day"].replace("/", "-"), match["id"], match["extension"])
        if folder(stored.event) != stored.event or f"{time_of(stored.id):%Y-%m-%d}" != stored.day:
            raise ValueError(f"{name[:100]!r} names an event or a day that its delivery does not have")
        return stored


_NAME = re.compile(
    r"(?P<event>\w+)/(?P<day>\d{4}/\d{2}/\d{2})/(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"\.(?P<extension>json|xml|bin|data\.json|problem\.json)",
    re.ASCII,
)


def raw_path(event: str, delivery_id: str, extension: str) -> str:
    return f"{_stem(event, delivery_id)}.{extension}"


def raw_paths(event: str, delivery_id: str) -> list[str]:
    """Return every name that the bytes of a delivery may have in a container."""
    return [raw_path(event, delivery_id, extension) for extension in _CONTENT_TYPES]


def data_path(event: str, delivery_id: str) -> str:
    return f"{_stem(event, delivery_id)}.data.json"


def problem_path(event: str, delivery_id: str) -> str:
    return f"{_stem(event, delivery_id)}.problem.json"


def _stem(event: str, delivery_id: str) -> str:
    return f"{folder(event)}/{time_of(delivery_id):%Y/%m/%d}/{delivery_id}"


def folder(event: str) -> str:
    """Return the event's folder, in printIQ's spelling; unknown events share one."""
    try:
        return EventType.named(event)
    except EventError:
        return UNKNOWN_EVENT


def extension(body: bytes) -> str:
    """Return the file extension for a body, even one that cannot be parsed."""
    try:
        return sniff(body)
    except EventError:
        return "bin"


_START = 1000
_BEYOND_ASCII = bytes(range(0x80, 0x100))


def extension_by_start(start: bytes) -> str:
    """Return the file extension for a body of which only the first bytes are known."""
    return extension(start[:_START].rstrip(_BEYOND_ASCII))  # a character may be cut in two


def content_type(path: str) -> str:
    return _CONTENT_TYPES[path.rpartition(".")[2]]
