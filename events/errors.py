"""What can be wrong with a delivery: the only exceptions that leave `events`.

::

    EventError
    ├── UnknownEvent      404  no event has this name
    ├── EmptyBody         400  no content
    ├── BodyTooLarge      413  more bytes than MAX_BODY_BYTES
    ├── NotJsonOrXml      415  HTML, plain text, a PDF, …
    └── Unprocessable     422
        ├── Malformed          not well-formed, or not allowed (a DTD, a name twice, too deep)
        ├── ReportedFailure    a response envelope with IsError, or a SOAP fault
        └── WrongObject        positively another object than the event sends
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple, Self


class Problem(NamedTuple):
    """One thing that is wrong, or odd, and where it is.

    `pointer` is a JSON Pointer (RFC 6901), an error's into the document, a warning's into the event's `data`.
    In XML a name is an element's; `""` is the whole document, in XML the root element.
    """

    pointer: str
    message: str


def any_of(names: Sequence[str]) -> str:
    """List alternatives in a sentence: "A, B or C"."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


# A pointer is for people to read: a longer one ends at an outer object.
_LONGEST_POINTER = 200


def pointer(path: Iterable[str | int]) -> str:
    """Write a JSON Pointer."""
    written = ""
    for step in path:
        longer = f"{written}/{str(step).replace('~', '~0').replace('/', '~1')}"
        if len(longer) > _LONGEST_POINTER:
            break
        written = longer
    return written


class EventError(Exception):
    """The reason why a delivery cannot become an event. `problems` is never empty."""

    status: ClassVar[int]
    title: ClassVar[str]

    def __init__(self, message: str, *, pointer: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.problems = problems or (Problem(pointer, message),)


class UnknownEvent(EventError):
    status = 404
    title = "Unknown event"


class EmptyBody(EventError):
    status = 400
    title = "Empty body"


class BodyTooLarge(EventError):
    status = 413
    title = "Body too large"

    @classmethod
    def of(cls, size: int, limit: int, unit: str = "bytes") -> Self:
        return cls(f"The body has {size:,} {unit}; at most {limit:,} are read (setting MAX_BODY_BYTES).")


class NotJsonOrXml(EventError):
    status = 415
    title = "Neither JSON nor XML"


class Unprocessable(EventError):
    status = 422
    title = "Unprocessable body"


class Malformed(Unprocessable):
    title = "Malformed body"


class ReportedFailure(Unprocessable):
    title = "printIQ reported a failure"


class WrongObject(Unprocessable):
    title = "Wrong object"
