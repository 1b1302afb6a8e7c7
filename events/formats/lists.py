"""Which members of an object make a list: repeated names, and containers named like their items."""

from events.formats.document import Json, folded

_NET_TYPES = {
    "string", "int", "long", "short", "decimal", "double", "float", "boolean", "dateTime", "guid", "anyType",
}  # fmt: skip


class Repeated(list[Json]):
    """A list made of repeated elements, as against one that is an element's own value."""


def add(members: dict[str, Json], name: str, value: Json) -> None:
    """Add a member; one whose name is taken makes a list."""
    if name not in members:
        members[name] = value
    elif isinstance(earlier := members[name], Repeated):
        earlier.append(value)
    else:
        members[name] = Repeated([earlier, value])


def is_list_of(container: str, item: str) -> bool:
    """Whether a container of this name is a list of items of that name: `Jobs` of `Job`."""
    container, single = folded(container), folded(item)
    return (
        container in {f"{single}s", f"{single}es", f"{single.removesuffix('y')}ies", f"{single}list"}
        or container == f"arrayof{single}"
        or item in _NET_TYPES
    )
