"""XML as plain values, as .NET's JSON of the same object would have them."""

import re

from lxml import etree

from events.errors import Malformed
from events.formats import markup
from events.formats.document import (
    BYTES_PER_XML_VALUE,
    MAX_DEPTH,
    MAX_INLINE,
    MAX_REPEATED,
    MAX_VALUES,
    Document,
    Element,
    Format,
    Json,
    folded,
    too_deep,
    too_many_values,
    with_line_feeds,
)
from events.formats.lists import Repeated, add, is_list_of
from events.formats.namespaces import (
    ADDRESSED,
    DIFFGRAM,
    HINTS,
    JSON_NET,
    SCHEMA,
    SOAP_ENVELOPES,
    XML,
    type_hints,
)
from events.formats.references import REF, resolved
from events.formats.xml_characters import Forbidden
from events.formats.xml_parser import local_name, parse_xml

MAX_ATTRIBUTES = 1_000


def read_xml(utf8: bytes) -> Document:
    """Read XML in UTF-8. Raises Malformed."""
    if len(utf8) > MAX_VALUES:  # each value takes at least a byte
        _refuse_too_many(utf8, _max_values(utf8))
    forbidden = Forbidden.hidden_in(utf8)
    if forbidden is not None:
        _refuse_too_many(utf8, _half_as_many(utf8))  # to hide and restore takes as long as to read
    root = parse_xml(utf8 if forbidden is None else forbidden.text)
    _drop_noise(root)
    name = local_name(root.tag)
    short = _short(root, utf8) if forbidden is None else None
    if short is not None:
        return Document(Format.XML, name, _rooted(short, root))
    reader = _Reader(root, utf8, forbidden)
    if reader.has_references:
        _refuse_too_many(utf8, _half_as_many(utf8))  # each value is made twice
    value, beside = reader.value(root, MAX_DEPTH)
    if beside and isinstance(value, list):
        value = {local_name(root[0].tag): value, **beside}
    value = _rooted(value, root)
    warnings = forbidden.warnings if forbidden else ()
    if reader.has_references:
        value, unresolved = resolved(value, reader.targets, _half_as_many(utf8), len(utf8))
        warnings += unresolved
    return Document(Format.XML, name, value, warnings)


def _rooted(value: Json, root: etree._Element) -> Json:
    # A root named like a list of what it holds is an object that holds the list.
    if isinstance(value, list) and len(root) and not folded(local_name(root.tag)).startswith("arrayof"):
        return {local_name(root[0].tag): value}
    return {} if value is None else value


_ELEMENT = re.compile(rb"<(?!/)")
# The start of an element whose first child follows.
_PARENT = re.compile(rb"<[^\s<>/!?][^<>]*+(?<!/)>\s*+(?=<[^/!?])")
_ATTRIBUTE = re.compile(rb"=\s*+[\"']")


