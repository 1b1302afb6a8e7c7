"""The plain document that every reader gives, and the bounds that hold in each format."""

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Self

from events.errors import Malformed, Problem

type Json = dict[str, Json] | list[Json] | str | int | float | Decimal | bool | None

# For `isinstance` where every value of a body is looked at: `dict | list` would be made anew each time.
STRUCTURES = (dict, list)

MAX_BODY_BYTES = 25 * 1024 * 1024
MAX_DEPTH = 100
# Bounds of memory and time. A body of any size may hold MAX_VALUES; a large one may hold more, as its size
# allows: real ones have names, and elements of XML take more memory than members of JSON.
MAX_VALUES = 400_000
BYTES_PER_JSON_VALUE = 12
BYTES_PER_XML_VALUE = 30
# Far more members than any object has, and more inline elements or forbidden characters than any text.
MAX_MEMBERS = 20_000
MAX_INLINE = 2_000
MAX_FORBIDDEN = 10_000
# What references may add to the text of a body by repeating it.
MAX_REPEATED = 10 * 1024 * 1024


class Format(StrEnum):
    JSON = "json"
    XML = "xml"


class Element(dict[str, Json]):
    """An object made of an XML element that has more than child elements.

    `attributes` names the members that are attributes; its own text is the member `#text`. `markup` is the
    content as it was written, where it is text with inline markup.
    """

    __slots__ = ("attributes", "markup")

    def __init__(self, members: dict[str, Json], attributes: tuple[str, ...] = ()) -> None:
        super().__init__(members)
        self.attributes = attributes
        self.markup: str | None = None

    @property
    def is_text(self) -> bool:
        """Whether it is a text with inline markup, not an object."""
        return self.markup is not None and "#text" in self

    def like(self, members: dict[str, Json]) -> Self:
        """Return an element of the same form with these members."""
        other = type(self)(members, self.attributes)
        other.markup = self.markup
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


# No name that is known, and no word such as `true`, is as long.
_LONGEST_KNOWN = 200


def folded(text: str) -> str:
    """Return a text in lower case, to be compared with what is known.

    A long one stays as it is: Python takes twelve bytes a character to lower a text beyond ASCII.
    """
    return text.lower() if len(text) <= _LONGEST_KNOWN else text


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


def too_many_values(limit: int) -> Malformed:
    return Malformed(
        f"The body holds more than {limit:,} values: too many values for one object of its size."
    )


def too_much_repeated() -> Malformed:
    return Malformed(
        f"References repeat the texts of the body, by more than {MAX_REPEATED:,} characters beyond its own "
        "size: too many values for one object."
    )
