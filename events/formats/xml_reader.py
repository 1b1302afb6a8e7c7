"""XML as plain members, as .NET's JSON of the same object would have them."""

import re

from lxml import etree

from events.errors import Malformed
from events.formats.document import (
    MAX_DEPTH,
    MAX_VALUES,
    Document,
    Format,
    Json,
    max_values,
    too_deep,
    too_many_values,
    with_line_feeds,
)
from events.formats.xml_parser import local_name, parse_xml

MAX_ATTRIBUTES = 1_000

_OWN_NAMESPACES = (
    "{http://www.w3.org/2001/XMLSchema-instance}",
    "{http://schemas.microsoft.com/2003/10/Serialization/}",
)
_OWN_ATTRIBUTES = ("nil", "{http://www.w3.org/XML/1998/namespace}space")
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


def read_xml(utf8: bytes) -> Document:
    """Read XML in UTF-8. Raises Malformed."""
    if len(utf8) > MAX_VALUES:  # each value takes at least a byte
        _refuse_too_many(utf8)
    root = parse_xml(utf8)
    name = local_name(root.tag)
    value = tree(root, has_references=b"&#" in utf8)
    if isinstance(value, list):  # a root named like a list of what it holds
        members: dict[str, Json] = {local_name(root[0].tag): value}
    elif isinstance(value, dict):
        members = value
    else:
        members = {} if value is None else {"#text": value}
    _add_attributes(members, root)
    return Document(Format.XML, name, members)


_XML_VALUE = re.compile(rb"<(?!/)|=\s*+[\"']")


def _refuse_too_many(utf8: bytes) -> None:
    # Most bodies have too few marks even if all equals signs count.
    most = max_values(utf8)
    if utf8.count(b"<") + utf8.count(b"=") > most and len(_XML_VALUE.findall(utf8)) > most:
        raise too_many_values(most)


# Any but the serializers' own on an empty element, which mean only that it is empty.
_has_attributes = etree.XPath(
    "boolean(/descendant::*/attribute::*[../node() or not("
    + " or ".join(f"namespace-uri() = '{namespace.strip('{}')}'" for namespace in _OWN_NAMESPACES)
    + ")])"
)


class _MixedContentError(Exception):
    """A document with text beside elements, which the short way cannot read."""


def tree(root: etree._Element, *, has_references: bool) -> Json:
    """Read a document the short way; the long one only where it has more than elements and their texts."""
    if len(root) and not has_references and not _has_attributes(root):
        try:
            return _common(root, local_name(root.tag), MAX_DEPTH)
        except _MixedContentError:
            pass
    return _value(root, MAX_DEPTH)


def _common(element: etree._Element, name: str, levels: int) -> Json:
    """Return what _value returns, where there are neither attributes nor escaped line ends."""
    if not levels:
        raise too_deep()
    if element.text:
        raise _MixedContentError
    members: dict[str, Json] = {}
    for child in element:
        tag = child.tag
        if "}" in tag:
            tag = local_name(tag)
        value = _common(child, tag, levels - 1) if len(child) else child.text
        if tag in members:
            _add(members, tag, value)
        else:
            members[tag] = value
        if child.tail:
            raise _MixedContentError
    return _unless_list(members, name) if len(members) == 1 else members


def _value(element: etree._Element, levels: int) -> Json:
    if not len(element):
        return None if _is_nil(element) else _text(element.text)
    if not levels:
        raise too_deep()
    members: dict[str, Json] = {}
    texts = [element.text]
    for child in element:
        name = local_name(child.tag)
        value = _value(child, levels - 1)
        _add(members, name, value)
        if child.attrib:
            if isinstance(value, dict):
                _add_attributes(value, child)
            else:
                _add_attributes(members, child, f"{name}@")
        texts.append(child.tail)
    if text := "".join(text for text in texts if text and not text.isspace()):
        members["#text"] = _text(text)
        return members
    return _unless_list(members, local_name(element.tag)) if len(members) == 1 else members


def _unless_list(members: dict[str, Json], name: str) -> Json:
    """Return the one member, or the items alone where it is what a list of this name holds."""
    ((item, value),) = members.items()
    if name == f"{item}s" or _is_list_of(name, item):
        return value if isinstance(value, _Repeated) else [value]
    return members


class _Repeated(list[Json]):
    """A list made of repeated elements, as against one that is an element's own value."""


def _add(members: dict[str, Json], name: str, value: Json) -> None:
    if name not in members:
        members[name] = value
    elif isinstance(earlier := members[name], _Repeated):
        earlier.append(value)
    else:
        members[name] = _Repeated([earlier, value])


def _add_attributes(members: dict[str, Json], element: etree._Element, prefix: str = "") -> None:
    for name, text in _attributes(element):
        if not name.startswith(_OWN_NAMESPACES) and name not in _OWN_ATTRIBUTES:
            own = prefix + local_name(name)
            _add(members, own if prefix or own not in members else f"@{own}", _text(text))


def _text(text: str | None) -> Json:
    # .NET writes carriage returns as character references, which XML does not normalise.
    return with_line_feeds(text) if text and "\r" in text else text


def _attributes(element: etree._Element) -> list[tuple[str, str]]:
    if len(element.attrib) > MAX_ATTRIBUTES:  # lxml searches all attributes for each
        raise Malformed(
            f"The element {local_name(element.tag)[:60]!r} has more than {MAX_ATTRIBUTES:,} attributes."
        )
    return [(str(name), str(text)) for name, text in element.attrib.items()]


def _is_nil(element: etree._Element) -> bool:
    return any(
        local_name(name) == "nil" and text.strip().lower() in {"true", "1"}
        for name, text in _attributes(element)
    )


def _is_list_of(container: str, item: str) -> bool:
    container, folded = container.lower(), item.lower()
    return (
        container in {f"{folded}s", f"{folded}es", f"{folded.removesuffix('y')}ies", f"{folded}list"}
        or container == f"arrayof{folded}"
        or item in _NET_TYPES
    )
