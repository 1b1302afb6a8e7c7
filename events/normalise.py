"""A document's members in the model's names and structure, and what a payload could not read.

This module owns names and structure; `values` owns the forms of scalars.
"""

from collections.abc import Iterator

from events.fields import FieldSpec, Part, field_map
from events.formats import Json
from events.values import is_blank


def normalise(members: dict[str, Json], model: type[Part]) -> dict[str, Json]:
    """Rename known members to the model's own names and bring lists and objects into one form."""
    assignment = field_map(model).assign(tuple(members))
    normalised = {field: members[name] for name, field in assignment.names}
    for name, part, many in assignment.structures:
        value = normalised[name]
        if many:
            normalised[name] = _items(value, part)
        elif isinstance(value, dict) and part is not None:
            normalised[name] = normalise(value, part) if value else None
    return normalised


def _items(value: Json, part: type[Part] | None) -> list[Json]:
    """Bring a list into one form: a JSON array, repeated elements, a container of them, or one item alone.

    Items that are null or empty are left out of a list of objects: XML cannot tell them from none.
    """
    if not isinstance(value, list):
        if is_blank(value) or value == {}:
            return []
        value = list(value.values()) if isinstance(value, dict) and _is_container(value, part) else [value]
    items: list[Json] = []
    for each in value:
        if isinstance(each, list):  # from repeated containers
            items += _items(each, part)
        elif part is None:
            items.append(each)
        elif isinstance(each, dict):
            if each:
                items.append(normalise(each, part))
        elif not is_blank(each):
            items.append(each)
    return items


def _is_container(value: dict[str, Json], part: type[Part] | None) -> bool:
    """Whether this is a container (`{"Product": [...]}`, `{"int": [1, 2]}`), not an item itself."""
    if part is None:
        return len(value) == 1
    return all(_is_item(item, field_map(part).find(name)) for name, item in value.items())


def _is_item(value: Json, spec: FieldSpec | None) -> bool:
    """Whether this is an item's element in a container, not a member of an object."""
    if spec is None:
        return is_blank(value) or isinstance(value, dict | list)
    return spec.leaf is not None and not spec.many and isinstance(value, dict | list)


def unread(payload: Part, pointer: str = "") -> Iterator[str]:
    """Yield a pointer to each known field whose value could not be read as what the field is."""
    for spec in field_map(type(payload)).fields:
        value = getattr(payload, spec.attribute)
        place = f"{pointer}/{spec.name}"
        if spec.many and isinstance(value, tuple):
            for index, item in enumerate(value):
                yield from _unread(item, spec, f"{place}/{index}")
        else:
            yield from _unread(value, spec, place)


def _unread(value: object, spec: FieldSpec, place: str) -> Iterator[str]:
    if isinstance(value, Part):
        yield from unread(value, place)
    elif value is not None and not (spec.leaf and isinstance(value, spec.leaf.types)):
        yield place
