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

    A name spelt exactly wins over one in another case, and that over an alias; what loses is kept under its
    own name. Unknown members follow the known ones, sorted, so that equal content gives equal bytes.
    """
    names = plan(model)
    chosen: dict[str, str] = {}
    for name in members:
        slot = names.slot(name)
        if slot and (slot.name not in chosen or _rank(name, slot) < _rank(chosen[slot.name], slot)):
            chosen[slot.name] = name
    shaped = {
        slot.name: _placed(members[chosen[slot.name]], slot) for slot in names.fields if slot.name in chosen
    }
    taken = set(chosen.values())
    return shaped | {name: plain(members[name]) for name in sorted(members) if name not in taken}


def _rank(name: str, slot: Slot) -> tuple[bool, bool, str]:
    return name != slot.name, name.lower() != slot.name.lower(), name


def _placed(value: Any, slot: Slot) -> Any:  # noqa: ANN401 - a tree
    if slot.many:
        return _items(value, slot)
    if slot.part is not None and isinstance(value, dict):
        return shape(value, slot.part) if value else None
    return _single(value)


def _single(value: Any) -> Any:  # noqa: ANN401 - a tree
    """Leave a scalar to the reader of its type; what is no scalar stays, in normal form."""
    return plain(value) if isinstance(value, dict | list) else value


def _items(value: Any, slot: Slot) -> Any:  # noqa: ANN401 - a tree
    """Bring a list into one form: a JSON array, repeated elements, a container of them, or one item alone.

    Items that are null or empty are left out of a list of objects: XML cannot tell them from none.
    """
    if is_blank(value) or value == {}:
        return ()
    if isinstance(value, dict) and _is_container(value, slot.part):
        value = list(value.values())
    if slot.part is None:
        return [_single(item) for item in _flat(value)]
    return [
        shape(item, slot.part) if isinstance(item, dict) else _single(item)
        for item in _flat(value)
        if not (is_blank(item) or item == {})
    ]


def _flat(value: Any) -> list[Any]:  # noqa: ANN401 - a tree
    """Make a list of a single item; a list inside a list comes from repeated containers."""
    return [inner for item in value for inner in _flat(item)] if isinstance(value, list) else [value]


def _is_container(value: dict[str, Any], part: type[Part] | None) -> bool:
    """Tell a container (`{"Product": [...]}`, `{"int": [1, 2]}`) from an object that is an item itself."""
    if part is None:
        return len(value) == 1
    return all(_is_item(item, plan(part).slot(name)) for name, item in value.items())


def _is_item(value: Any, slot: Slot | None) -> bool:  # noqa: ANN401 - a tree
    """Tell an item's element in a container from a member of an object."""
    if slot is None:
        return value is None or isinstance(value, dict | list)
    return slot.leaf is not None and not slot.many and isinstance(value, dict | list)


# A JSON number beyond these is read as something else by many consumers (RFC 7493, I-JSON).
_INTEGERS = 2**63


def plain(value: Any) -> Any:  # noqa: ANN401 - a tree
    """Bring an unknown value into normal form: blanks are null, numbers that would lose digits are text."""
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
        if slot.many and isinstance(value, tuple):
            for index, item in enumerate(value):
                yield from _unread(item, slot, f"{place}/{index}")
        else:
            yield from _unread(value, slot, place)


def _unread(value: object, slot: Slot, place: str) -> Iterator[str]:
    if isinstance(value, Part):
        yield from unread(value, place)
    elif value is not None and not (slot.leaf and isinstance(value, slot.leaf.types)):
        yield place
