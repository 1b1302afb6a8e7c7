"""Where a payload differs from its model: fields that the model does not know, or could not read.

A field's place is its names joined by `/`, with `*` for any item of a list: `Products/*/JobNo`.
"""

from collections.abc import Iterator
from typing import NamedTuple

from events.models._base import Part, Slot, plan


class Differences(NamedTuple):
    """Hold each place once, with the first value that stood there; `arrived` are known fields that came."""

    unknown: dict[str, object]
    unread: dict[str, object]
    arrived: set[str]


def differences(payload: Part) -> Differences:
    """Compare a payload with its model."""
    found = Differences({}, {}, set())
    _compare(payload, "", found)
    return found


def _compare(part: Part, before: str, found: Differences) -> None:
    for name, value in (part.model_extra or {}).items():
        found.unknown.setdefault(before + name, value)
    came = part.model_fields_set
    for slot in plan(type(part)).fields:
        if slot.attribute in came:
            place = before + slot.name
            found.arrived.add(place)
            value = getattr(part, slot.attribute)
            if slot.many and isinstance(value, tuple):
                for item in value:
                    _compare_value(item, slot, f"{place}/*", found)
            else:
                _compare_value(value, slot, place, found)


def _compare_value(value: object, slot: Slot, place: str, found: Differences) -> None:
    if isinstance(value, Part):
        _compare(value, f"{place}/", found)
    elif value is not None and not (slot.leaf and isinstance(value, slot.leaf.types)):
        found.unread.setdefault(place, value)


def fields(model: type[Part]) -> Iterator[str]:
    """Yield the place of every field that a model knows, a field that holds others before those."""
    yield from _fields(model, "", ())


def _fields(model: type[Part], before: str, inside: tuple[type[Part], ...]) -> Iterator[str]:
    for slot in plan(model).fields:
        yield before + slot.name
        if slot.part is not None and slot.part not in inside:
            yield from _fields(
                slot.part, f"{before}{slot.name}/{'*/' if slot.many else ''}", (*inside, model)
            )
