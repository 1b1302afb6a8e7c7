"""Kinds, subjects and business keys: what an event is about."""

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from itertools import chain
from typing import NamedTuple

from pydantic import BaseModel

from events.formats import folded
from events.names import ByNames
from events.values import trimmed


class Kind(StrEnum):
    """The kind of thing that a business key identifies."""

    CUSTOMER = "customer"
    CONTACT = "contact"
    ADDRESS = "address"
    QUOTE = "quote"
    JOB = "job"
    ORDER = "order"
    INVOICE = "invoice"
    PURCHASE_ORDER = "purchase-order"
    TRANSACTION = "transaction"
    CONSIGNMENT = "consignment"
    SALES_ITEM = "sales-item"
    PRODUCT = "product"
    FAILURE = "failure"

    # Enum's own hash is Python code that costs more than all else about a subject.
    __hash__ = str.__hash__


class Subject(NamedTuple):
    kind: Kind
    key: str


# printIQ writes these for "no key": .NET's defaults and its own -1.
_NO_KEY = {"", "-1", "0", "00000000-0000-0000-0000-000000000000"}
# A longer text is not a key, and would not fit into a message.
_LONGEST_KEY = 4096
# What CloudEvents forbids in a subject: control characters and Unicode's noncharacters.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]+")


def key(*candidates: object, **fallbacks: object) -> str | None:
    """Return the first candidate that can serve as a business key: in one line, trimmed.

    A fallback carries a prefix (`INVID:50973`), so that it cannot collide with another object's number.
    """
    for candidate in candidates:
        if (text := _usable(candidate)) is not None:
            return text
    for name, candidate in fallbacks.items():
        if (text := _usable(candidate)) is not None:
            return f"{name}:{text}"
    return None


def _usable(candidate: object) -> str | None:
    if not isinstance(candidate, str | int) or isinstance(candidate, bool):
        if isinstance(candidate, float) and candidate.is_integer():
            return _usable(int(candidate))  # .NET's JSON has 40.0 where its XML has 40
        return None
    text = str(candidate)
    text = trimmed(text if text.isprintable() else _FORBIDDEN.sub(" ", text))
    return text if text not in _NO_KEY and len(text) <= _LONGEST_KEY else None


def likely(part: BaseModel, *names: str) -> str | None:
    """Find a key among undocumented fields by likely names, here or one object further in.

    The names are tried in the order given, without regard to case.
    """
    extra = part.model_extra or {}
    matching = _matching(names)
    for level in chain((extra,), (value for value in extra.values() if isinstance(value, dict))):
        if found := key(*map(level.__getitem__, matching(level))):
            return found
    return None


@cache
def _matching(likely_names: tuple[str, ...]) -> ByNames[list[str]]:
    """Return what lists those names of an object that match, in the order of the likely ones."""
    wanted = dict.fromkeys(name.lower() for name in likely_names)

    def matches(names: tuple[str, ...]) -> list[str]:
        known = {lower: name for name in reversed(names) if (lower := folded(name)) in wanted}
        return [known[lower] for lower in wanted if lower in known]

    return ByNames(matches)


def subject(kind: Kind, found: str | None) -> Iterator[Subject]:
    """Yield the subject if there is a key."""
    if found is not None:
        yield Subject(kind, found)
