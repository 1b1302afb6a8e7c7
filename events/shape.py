"""Put a document's members where a model expects them, and find what a payload could not read.

This file owns names and structure; `values` owns the forms of scalars.
"""

from collections.abc import Iterator
from typing import Any

from events.models._base import Part, Slot, plan
from events.values import is_blank


def shape(members: dict[str, Any], model: type[Part]) -> dict[str, Any]:
    """Rename known members to the model's own names and bring lists and objects into one form."""
    route = plan(model).route(tuple(members))
    shaped = {field: members[name] for name, field in route.names}
    for name, part, many in route.structures:
        value = shaped[name]
        if many:
            shaped[name] = _items(value, part)
        elif isinstance(value, dict) and part is not None:
            shaped[name] = shape(value, part) if value else None
    return shaped


def _items(value: Any, part: type[Part] | None) -> list[Any]:
    """Bring a list into one form: a JSON array, repeated elements, a container of them, or one item alone.

    Items that are null or empty are left out of a list of objects: XML cannot tell them from none.
    """
    if not isinstance(value, list):
        if is_blank(value) or value == {}:
            return []
        value = list(value.values()) if isinstance(value, dict) and _is_container(value, part) else [value]
    items: list[Any] = []
    for each in value:
        if isinstance(each, list):  # from repeated containers
            items += _items(each, part)
        elif part is None:
            items.append(each)
        elif isinstance(each, dict):
            if each:
                items.append(shape(each, part))
        elif not is_blank(each):
            items.append(each)
    return items


def _is_container(value: dict[str, Any], part: type[Part] | None) -> bool:
    """Tell a container (`{"Product": [...]}`, `{"int": [1, 2]}`) from an object that is an item itself."""
    if part is None:
        return len(value) == 1
    return all(_is_item(item, plan(part).slot(name)) for name, item in value.items())


def _is_item(value: Any, slot: Slot | None) -> bool:
    """Tell an item's element in a container from a member of an object."""
    if slot is None:
        return is_blank(value) or isinstance(value, dict | list)
    return slot.leaf is not None and not slot.many and isinstance(value, dict | list)


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
