"""What most consumers need of an object without knowing printIQ's field names."""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from events.fields import Part, field_map
from events.formats import folded
from events.subjects import key
from events.values import number_in, write_number


class Facts(NamedTuple):
    """The facts of an object; None where it does not hold one.

    `total` is a decimal as text; `date` and `due` are calendar days as printIQ wrote them, never moved to
    another zone.
    """

    status: str | None = None
    customer: str | None = None
    customer_name: str | None = None
    reference: str | None = None
    total: str | None = None
    currency: str | None = None
    date: str | None = None
    due: str | None = None


class FactFields(NamedTuple):
    """The fields of a model that hold its facts: the first with a value counts, a slash leads into a part."""

    customer: tuple[str, ...] = ()
    customer_name: tuple[str, ...] = ()
    reference: tuple[str, ...] = ()
    total: tuple[str, ...] = ()
    currency: tuple[str, ...] = ()
    date: tuple[str, ...] = ()
    due: tuple[str, ...] = ()


# A longer text is neither a name nor a reference, and would crowd out the data of a message.
_LONGEST = 200
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def facts_of(part: Part, fields: FactFields, status: str | None) -> Facts:
    unknown = {folded(name): value for name, value in (part.model_extra or {}).items()}

    def values(places: tuple[str, ...]) -> Iterator[str | float | Decimal]:
        found = (_at(part, unknown, place.split("/")) for place in places)
        return (value for value in found if value is not None)

    def text(places: tuple[str, ...]) -> str | None:
        return next((text for value in values(places) if (text := _line(value))), None)

    def day(places: tuple[str, ...]) -> str | None:
        return next((found for value in values(places) if (found := _day(value))), None)

    amounts = (value if isinstance(value, Decimal) else number_in(value) for value in values(fields.total))
    return Facts(
        status=_line(status),
        customer=text(fields.customer),
        customer_name=text(fields.customer_name),
        reference=text(fields.reference),
        total=next((str(write_number(amount)) for amount in amounts if amount is not None), None),
        currency=text(fields.currency),
        date=day(fields.date),
        due=day(fields.due),
    )


def _day(value: str | float | Decimal) -> str | None:
    """Return the calendar day that a text begins with; .NET's default date is none."""
    found = _DAY.match(value) if isinstance(value, str) else None
    try:
        return found[0] if found and date.fromisoformat(found[0]) != date.min else None
    except ValueError:
        return None


def _line(value: str | float | Decimal | None) -> str | None:
    """Return a text in one line, as attributes of messages need it."""
    line = key(value)
    return line if line is None or len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _at(part: Part, unknown: dict[str, object], steps: list[str]) -> str | float | Decimal | None:
    """Return the scalar at a place: a known field, perhaps of a part, or an unknown member of the object."""
    spec = field_map(type(part)).find(steps[0])
    if spec is None:
        return _scalar(unknown.get(steps[0].lower()))
    value = getattr(part, spec.attribute)
    return _at(value, {}, steps[1:]) if isinstance(value, Part) and steps[1:] else _scalar(value)


_SCALARS = (str, int, float, Decimal)


def _scalar(value: object) -> str | float | Decimal | None:
    return value if isinstance(value, _SCALARS) and not isinstance(value, bool) else None
