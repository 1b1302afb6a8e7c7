"""JSON without what serializers write beside the object: metadata of Json.NET and others, XML made JSON.

`{"$id", "$values"}` is a list, `$ref` a reference, `$type` and `__type` are dropped. XML made JSON is read as
the XML itself would be: `@name` is an attribute, `#text` and `#cdata-section` are text.
"""

from collections import ChainMap
from dataclasses import dataclass
from typing import NamedTuple

from events.errors import Problem
from events.formats import markup
from events.formats.document import STRUCTURES, Element, Json, folded
from events.formats.lists import add, is_list_of
from events.formats.namespaces import HINTS, JSON_NET, SCHEMA, SCHEMA_INSTANCE, XML, type_hints
from events.formats.references import REF, resolved


def without_hints(value: Json, limit: int, size: int) -> tuple[Json, tuple[Problem, ...]]:
    """Return the value without serializers' hints, references resolved, and what is odd about it.

    `limit` and `size` are those of `resolved`.
    """
    reader = _Reader(type_hints(_type_of_root(value)), is_xml=_is_xml(value))
    plain = reader.value(value, "", _PREFIXES).value
    if isinstance(value, dict) and not isinstance(plain, STRUCTURES):
        # the root is an object, whatever it holds
        plain = {} if plain is None else {"#text": plain}
    if reader.targets or reader.has_references:
        return resolved(plain, reader.targets, limit, size)
    return plain, ()


def _type_of_root(value: Json) -> str | None:
    """Return the attribute `type` of the root element, which is the only member of XML made JSON."""
    members = list(value.values()) if isinstance(value, dict) else []
    root = members[0] if len(members) == 1 else value
    given = root.get("@type") if isinstance(root, dict) else None
    return given if isinstance(given, str) else None


def _is_xml(value: Json) -> bool:
    """Whether this is XML made JSON: somewhere it has attributes, texts or a declaration as members."""
    if isinstance(value, dict):
        return any(name[:1] in _XML_MARKS and name != "@" for name in value) or any(
            map(_is_xml, value.values())
        )
    return isinstance(value, list) and any(map(_is_xml, value))


_XML_MARKS = {"@", "#", "?"}
_METADATA = ("$type", "__type")
_IGNORED = {"#comment", "#whitespace", "#significant-whitespace"}
_TEXTS = {"#text", "#cdata-section"}
# What these stand for where nothing declares them.
_PREFIXES = ChainMap(
    {"xsi": SCHEMA_INSTANCE, "i": SCHEMA_INSTANCE, "json": JSON_NET, "xs": SCHEMA, "xml": XML}
)


class _Read(NamedTuple):
    """A value, the attributes that are kept beside it, and whether it is an item of a list even if alone."""

    value: Json
    beside: dict[str, Json]
    is_item: bool = False


