"""The wire formats: bytes in, plain members out. No names of printIQ's are known here.

What is read is decided by the bytes alone: their encoding, then their first character. Both readers give the
same plain tree of dict, list, str, int, Decimal, bool and None, in which XML looks as .NET's JSON would:

- an element is named by its local name; a repeated one is a list; an empty or `nil` one is None;
- a container whose items are its own singular, or a .NET type name, is a list (`<Jobs><Job/></Jobs>`);
- attributes of an element with children are members (`@name` where a child has that name); those of a leaf
  stand beside it as `Name@attribute`;
- the serializers' own attributes (namespaces, `xsi:*`, `i:*`, `nil`, `xml:space`) are dropped;
- text beside child elements is the member `#text`.

Line ends are one line feed in both, as XML prescribes. Refused: a document type (and so every entity), names
given twice in one JSON object, NaN and Infinity, lone surrogates, whole numbers of more than 4,300 digits,
and more levels, values or attributes than the bounds below. XInclude is never acted on: its elements are
members like any other.
"""

import json
import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from io import BytesIO
from typing import Any, NamedTuple

import jiter
from lxml import etree

from events.errors import EmptyBody, Malformed, NotJsonOrXml, pointer

MAX_DEPTH = 100
# Bounds of memory: a value of two bytes takes a kilobyte once it is a typed line of an invoice. So many are
# read of any body, and of a large one as many as it has room for at this size; real ones have names.
MAX_VALUES = 100_000
BYTES_A_VALUE = 10
MAX_ATTRIBUTES = 1_000


class Format(StrEnum):
    JSON = "json"
    XML = "xml"


class Document(NamedTuple):
    """Hold what was read: `root` is the root element's name, None in JSON."""

    format: Format
    root: str | None
    members: dict[str, Any]


def read(body: bytes) -> Document:
    """Read a body of either format. Raises EmptyBody, NotJsonOrXml and Malformed."""
    utf8 = _to_utf8(body)
    return READERS[_sniff(utf8)](utf8)


def sniff(body: bytes) -> Format:
    """Tell the format of a body without reading it. Raises EmptyBody, NotJsonOrXml and Malformed."""
    return _sniff(_to_utf8(body))


