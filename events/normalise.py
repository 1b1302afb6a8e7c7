"""A document's members in the model's names and structure, and what a payload could not read.

This module owns names and structure; `values` owns the forms of scalars.
"""

from collections.abc import Iterator

from events.errors import Malformed
from events.fields import FieldSpec, Part, field_map
from events.formats import MAX_MEMBERS, STRUCTURES, Element, Json
from events.values import Unread, is_blank, is_empty


class Normaliser:
    """Brings members into a model's form, within a bound of what the typed objects may cost in bytes."""

    def __init__(self, budget: int) -> None:
        self._left = budget

    def members(self, members: dict[str, Json], model: type[Part]) -> dict[str, object]:
        """Rename known members to the model's own names and bring lists and objects into one form."""
        fields = field_map(model)
        self._left -= fields.cost
        if self._left < 0:
            raise Malformed("The body holds too many values: no printIQ object has so many parts.")
        if len(members) > MAX_MEMBERS:
            raise Malformed(f"An object holds too many values: more than {MAX_MEMBERS:,} members.")
        assignment = fields.assign(members)
        normalised: dict[str, object] = (
            dict(members)
            if assignment.is_own
            else {target: members[name] for name, target in assignment.names}
        )
        for name, spec in assignment.fields:
            value = members[name]
            if isinstance(value, STRUCTURES) or spec.many:  # few are
                normalised[spec.name] = self._value(value, spec, normalised)
        for spec, names in assignment.contested:
            chosen = next((name for name in names if not is_empty(members[name])), names[0])
            normalised[spec.name] = self._value(members[chosen], spec, normalised)
            # a blank is no value; a value that loses to a better name keeps its own
            normalised |= {
                name: members[name] for name in names if name != chosen and not is_empty(members[name])
            }
        has_more = len(normalised) > len(assignment.names) + len(assignment.contested)
        return dict(sorted(normalised.items())) if has_more else normalised

    def _value(self, value: Json, spec: FieldSpec, others: dict[str, object]) -> object:
        if spec.many:
            return self._items(_listed(value, spec, others), spec, others)
        if isinstance(value, list) and len(value) == 1:  # one object or text, repeated once
            value = value[0]
        if spec.part is not None:
            return (self.members(value, spec.part) if value else None) if isinstance(value, dict) else value
        return _scalar(value, spec, others) if isinstance(value, Element) else value

    def _items(self, items: list[Json], spec: FieldSpec, others: dict[str, object]) -> list[object]:
        part = spec.part
        if part is None:
            texts: list[object] = []
            attributes: dict[str, list[object]] = {}
            for item in _spread(items):
                kept: dict[str, object] = {}
                text = _scalar(item, spec, kept) if isinstance(item, Element) else item
                for name, attribute in kept.items():
                    attributes.setdefault(name, []).append(attribute)
                if not is_blank(text):
                    texts.append(text)
            for name, found in attributes.items():
                others[name] = [*([others[name]] if name in others else []), *found]
            return texts
        return [self.members(item, part) if isinstance(item, dict) else item for item in _flat(items, part)]


def _scalar(element: Element, spec: FieldSpec, others: dict[str, object]) -> object:
    """Return the text of an element in place of a scalar; its attributes are kept beside it."""
    if element.markup is not None or element.keys() - element.attributes - {"#text"}:
        return element
    for name in element.attributes:
        others[f"{spec.name}@{name.removeprefix('@')}"] = element[name]
    return element.get("#text")


def _spread(items: list[Json]) -> Iterator[Json]:
    for item in items:
        if isinstance(item, list):
            yield from _spread(item)
        else:
            yield item


def _listed(value: Json, spec: FieldSpec, others: dict[str, object]) -> list[Json]:
    """Bring a list into one form: a JSON array, repeated elements, a container of them, or one item alone.

    What a container has beside its items is kept in `others`, as its attributes are.
    """
    if isinstance(value, list):
        return _unwrapped(value, spec.part)
    if is_empty(value):
        return []
    if isinstance(value, Element):
        return _listed_element(value, spec, others)
    if isinstance(value, dict):
        if _is_container(value, spec.part):
            return list(value.values())
        if spec.part is not None and not any(map(field_map(spec.part).find, value)):
            return _counted(value, spec, others)
    return [value]