def _max_values(utf8: bytes) -> int:
    return max(MAX_VALUES, len(utf8) // BYTES_PER_XML_VALUE)


def _half_as_many(utf8: bytes) -> int:
    return max(MAX_VALUES, _max_values(utf8) // 2)


def _marks(utf8: bytes) -> int:
    """Count the elements; attributes and parents of elements count twice, for the memory they take."""
    elements, parents, attributes = (
        sum(1 for _ in expression.finditer(utf8)) for expression in (_ELEMENT, _PARENT, _ATTRIBUTE)
    )
    return elements + parents + 2 * attributes


def _refuse_too_many(utf8: bytes, most: int) -> None:
    # Most bodies have too few marks even if all equals signs count.
    if utf8.count(b"<") + 2 * utf8.count(b"=") > most and _marks(utf8) > most:
        raise too_many_values(most)


# What serializers of tables write beside the rows: schemas, and the rows before a change.
_NOISE = (f"{{{SCHEMA}}}schema", f"{{{DIFFGRAM}}}before", f"{{{DIFFGRAM}}}errors")


def _drop_noise(root: etree._Element) -> None:
    for element in list(root.iter(*_NOISE)):
        if (parent := element.getparent()) is not None:
            parent.remove(element)


# -- the short way -------------------------------------------------------------------------------------------

# Any but the serializers' own on an empty element, which mean only that it is empty; a reference means more.
_has_attributes = etree.XPath(
    "boolean(/descendant::*/attribute::*[../node() or local-name() = 'Ref' or local-name() = 'ref' or not("
    + " or ".join(f"namespace-uri() = '{namespace}'" for namespace in HINTS)
    + ")])"
)
_ENCODED_NAME = re.compile(rb"_x[0-9A-Fa-f]{4}_")


def _is_uncommon(utf8: bytes) -> bool:
    """Whether there are what the short way cannot read: character references or encoded names."""
    # one byte is found in a twentieth of the time of two, and many bodies have neither
    return (b"&" in utf8 and b"&#" in utf8) or (b"_" in utf8 and _ENCODED_NAME.search(utf8) is not None)


class _MixedContentError(Exception):
    """A document with text beside elements, which the short way cannot read."""


def _short(root: etree._Element, utf8: bytes) -> Json:
    """Read a document that has only elements and their texts; return None for any other."""
    if not len(root) or _is_uncommon(utf8) or _has_attributes(root):
        return None
    try:
        return _common(root, local_name(root.tag), MAX_DEPTH)
    except _MixedContentError:
        return None


def _common(element: etree._Element, name: str, levels: int) -> Json:
    """Return what the reader gives, where there are neither attributes nor escaped line ends."""
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
            add(members, tag, value)
        else:
            members[tag] = value
        if child.tail:
            raise _MixedContentError
    if len(members) == 1:
        ((item, only),) = members.items()
        if is_list_of(name, item):
            return only if isinstance(only, Repeated) else [only]
    return members


# -- the long way --------------------------------------------------------------------------------------------

_ENCODED = re.compile("_x([0-9A-Fa-f]{4})_")


def _name(element: etree._Element) -> str:
    """Return an element's local name as XmlConvert.DecodeName does: `Order_x0020_ref` is `Order ref`."""
    name = local_name(element.tag)
    return _ENCODED.sub(lambda found: chr(int(found[1], 16)), name) if "_x" in name else name


class _Attributes:
    """An element's attributes: the sender's own, and what the serializers' mean."""

    def __init__(self, element: etree._Element, types: frozenset[str]) -> None:
        if len(element.attrib) > MAX_ATTRIBUTES:  # lxml searches all attributes for each
            raise Malformed(
                f"The element {local_name(element.tag)[:60]!r} has more than {MAX_ATTRIBUTES:,} attributes."
            )
        self.own: dict[str, str] = {}
        self.is_nil = self.is_array = False
        self.id: str | None = None
        self.ref: str | None = None
        for key, given in element.attrib.items():
            self._read(str(key), str(given), types)

    def _read(self, key: str, text: str, types: frozenset[str]) -> None:
        namespace, _, name = key.removeprefix("{").rpartition("}")
        is_true = folded(text.strip()) in _TRUE
        if name == "nil":
            self.is_nil = self.is_nil or is_true
        elif namespace == JSON_NET:
            pass  # see `_is_item`
        elif namespace in ADDRESSED and folded(name) in {"id", "ref"}:
            if folded(name) == "id":
                self.id = text
            else:
                self.ref = text.removeprefix("#")
        elif not namespace and name == "href" and text.startswith("#"):
            self.own[name] = text
            self.ref = text[1:]
        elif namespace in HINTS or (namespace == XML and name == "space"):
            pass
        elif not namespace and name == "type" and text in types:
            self.is_array = text == "array"
            self.is_nil = self.is_nil or text == "null"
        else:
            if not namespace and name == "id":
                self.id = text
            self.own[f"{{{namespace}}}{name}" if name in self.own else name] = text


def _is_item(element: etree._Element) -> bool:
    """Whether Json.NET is to make a list of this element, even if it is the only one."""
    return folded(str(element.get(f"{{{JSON_NET}}}Array", "")).strip()) in _TRUE


_TRUE = {"true", "1"}
_NO_ATTRIBUTES = _Attributes(etree.Element("none"), frozenset())


class _Reader:
    """Reads any document, with what it knows of the whole of it."""

    def __init__(self, root: etree._Element, utf8: bytes, forbidden: Forbidden | None) -> None:
        self.targets: dict[str, Json] = {}
        self._forbidden = forbidden
        self._markup_left = len(utf8) + MAX_REPEATED
        self._types = type_hints(root.get("type"))
        self._refs = self._references(root) if _ADDRESS.search(utf8) else set()
        self.has_references = bool(self._refs)

    def _references(self, root: etree._Element) -> set[str]:
        all_attributes = (_Attributes(element, self._types) for element in root.iter() if not len(element))
        return {each.ref for each in all_attributes if each.ref is not None}

    def value(self, element: etree._Element, levels: int) -> tuple[Json, dict[str, Json]]:
        """Return an element's value, and the attributes that are kept beside it where it is a list."""
        attributes = _Attributes(element, self._types) if element.attrib else _NO_ATTRIBUTES
        if attributes.ref is not None and not len(element) and local_name(element.tag) != "a":
            return {REF: attributes.ref}, {}
        own = attributes.own
        if attributes.id is not None and attributes.id in self._refs:
            own = {name: text for name, text in own.items() if name != "id" or text != attributes.id}
        value, beside = self._content(element, attributes, own, levels)
        if attributes.id is not None and attributes.id in self._refs:
            self.targets[attributes.id] = value
        return value, beside

    def _content(
        self, element: etree._Element, attributes: _Attributes, own: dict[str, str], levels: int
    ) -> tuple[Json, dict[str, Json]]:
        if not len(element):
            text = None if attributes.is_nil else self.text(element.text)
            if attributes.is_array and (text is None or not str(text).strip()):
                return [], self._beside(own)
            return (self._with_attributes({} if text is None else {"#text": text}, own) if own else text), {}
        if not levels:
            raise too_deep()
        members, texts, is_single = self._members(element, levels)
        if attributes.is_array and not texts:
            return _items(members), self._beside(own)
        if is_single and not texts:
            ((item, only),) = members.items()
            if is_list_of(_name(element), item):
                return (only if isinstance(only, Repeated) else [only]), self._beside(own)
        if texts:
            members["#text"] = markup.joined(texts)
        is_inline = markup.is_inline(local_name(child.tag) for child in element)
        if texts or is_inline:
            whole = self._with_attributes(members, own)
            if is_inline and len(element) <= MAX_INLINE:
                whole.markup = self._restored(self._inner_xml(element))
            return whole, {}
        return (self._with_attributes(members, own) if own else members), {}

    def _members(self, element: etree._Element, levels: int) -> tuple[dict[str, Json], list[str], bool]:
        members: dict[str, Json] = {}
        texts = [element.text]
        in_body = local_name(element.tag) == "Body" and element.tag.startswith(SOAP_ENVELOPES)
        for child in element:
            texts.append(child.tail)
            value, beside = self.value(child, levels - 1)
            if in_body and self.has_references and _Attributes(child, self._types).id in self._refs:
                continue  # it is where it is referred to
            name = _name(child)
            if child.attrib and _is_item(child) and name not in members:
                members[name] = Repeated([value])
            else:
                add(members, name, value)
            for attribute, text in beside.items():
                add(members, f"{name}@{attribute}", text)
        found = [str(self.text(text)) for text in texts if text and not text.isspace()]
        return members, found, len(members) == 1

    def _with_attributes(self, members: dict[str, Json], own: dict[str, str]) -> Element:
        whole = Element(members)
        names = []
        for name, text in own.items():
            free = f"@{name}" if name in members else name
            names.append(free)
            whole[free] = self.text(text)
        whole.attributes = tuple(names)
        return whole

    def _beside(self, own: dict[str, str]) -> dict[str, Json]:
        return {name: self.text(text) for name, text in own.items()}

    def text(self, text: str | None) -> Json:
        if not text:
            return text
        if "\r" in text:  # .NET writes carriage returns as character references, which XML keeps
            text = str(with_line_feeds(text))
        return self._restored(text)

    def _inner_xml(self, element: etree._Element) -> str:
        """Return an element's content as it was written. Raises Malformed for too much, level upon level."""
        whole = etree.tostring(element, encoding="unicode", with_tail=False)
        # no other > is in its start tag: the serializer escapes those of attributes
        inner = whole[whole.index(">") + 1 : whole.rindex("<")]
        if " xmlns" in inner:
            inner = _DECLARATIONS.sub("", inner)
        self._markup_left -= len(inner)
        if self._markup_left < 0:
            raise Malformed("The body holds markup within markup within markup: too many values.")
        return inner

    def _restored(self, text: str) -> str:
        return self._forbidden.restored(text) if self._forbidden and not text.isascii() else text


_ADDRESS = re.compile(rb"(:[Rr]ef|href)\s*=")


def _items(members: dict[str, Json]) -> Json:
    items: list[Json] = []
    for value in members.values():
        items += value if isinstance(value, Repeated) else [value]
    return items


_DECLARATIONS = re.compile(r"\sxmlns(?::[\w.-]+)?=(\"[^\"]*\"|'[^']*')")
