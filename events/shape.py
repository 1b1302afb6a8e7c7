"""Put a document's members where a model expects them, and find what a payload could not read.

This file owns names and structure; `values` owns the forms of scalars.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from events.models._base import Part, Slot, plan
from events.values import is_blank


def shape(members: dict[str, Any], model: type[Part]) -> dict[str, Any]:
    """Rename known members to the model's own names and bring lists and objects into one form.

    A name spelt exactly wins over one in another case or an alias; what loses is kept under its own name. Unknown
    members follow the known ones, sorted, so that equal content gives equal bytes.
    """
    names = plan(model)
    shaped: dict[str, Any] = {}
    unknown: dict[str, Any] = {}
    for name, value in members.items():
        slot = names.slot(name)
        if slot is None or (slot.name != name and (slot.name in members or slot.name in shaped)):
            unknown[name] = plain(value)
        else:
            shaped[slot.name] = _placed(value, slot)
    for name in sorted(unknown):
        shaped[name] = unknown[name]
    return shaped


def _placed(value: Any, slot: Slot) -> Any:  # noqa: ANN401 - a tree
    if slot.many:
        return _items(value, slot.part)
    if slot.part is None:
        return value if not isinstance(value, dict | list) else plain(value)
    if isinstance(value, dict):
        return shape(value, slot.part) if value else None
    return plain(value)


def _items(value: Any, part: type[Part] | None) -> Any:  # noqa: ANN401 - a tree
    """Bring a list into one form: a JSON array, repeated elements, a container of them, or one item alone."""
    if is_blank(value):
        return ()
    if isinstance(value, dict):
        items = _contained(value, part)
    elif isinstance(value, list):
        items = [inner for item in value for inner in _unpacked(item, part)]
    else:
        items = [value] if part is None else None
    if items is None:
        return plain(value)
    if part is None:
        return [plain(item) for item in items]
    return [shape(item, part) if isinstance(item, dict) else plain(item) for item in items]


def _unpacked(item: Any, part: type[Part] | None) -> list[Any]:  # noqa: ANN401 - a tree
    # a list inside a list comes from repeated containers
    if isinstance(item, list):
        return item
    return [] if item is None and part is not None else [item]


def _contained(value: dict[str, Any], part: type[Part] | None) -> list[Any]:
    """Take the items out of a container (`{"Product": [...]}`); an object that is no container is an item itself."""
    if part is not None:
        names = plan(part)
        inner = list(value.values())
        if not all(isinstance(item, dict | list) for item in inner) or any(names.slot(name) for name in value):
            return [value] if value else []
    return [
        inner for item in value.values() for inner in (item if isinstance(item, list) else [item]) if inner is not None
    ]


# A JSON number beyond these is read as something else by many consumers (RFC 7493, I-JSON).
_INTEGERS = 2**63


def plain(value: Any) -> Any:  # noqa: ANN401 - a tree
    """Bring an unknown value into the normal form: blank text is null, numbers that would lose digits are text."""
    if isinstance(value, str):
        return value if value and not value.isspace() else None
    if isinstance(value, dict):
        return {name: plain(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        number = float(value)
        return number if Decimal(repr(number)) == value else str(value)
    if isinstance(value, int) and not -_INTEGERS <= value < _INTEGERS:
        return str(value)
    return value


def unread(payload: Part, pointer: str = "") -> Iterator[str]:
    """Yield a pointer to each known field whose value could not be read as what the field is."""
    for slot in plan(type(payload)).fields:
        value = getattr(payload, slot.attribute)
        place = f"{pointer}/{slot.name}"
        if value is None:
            continue
        if slot.leaf is not None:
            if not isinstance(value, slot.leaf.types):
                yield place
        elif slot.many:
            yield from _unread_items(value, slot, place)
        elif isinstance(value, Part):
            yield from unread(value, place)
        else:
            yield place


def _unread_items(value: object, slot: Slot, place: str) -> Iterator[str]:
    if not isinstance(value, tuple):
        yield place
        return
    for index, item in enumerate(value):
        if isinstance(item, Part):
            yield from unread(item, f"{place}/{index}")
        elif slot.part is not None:
            yield f"{place}/{index}"