def _counted(value: dict[str, Json], spec: FieldSpec, others: dict[str, object]) -> list[Json]:
    """Bring a container with scalars beside its items into form: `{"Count": 1, "Product": [{…}]}`."""
    lists: list[Json] = [item for item in value.values() if isinstance(item, STRUCTURES)]
    if len(lists) != 1 or is_empty(lists[0]):
        return [value]
    others |= {f"{spec.name}@{name}": item for name, item in value.items() if item is not lists[0]}
    return lists


def _listed_element(element: Element, spec: FieldSpec, others: dict[str, object]) -> list[Json]:
    attributes = {name.removeprefix("@"): element[name] for name in element.attributes}
    content = {name: item for name, item in element.items() if name not in element.attributes}
    is_container = bool(content) and "#text" not in content and _is_container(content, spec.part)
    if not is_container and (content or spec.part is None or any(map(field_map(spec.part).find, attributes))):
        return [element]
    others |= {f"{spec.name}@{name}": text for name, text in attributes.items()}
    return list(content.values())


def _unwrapped(items: list[Json], part: type[Part] | None) -> list[Json]:
    """Return items without a wrapper of one member each: `[{"Product": {…}}, {"Product": {…}}]`."""
    names: set[str] = set()
    inner: list[Json] = []
    for item in items:
        if not isinstance(item, dict) or len(item) != 1:
            if is_empty(item):
                continue
            return items
        names |= item.keys()
        inner += item.values()
    if len(names) != 1:
        return items
    (name,) = names
    if part is None:
        return inner if not any(isinstance(each, STRUCTURES) for each in inner) else items
    is_wrapper = all(isinstance(each, STRUCTURES) for each in inner) and _is_item(
        {}, field_map(part).find(name)
    )
    return inner if is_wrapper else items


def _flat(items: list[Json], part: type[Part]) -> Iterator[Json]:
    """Yield the items of nested lists, from repeated containers. Null and empty ones are none, as in XML."""
    for each in items:
        if isinstance(each, list):
            yield from _flat(each, part)
        elif isinstance(each, dict):
            if len(each) == 1 and _is_list_container(each, part):
                yield from _flat(list(each.values()), part)
            elif each:
                yield each
        elif not is_blank(each):
            yield each


def _is_list_container(value: dict[str, Json], part: type[Part]) -> bool:
    ((name, inner),) = value.items()
    return isinstance(inner, list) and _is_item(inner, field_map(part).find(name))


def _is_container(value: dict[str, Json], part: type[Part] | None) -> bool:
    """Whether this is a container (`{"Product": [...]}`, `{"int": [1, 2]}`), not an item itself."""
    if part is None:
        return len(value) == 1
    return all(_is_item(item, field_map(part).find(name)) for name, item in value.items())


def _is_item(value: Json, spec: FieldSpec | None) -> bool:
    """Whether this is an item's element in a container, not a member of an object."""
    if spec is None:
        return is_blank(value) or isinstance(value, STRUCTURES)
    return spec.leaf is not None and not spec.many and isinstance(value, STRUCTURES)


def take_unread(payload: Part) -> dict[str, object]:
    """Take what could not be read out of a payload: each original value by the JSON Pointer of its place.

    The field is null then, or holds what could be read. A list keeps the items that could be read; the others
    have the places after its end.
    """
    found: dict[str, object] = {}
    _take(payload, "", found)
    return found


def _take(part: Part, pointer: str, found: dict[str, object]) -> None:
    values = part.__dict__  # the payload is not handed out yet: it is frozen only from then on
    for spec in field_map(type(part)).fields:
        value, place = values[spec.attribute], f"{pointer}/{spec.name.replace('~', '~0').replace('/', '~1')}"
        if isinstance(value, Unread):
            found[place] = value.original
            values[spec.attribute] = () if spec.many else value.readable
        elif spec.many and value:
            readable = tuple(item for item in value if not isinstance(item, Unread))
            unread = [item for item in value if isinstance(item, Unread)]
            values[spec.attribute] = readable
            found |= {f"{place}/{len(readable) + index}": item.original for index, item in enumerate(unread)}
            for index, item in enumerate(readable):
                if isinstance(item, Part):
                    _take(item, f"{place}/{index}", found)
        elif isinstance(value, Part):
            _take(value, place, found)