# -- encoding ------------------------------------------------------------------------------------------------

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_XML_DECLARATION = re.compile(rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
# What .NET on Windows may declare beside Unicode. Python has codecs that are no character encodings
# (unicode_escape, idna, …): none but these may run.
_CODE_PAGE = re.compile(r"iso-8859-\d{1,2}|latin-?1|(windows-|cp)125\d", re.IGNORECASE)


def _to_utf8(body: bytes) -> bytes:
    if body.isascii() and 0 not in body[:2]:
        return body
    for bom, encoding in _BOMS:
        if body.startswith(bom):
            return _transcode(body[len(bom) :], encoding)
    start = body[:2]
    if len(start) == 2 and 0 in start:  # noqa: PLR2004 - the first character of UTF-16 without a BOM is ASCII
        return _transcode(body, "utf-16-be" if start[0] == 0 else "utf-16-le")
    return _transcode(body, "utf-8")


def _transcode(body: bytes, encoding: str) -> bytes:
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        return _by_declaration(body, encoding, error)
    return body if encoding == "utf-8" else text.encode()


def _by_declaration(body: bytes, encoding: str, error: UnicodeDecodeError) -> bytes:
    """Believe an XML declaration only where the bytes are not Unicode."""
    declared = _XML_DECLARATION.match(body)
    if declared and _CODE_PAGE.fullmatch(name := declared[1].decode()):
        try:
            return body.decode(name).encode()
        except (LookupError, UnicodeError):
            pass  # a declaration that helps nobody: what is wrong is told below
    start = body[:1000].decode(encoding, errors="replace").lstrip()
    if start and start[0] not in '<{["':
        raise _neither(start) from error
    raise Malformed(
        f"The body is not valid {encoding.upper()}: {error.reason} at byte {error.start}. Send UTF-8."
    ) from error


# -- what it is ----------------------------------------------------------------------------------------------

_PROLOG = re.compile(rb"(?:\s++|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
_HTML = re.compile(rb"<(!doctype\s+html|(html|head|body|h1|center|div|p|script)\b(?![.:-]))", re.IGNORECASE)
_JSON_SCALAR = re.compile(rb'("(\\.|[^"\\])*+"|-?\d[\d.eE+-]*+|true|false|null)\s*+', re.DOTALL)


def _sniff(utf8: bytes) -> Format:
    start = len(utf8) - len(utf8.lstrip())
    if start == len(utf8):
        raise EmptyBody("The body is empty. printIQ sends the object of the event, as JSON or XML.")
    if utf8.startswith(b"<", start):
        if _HTML.match(utf8, _prolog_end(utf8)):
            raise NotJsonOrXml(
                "This is an HTML page, not an event: perhaps an error or sign-in page in its place."
            )
        return Format.XML
    if utf8.startswith((b"{", b"["), start) or _JSON_SCALAR.fullmatch(utf8, start):
        return Format.JSON
    raise _neither(utf8[start : start + 1000].decode(errors="replace"))


def _prolog_end(utf8: bytes) -> int:
    """Return where the blanks, comments and instructions before the first tag end."""
    found = _PROLOG.match(utf8)
    return found.end() if found else 0


def _neither(start: str) -> NotJsonOrXml:
    shown = start[:40].rstrip()
    return NotJsonOrXml(f"The body is neither JSON nor XML: it begins with {shown!r}.")


def _too_deep() -> Malformed:
    return Malformed(f"The body is nested more than {MAX_DEPTH} levels deep.")


def _most_values(utf8: bytes) -> int:
    return max(MAX_VALUES, len(utf8) // BYTES_A_VALUE)


def _too_many(most: int) -> Malformed:
    return Malformed(f"The body holds more than {most:,} values; no printIQ object of its size has so many.")


def _with_line_ends(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\r", "\n")
    if isinstance(value, dict):
        return {name: _with_line_ends(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_line_ends(item) for item in value]
    return value


# -- JSON ----------------------------------------------------------------------------------------------------


def read_json(utf8: bytes) -> Document:
    if len(utf8) > MAX_VALUES:  # it takes a byte at least for each
        _refuse_many_json(utf8)
    try:
        value = jiter.from_json(
            utf8, allow_inf_nan=False, catch_duplicate_keys=True, float_mode="decimal", cache_mode="keys"
        )
    except ValueError as error:
        raise _json_error(utf8, str(error)) from error
    if not isinstance(value, dict):
        what = "an array" if isinstance(value, list) else "a single value"
        raise Malformed(
            f"The body is {what}, but every printIQ event is one JSON object. Send the objects one by one."
        )
    _refuse_depth(value, utf8)
    if b"\\" in utf8 and (b"\\r" in utf8 or b"\\u000" in utf8):
        value = _with_line_ends(value)
    return Document(Format.JSON, None, value)


_JSON_STRING = re.compile(rb'"(?:\\.|[^"\\])*+"?+', re.DOTALL)


def _refuse_many_json(utf8: bytes) -> None:
    # most bodies need no look at where their texts are
    most = _most_values(utf8)
    if _marks(utf8) > most and _marks(_JSON_STRING.sub(b"", utf8)) > most:
        raise _too_many(most)


def _marks(utf8: bytes) -> int:
    return utf8.count(b",") + utf8.count(b"{") + utf8.count(b"[")


def _refuse_depth(value: dict[str, Any], utf8: bytes) -> None:
    if utf8.count(b"{") + utf8.count(b"[") <= MAX_DEPTH:
        return
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


_JSON_AT = re.compile(r"^(?P<what>.*) at line (?P<line>\d+) column (?P<column>\d+)$", re.DOTALL)
# What jiter says, and what that means to whoever sent the body.
_JSON_WORDS = {
    "EOF while parsing": "The JSON ends too early",
    "trailing characters": "Something follows the end of the JSON object",
    "trailing comma": "A comma stands before a closing bracket, with nothing between them",
    "recursion limit": f"The JSON is nested more than {MAX_DEPTH} levels deep",
    "number out of range": "A number has more than 4,300 digits",
    "InvalidOperation": "A number has an exponent that is too large to be read",
    "invalid number": "A number is not written as JSON numbers are",
    "key must be a string": "A name does not stand in double quotes",
    "expected `:`": "A name is not followed by a colon",
    "expected `,`": "Two values have no comma between them, or a closing bracket is missing",
    "expected ident": "A word is neither true, false nor null",
    "expected value": "A value is missing or not written as JSON values are",
    "hex escape": "A \\u escape is half of a surrogate pair, which is no character",
    "control character": "A text contains a bare control character, which JSON wants escaped",
    "invalid escape": "A text contains an escape that JSON does not know",
}
_JSON_NAN = re.compile(rb"-?(NaN|Infinity)\b")


def _json_error(utf8: bytes, said: str) -> Malformed:
    found = _JSON_AT.match(said)
    if found is None:
        return Malformed(f"The body is not well-formed JSON: {said[:200]}.")
    what = next(
        (words for hint, words in _JSON_WORDS.items() if hint in found["what"]),
        f"The body is not well-formed JSON: {found['what'][:200]}",
    )
    if duplicate := re.search(r'duplicate key "(.*)"', found["what"], re.DOTALL):
        what = f"The name {duplicate[1][:60]!r} stands twice in one object"
    line, column = int(found["line"]), int(found["column"])
    start = 0
    for _ in range(line - 1):
        start = utf8.index(b"\n", start) + 1
    # jiter counts columns from one; where the JSON ends too early, it names the last character
    end = start + column - (0 if found["what"].startswith("EOF") else 1)
    if _JSON_NAN.match(utf8, max(end - 1, 0)) or _JSON_NAN.match(utf8, end):
        what = "NaN and Infinity are not JSON numbers"
    return Malformed(f"{what} (line {line}, column {column}).", pointer=_json_pointer(utf8[: max(end, 0)]))


_JSON_TOKEN = re.compile(rb'"((?:\\.|[^"\\])*+)(?:"\s*+(:)?)?|[{}\[\],]', re.DOTALL)


def _json_pointer(before: bytes) -> str:
    """Name the place where well-formed JSON stopped, from the tokens before it."""
    path: list[str | int | None] = []
    for token in _JSON_TOKEN.finditer(before):
        mark = token[0][:1]
        if mark == b"{":
            path.append(None)
        elif mark == b"[":
            path.append(0)
        elif mark in b"}]":
            del path[-1:]
        elif mark == b"," and path:
            path[-1] = path[-1] + 1 if isinstance(path[-1], int) else None
        elif token[2] and path:
            path[-1] = _unescaped(token[1])
    return pointer(step for step in path if step is not None)


def _unescaped(name: bytes) -> str:
    # A name that jiter has read; half a surrogate pair, which json lets pass, cannot be written anywhere.
    return str(json.loads(b'"%b"' % name, strict=False)).encode(errors="replace").decode()


# -- XML -----------------------------------------------------------------------------------------------------

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
    end = _prolog_end(utf8)
    if utf8.startswith(b"<!", end) and not utf8.startswith(b"<!--", end):
        raise Malformed(
            "The XML has a document type declaration (DOCTYPE). It could define entities or fetch files: "
            "leave it out."
        )
    if len(utf8) > MAX_VALUES:  # it takes a byte at least for each
        _refuse_many_xml(utf8)
    xml = utf8.lstrip()  # blanks before an XML declaration are an error to libxml2, and to nobody else
    try:
        root = etree.fromstring(xml, etree.XMLParser(remove_blank_text=True, **_SAFELY))
    except etree.XMLSyntaxError as error:
        raise _xml_error(xml, utf8[: -len(xml)].count(b"\n"), error) from error
    name = _local(root.tag)
    value = _tree(root, xml)
    if isinstance(value, list):  # a root named like a list of what it holds
        members: dict[str, Any] = {_local(root[0].tag): value}
    elif isinstance(value, dict):
        members = value
    else:
        members = {} if value is None else {"#text": value}
    _add_attributes(members, root)
    return Document(Format.XML, name, members)


_XML_VALUE = re.compile(rb"<(?!/)|=\s*+[\"']")


def _refuse_many_xml(utf8: bytes) -> None:
    # most bodies need no look at what their equals signs are
    most = _most_values(utf8)
    if utf8.count(b"<") + utf8.count(b"=") > most and len(_XML_VALUE.findall(utf8)) > most:
        raise _too_many(most)


# The one safe way to read XML: no DTD, no entities, no network. The encoding is ours: the bytes were made
# UTF-8, whatever their declaration says.
_SAFELY: dict[str, Any] = {
    "encoding": "utf-8",
    "resolve_entities": False,
    "load_dtd": False,
    "no_network": True,
    "huge_tree": True,  # a thumbnail may have 20 MB of text; size and depth are bounded by ourselves
    "remove_comments": True,
    "remove_pis": True,
}


def _local(tag: str) -> str:
    return tag.rpartition("}")[2] if "}" in tag else tag


# any but the serializers' own on an empty element, which says no more than that it is empty
_has_attributes = etree.XPath(
    "boolean(/descendant::*/attribute::*[../node() or not("
    + " or ".join(f"namespace-uri() = '{namespace.strip('{}')}'" for namespace in _OWN_NAMESPACES)
    + ")])"
)


class _TextBesideElements(Exception):
    """Say that a document is not of the common form."""


def _tree(root: etree._Element, xml: bytes) -> Any:
    """Read a document the short way; the long one only where it has more than elements and their texts."""
    if len(root) and not (b"&" in xml and b"&#" in xml) and not _has_attributes(root):
        try:
            return _common(root, _local(root.tag), MAX_DEPTH)
        except _TextBesideElements:
            pass
    return _value(root, MAX_DEPTH)


def _common(element: etree._Element, name: str, levels: int) -> Any:
    """Return what _value returns, where there are neither attributes nor escaped line ends."""
    if not levels:
        raise _too_deep()
    if element.text:
        raise _TextBesideElements
    members: dict[str, Any] = {}
    for child in element:
        tag = child.tag
        if "}" in tag:
            tag = _local(tag)
        value = _common(child, tag, levels - 1) if len(child) else child.text
        if tag in members:
            _add(members, tag, value)
        else:
            members[tag] = value
        if child.tail:
            raise _TextBesideElements
    return _unless_list(members, name) if len(members) == 1 else members


def _value(element: etree._Element, levels: int) -> Any:
    if not len(element):
        return None if _is_nil(element) else _text(element.text)
    if not levels:
        raise _too_deep()
    members: dict[str, Any] = {}
    texts = [element.text]
    for child in element:
        name = _local(child.tag)
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
    return _unless_list(members, _local(element.tag)) if len(members) == 1 else members


def _unless_list(members: dict[str, Any], name: str) -> Any:
    """Return the one member, or the items alone where it is what a list of this name holds."""
    ((item, value),) = members.items()
    if name == f"{item}s" or _is_list_of(name, item):
        return value if isinstance(value, _Repeated) else [value]
    return members


class _Repeated(list[Any]):
    """A list made of repeated elements, apart from one that is an element's own value."""


def _add(members: dict[str, Any], name: str, value: object) -> None:
    if name not in members:
        members[name] = value
    elif isinstance(earlier := members[name], _Repeated):
        earlier.append(value)
    else:
        members[name] = _Repeated([earlier, value])


def _add_attributes(members: dict[str, Any], element: etree._Element, prefix: str = "") -> None:
    for name, text in _attributes(element):
        if not name.startswith(_OWN_NAMESPACES) and name not in _OWN_ATTRIBUTES:
            own = prefix + _local(name)
            _add(members, own if prefix or own not in members else f"@{own}", _text(text))


def _text(text: str | None) -> str | None:
    # A carriage return that came as a character reference is one to XML; .NET writes line ends so.
    return _with_line_ends(text) if text and "\r" in text else text


def _attributes(element: etree._Element) -> list[tuple[str, str]]:
    if len(element.attrib) > MAX_ATTRIBUTES:  # lxml looks each of them up among all the others
        raise Malformed(
            f"The element {_local(element.tag)[:60]!r} has more than {MAX_ATTRIBUTES:,} attributes."
        )
    return [(str(name), str(text)) for name, text in element.attrib.items()]


def _is_nil(element: etree._Element) -> bool:
    return any(
        _local(name) == "nil" and text.strip().lower() in {"true", "1"} for name, text in _attributes(element)
    )


def _is_list_of(container: str, item: str) -> bool:
    container, folded = container.lower(), item.lower()
    return (
        container in {f"{folded}s", f"{folded}es", f"{folded.removesuffix('y')}ies", f"{folded}list"}
        or container == f"arrayof{folded}"
        or item in _NET_TYPES
    )


# What libxml2 says, and what that means to whoever sent the body.
_XML_WORDS = (
    (r"Excessive depth", f"The XML is nested more than {MAX_DEPTH} levels deep"),
    (
        r"Opening and ending tag mismatch: (.+) line (\d+) and (.+)",
        r"</\3> does not match <\1>, which line \2 opens",
    ),
    (
        r"Premature end of data in tag (.+) line (\d+)",
        r"The XML ends too early: <\1>, which line \2 opens, has no end",
    ),
    (r"Couldn't find end of Start Tag (.+?) line", r"The tag <\1 has no end"),
    (r"Extra content at the end", "Something follows the end of the root element"),
    (r"Start tag expected", "The XML has no root element"),
    (r"Entity '(.+)' not defined", r"XML does not know the entity &\1;: write the character itself"),
    (r"xmlParseEntityRef: no name|EntityRef: expecting", "A bare & stands in the text: write &amp;"),
    (r"StartTag: invalid element name", "A < is not followed by a name: in a text, write &lt;"),
    (r"Unescaped '<' not allowed", "A bare < stands in an attribute: write &lt;"),
    (
        r".*(invalid (xml)?char|out of allowed range|out of bounds)",
        "A character that XML does not allow, such as a control character, stands here",
    ),
    (r"Attribute (.+) redefined", r"The attribute \1 stands twice in one tag"),
    (
        r"(Specification mandates value|AttValue|attributes construct error)",
        'An attribute is not written as name="value"',
    ),
    (r"Comment not terminated", "A comment has no end"),
    (r"Double hyphen within comment", "A comment contains two hyphens"),
    (r"CData section not finished", "A CDATA section has no end"),
    (r"Sequence '\]\]>' not allowed", "]]> stands in a text: write ]]&gt;"),
    (r"XML declaration allowed only", "An XML declaration stands in the middle of the document"),
    (r"(xml)?ParsePI", "A processing instruction is not written as <?name …?>"),
    (r"Namespace prefix (\S+)", r"The namespace prefix \1 is not declared"),
)


def _xml_error(xml: bytes, lines_before: int, error: etree.XMLSyntaxError) -> Malformed:
    said = re.sub(r"\s*,? line \d+, column \d+$", "", str(error.msg))
    what = next(
        (
            found.expand(words)
            for hint, words in _XML_WORDS
            if (found := re.match(hint, said[:500], re.IGNORECASE))
        ),
        f"The XML is not well-formed: {re.sub(r'^xmlParse.*?: *', '', said)[:200]}",
    )
    line, column = error.position
    return Malformed(f"{what} (line {line + lines_before}, column {column}).", pointer=_xml_pointer(xml))


def _xml_pointer(xml: bytes) -> str:
    """Name the element that was open when the XML stopped being well-formed."""
    path: list[str] = []
    happenings: Iterator[tuple[str, etree._Element]] = etree.iterparse(
        BytesIO(xml), events=("start", "end"), **_SAFELY
    )
    try:
        for happening, element in happenings:
            if happening == "start":
                path.append(_local(element.tag))
            else:
                path.pop()
                element.clear()
    except etree.XMLSyntaxError:
        pass  # expected: the reason for being here
    return pointer(path[1:])  # the root element is the whole document


# The format decides which reader; there is no fallback from one to the other.
READERS: dict[Format, Callable[[bytes], Document]] = {Format.JSON: read_json, Format.XML: read_xml}
