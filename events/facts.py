"""What most consumers need of an object without knowing printIQ's field names."""

from decimal import Decimal
from typing import NamedTuple

from events.fields import Part, field_map
from events.values import is_blank, write_number


class Facts(NamedTuple):
    """What an object says of itself, None for what it does not hold.

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


def facts_of(part: Part, fields: FactFields, status: str | None) -> Facts:
    found = {name: _first(part, places) for name, places in fields._asdict().items()}
    for day in ("date", "due"):
        found[day] = (found[day] or "")[: len("2025-08-11")] or None
    return Facts(status=status, **found)


def _first(part: Part, places: tuple[str, ...]) -> str | None:
    values = (_at(part, place.split("/")) for place in places)
    return next((str(write_number(value)) for value in values if not is_blank(value)), None)


def _at(part: Part, steps: list[str]) -> str | int | Decimal | None:
    """Return the scalar at a place: a known field, or the last step of it under an unknown name."""
    spec = field_map(type(part)).find(steps[0])
    if spec is not None:
        value = getattr(part, spec.attribute)
        return _at(value, steps[1:]) if isinstance(value, Part) and steps[1:] else _scalar(value)
    unknown = {name.lower(): value for name, value in (part.model_extra or {}).items()}
    return _scalar(unknown.get(steps[0].lower()))


def _scalar(value: object) -> str | int | Decimal | None:
    return value if isinstance(value, str | int | Decimal) and not isinstance(value, bool) else None