class _Reader:
    def __init__(self, types: frozenset[str], *, is_xml: bool) -> None:
        self._is_xml = is_xml
        self._types = types
        self.targets: dict[str, Json] = {}
        self.has_references = False

    def value(self, value: Json, name: str, prefixes: ChainMap[str, str]) -> _Read:
        if isinstance(value, list):
            items = [self.value(item, name, prefixes) for item in value]
            beside: dict[str, Json] = {}
            for item in items:
                for attribute, text in item.beside.items():
                    add(beside, attribute, text)
            return _Read([item.value for item in items], beside)
        if not isinstance(value, dict) or not value:
            return _Read(value, {})
        if len(value) == 1 and isinstance(value.get(REF), str):
            self.has_references = True
            return _Read(value, {})
        identity = value.get("$id")
        read = self._object(value, name, prefixes)
        if isinstance(identity, str):
            self.targets[identity] = read.value
        return read

    def _object(self, value: dict[str, Json], name: str, prefixes: ChainMap[str, str]) -> _Read:
        members = {
            each: inner
            for each, inner in value.items()
            if not (each in _METADATA and isinstance(inner, str | int))
            and not (each == "$id" and isinstance(inner, str))
        }
        for wrapper in ("$values", "$value"):
            if len(members) == 1 < len(value) and wrapper in members:
                return self.value(members[wrapper], name, prefixes)
        if len(members) == 1 and isinstance(members.get("$values"), list):
            return self.value(members["$values"], name, prefixes)
        if self._is_xml:
            return self._element(members, name, prefixes)
        return _Read({each: self.value(inner, each, prefixes).value for each, inner in members.items()}, {})

    def _element(self, members: dict[str, Json], name: str, prefixes: ChainMap[str, str]) -> _Read:
        declared = {
            each.removeprefix("@xmlns:"): uri
            for each, uri in members.items()
            if each.startswith("@xmlns:") and isinstance(uri, str)
        }
        if declared:
            prefixes = prefixes.new_child(declared)
        parts = _Parts({}, {}, [])
        for each, inner in members.items():
            if each in _IGNORED or each[:1] in {"?", "!"} or each == "@xmlns" or each.startswith("@xmlns:"):
                continue
            if each in _TEXTS and _is_text(inner):
                parts.texts += [str(text) for text in _listed(inner) if text is not None]
            elif _is_attribute(each) and not isinstance(inner, STRUCTURES):
                self._read_attribute(*_split(each[1:], prefixes), inner, parts)
            else:
                self._add(parts.content, each, inner, prefixes)
        return parts.assembled(name)

    def _read_attribute(self, namespace: str, name: str, text: Json, parts: "_Parts") -> None:
        is_true = folded(str(text)) in {"true", "1"}
        if namespace == JSON_NET:
            parts.is_item = parts.is_item or (name == "Array" and is_true)
        elif not namespace and name == "type" and text in self._types:
            parts.is_array = text == "array"
        elif namespace not in HINTS and name != "nil" and (namespace, name) != (XML, "space"):
            parts.attributes[f"{{{namespace}}}{name}" if name in parts.attributes else name] = text

    def _add(self, content: dict[str, Json], name: str, inner: Json, prefixes: ChainMap[str, str]) -> None:
        namespace, own = _split(name, prefixes)
        if namespace == SCHEMA and own == "schema":
            return
        read = self.value(inner, own, prefixes)
        free = own if own not in content else name
        content[free] = [read.value] if read.is_item and not isinstance(read.value, list) else read.value
        for attribute, text in read.beside.items():
            content[f"{free}@{attribute}"] = text


@dataclass
class _Parts:
    """The parts of an element of XML made JSON."""

    content: dict[str, Json]
    attributes: dict[str, Json]
    texts: list[str]
    is_array: bool = False
    is_item: bool = False

    def assembled(self, name: str) -> _Read:
        content = self.content
        if self.is_array and not self.texts:
            return _Read(_items(content), self.attributes, self.is_item)
        if not content and not self.attributes:
            return _Read(markup.joined(self.texts) if self.texts else None, {}, self.is_item)
        if self.texts:
            content = {**content, "#text": markup.joined(self.texts)}
        elif len(content) == 1 and is_list_of(name, next(iter(content))):
            return _Read(_items(content), self.attributes, self.is_item)
        is_element = bool(self.attributes or self.texts)
        return _Read(_with(content, self.attributes) if is_element else content, {}, self.is_item)


def _is_attribute(name: str) -> bool:
    return name[:1] == "@" and name[1:2] not in {"", "@"}


def _is_text(value: Json) -> bool:
    return not any(isinstance(each, STRUCTURES) for each in _listed(value))


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def _split(name: str, prefixes: ChainMap[str, str]) -> tuple[str, str]:
    """Return a name's namespace and local name; a prefix that is not declared is part of the name."""
    prefix, colon, local = name.partition(":")
    return (prefixes[prefix], local) if colon and local and prefix in prefixes else ("", name)


def _items(content: dict[str, Json]) -> list[Json]:
    items: list[Json] = []
    for value in content.values():
        items += _listed(value)
    return items


def _with(members: dict[str, Json], attributes: dict[str, Json]) -> Element:
    whole = Element(members)
    names = []
    for name, text in attributes.items():
        free = f"@{name}" if name in members else name
        names.append(free)
        whole[free] = text
    whole.attributes = tuple(names)
    return whole
