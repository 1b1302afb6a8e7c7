"""Where a payload differs from its model: fields that the model does not know or could not read.

A field's place is its names joined by `/`, with `*` for any item of a list: `Products/*/JobNo`.
"""

from collections.abc import Iterator
from typing import NamedTuple

from events.fields import FieldSpec, Part, field_map


class Differences(NamedTuple):
    """The differing places, each with the first value found there, and the known fields that arrived."""

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
    for spec in field_map(type(part)).fields:
        if spec.attribute in came:
            place = before + spec.name
            found.arrived.add(place)
            value = getattr(part, spec.attribute)
            if spec.many and isinstance(value, tuple):
                for item in value:
                    _compare_value(item, spec, f"{place}/*", found)
            else:
                _compare_value(value, spec, place, found)


def _compare_value(value: object, spec: FieldSpec, place: str, found: Differences) -> None:
    if isinstance(value, Part):
        _compare(value, f"{place}/", found)
    elif value is not None and not (spec.leaf and isinstance(value, spec.leaf.types)):
        found.unread.setdefault(place, value)


def fields(model: type[Part]) -> Iterator[str]:
    """Yield the place of every field that a model knows, an outer field before its inner ones."""
    yield from _fields(model, "", ())


def _fields(model: type[Part], before: str, inside: tuple[type[Part], ...]) -> Iterator[str]:
    for spec in field_map(model).fields:
        yield before + spec.name
        if spec.part is not None and spec.part not in inside:
            yield from _fields(
                spec.part, f"{before}{spec.name}/{'*/' if spec.many else ''}", (*inside, model)
            )
