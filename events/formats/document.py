"""The plain document that every reader gives, and the bounds that hold in each format."""

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Self

from events.errors import Malformed, Problem

type Json = dict[str, Json] | list[Json] | str | int | float | Decimal | bool | None

MAX_BODY_BYTES = 25 * 1024 * 1024
MAX_DEPTH = 100
# Bounds of memory: a value of two bytes takes a kilobyte once it is a typed line of an invoice. Any body may
# hold this many; a large one may hold one for each BYTES_PER_VALUE bytes, which is what real ones need.
MAX_VALUES = 100_000
BYTES_PER_VALUE = 10


class Format(StrEnum):
    JSON = "json"
    XML = "xml"


class Element(dict[str, Json]):
    """An object made of an XML element that has more than child elements.

    `attributes` names the members that are attributes; its own text is the member `#text`. `markup` is the
    content as it was written, and `words` its text in order, where it is text with inline markup.
    """

    attributes: frozenset[str] = frozenset()
    markup: str | None = None
    words: str = ""

    @property
    def is_text(self) -> bool:
        """Whether it is a text with inline markup, not an object."""
        return self.markup is not None and "#text" in self

    def like(self, members: dict[str, Json]) -> Self:
        """Return an element of the same form with these members."""
        other = type(self)(members)
        other.attributes, other.markup, other.words = self.attributes, self.markup, self.words
        return other


class Document(NamedTuple):
    """A body as plain values; `root` is the root element's name, None in JSON.

    `value` is the root's: an object, a list, a text or another scalar. `warnings` are oddities in its form.
    """

    format: Format
    root: str | None
    value: Json
    warnings: tuple[Problem, ...] = ()

    @property
    def members(self) -> dict[str, Json]:
        """The members of the object that it is, none for anything else."""
        return self.value if isinstance(self.value, dict) else {}


def with_line_feeds(value: Json) -> Json:
    """Write every line end as one line feed, as XML prescribes."""
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\r", "\n")
    if isinstance(value, dict):
        return {name: with_line_feeds(item) for name, item in value.items()}
    if isinstance(value, list):
        return [with_line_feeds(item) for item in value]
    return value


def too_deep() -> Malformed:
    return Malformed(f"The body is nested more than {MAX_DEPTH} levels deep.")


def max_values(utf8: bytes) -> int:
    return max(MAX_VALUES, len(utf8) // BYTES_PER_VALUE)


def too_many_values(limit: int) -> Malformed:
    return Malformed(
        f"The body holds more than {limit:,} values; no printIQ object of its size has that many."
    )
