"""Where a payload differs from its model: fields that the model does not know or could not read.

A field's place is its names joined by `/`, with `*` for any item of a list: `Products/*/JobNo`.
"""

from collections.abc import Iterator
from typing import NamedTuple

from events.fields import Part, field_map
from events.models.payload import UNREAD, Payload


class Differences(NamedTuple):
    """The differing places, each with the first value found there, and the known fields that arrived."""

    unknown: dict[str, object]
    unread: dict[str, object]
    arrived: set[str]


def differences(payload: Payload) -> Differences:
    """Compare a payload with its model."""
    found = Differences({}, {}, set())
    _compare(payload, "", found)
    found.unknown.pop(UNREAD, None)
    for place, value in payload.unread.items():
        found.unread.setdefault(_place(place), value)
    return found


def _place(pointer: str) -> str:
    steps = pointer.removeprefix("/").split("/")
    return "/".join("*" if step.isdecimal() else step.replace("~1", "/").replace("~0", "~") for step in steps)


def _compare(part: Part, before: str, found: Differences) -> None:
    for name, value in (part.model_extra or {}).items():
        found.unknown.setdefault(before + name, value)
    came = part.model_fields_set
    for spec in field_map(type(part)).fields:
        if spec.attribute in came:
            place = before + spec.name
            found.arrived.add(place)
            if spec.part is not None:
                value = getattr(part, spec.attribute)
                for item in value if isinstance(value, tuple) else (value,):
                    if isinstance(item, Part):
                        _compare(item, f"{place}/*/" if spec.many else f"{place}/", found)


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
