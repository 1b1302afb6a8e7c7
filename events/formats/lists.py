"""Which members of an object make a list: repeated names, and containers named like their items."""

from events.formats.document import Json

_NET_TYPES = {
    "string",
    "int",
    "long",
    "short",
    "decimal",
    "double",
    "float",
    "boolean",
    "dateTime",
    "guid",
    "anyType",
}


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
    container, folded = container.lower(), item.lower()
    return (
        container in {f"{folded}s", f"{folded}es", f"{folded.removesuffix('y')}ies", f"{folded}list"}
        or container == f"arrayof{folded}"
        or item in _NET_TYPES
    )
