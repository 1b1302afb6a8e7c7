"""The wire formats: bytes in, plain members out. No names of printIQ's are known here.

What is read is decided by the bytes alone: their encoding, then their first character. Both readers give the same
plain tree of dict, list, str, int, Decimal, bool and None, in which XML looks as .NET's JSON would:

- an element is named by its local name; a repeated one is a list; an empty or `nil` one is None;
- a container whose items are its own singular, or a .NET type name, is a list (`<Jobs><Job/></Jobs>`);
- attributes of an element with children are members; those of a leaf stand beside it as `Name@attribute`;
- the serializers' own attributes (namespaces, `xsi:*`, `i:*`) are dropped;
- text beside child elements is the member `#text`.

Line ends are `\\n` in both, as XML prescribes. Refused: a document type (and so every entity), names given twice in
one JSON object, NaN and Infinity, lone surrogates, numbers of more than 4,300 digits, more than 100 levels.
XInclude is never acted on: its elements are members like any other.
"""

import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from io import BytesIO
from typing import Any, NamedTuple

import jiter
from lxml import etree

from events.errors import EmptyBody, Malformed, NotJsonOrXml

MAX_DEPTH = 100


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


# -- encoding ---------------------------------------------------------------------------------------------------

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_XML_DECLARATION = re.compile(rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")


def _to_utf8(body: bytes) -> bytes:
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
    """Believe an XML declaration only where the bytes are not UTF-8."""
    declared = _XML_DECLARATION.match(body)
    if declared and encoding == "utf-8":
        try:
            return body.decode(declared[1].decode()).encode()
        except (LookupError, UnicodeError):
            pass  # a declaration that helps nobody: what is wrong is told below
    raise Malformed(
        f"The body is not valid {encoding.upper()}: {error.reason} at byte {error.start}. Send UTF-8."
    ) from error


# -- what it is -------------------------------------------------------------------------------------------------

_SPACE = b" \t\r\n"
_HTML = re.compile(rb"(<!--.*?-->|\s)*+<(!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_JSON_SCALAR = re.compile(rb'\s*("(\\.|[^"\\])*+"|-?\d[\d.eE+-]*+|true|false|null)\s*', re.DOTALL)


def _sniff(utf8: bytes) -> Format:
    start = utf8[:1000].lstrip(_SPACE)[:1] or utf8.lstrip(_SPACE)[:1]
    if not start:
        raise EmptyBody("The body is empty. printIQ sends the object of the event, as JSON or XML.")
    if start == b"<":
        if _HTML.match(utf8):
            raise NotJsonOrXml(
                "This is an HTML page, not an event: perhaps an error or sign-in page that was forwarded in its place."
            )
        return Format.XML
    if start in b"{[" or _JSON_SCALAR.fullmatch(utf8):
        return Format.JSON
    shown = utf8[:40].decode(errors="replace").strip()
    raise NotJsonOrXml(f"The body is neither JSON nor XML: it begins with {shown!r}.")


# -- JSON -------------------------------------------------------------------------------------------------------


def read_json(utf8: bytes) -> Document:
    try:
        value = jiter.from_json(
            utf8, allow_inf_nan=False, catch_duplicate_keys=True, float_mode="decimal", cache_mode="keys"
        )
    except ValueError as error:
        raise _json_error(utf8, str(error)) from error
    if not isinstance(value, dict):
        what = "an array" if isinstance(value, list) else "a single value"
        raise Malformed(f"The body is {what}, but every printIQ event is one JSON object. Send the objects one by one.")
    _refuse_depth(value)
    if b"\\r" in utf8:
        value = _with_line_ends(value)
    return Document(Format.JSON, None, value)


def _refuse_depth(value: dict[str, Any]) -> None:
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
    raise Malformed(f"The body is nested more than {MAX_DEPTH} levels deep.")


def _with_line_ends(value: Any) -> Any:  # noqa: ANN401 - a tree
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\r", "\n")
    if isinstance(value, dict):
        return {name: _with_line_ends(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_line_ends(item) for item in value]
    return value


_AT = re.compile(r"^(?P<what>.*) at line (?P<line>\d+) column (?P<column>\d+)$", re.DOTALL)
_WORDS = {
    "EOF while parsing": "The JSON ends too early",
    "trailing characters": "Something follows the end of the JSON object",
    "recursion limit": f"The JSON is nested more than {MAX_DEPTH} levels deep",
    "Detected duplicate key": "A name stands twice in one object",
    "number out of range": "A number has more than 4,300 digits",
    "invalid number": "A number is not written as JSON numbers are",
    "hex escape": "A \\u escape is half of a surrogate pair, which is no character",
    "surrogate": "A \\u escape is half of a surrogate pair, which is no character",
    "control character": "A text contains a bare control character, which JSON wants escaped",
    "invalid escape": "A text contains an escape that JSON does not know",
}
_NAN = re.compile(rb"-?(NaN|Infinity)\b")


def _json_error(utf8: bytes, said: str) -> Malformed:
    found = _AT.match(said)
    if found is None:
        return Malformed(f"The body is not well-formed JSON: {said}.")
    what = next((words for hint, words in _WORDS.items() if hint in found["what"]), f"Not well-formed: {found['what']}")
    if duplicate := re.search(r'duplicate key "(.*)"', found["what"], re.DOTALL):
        what = f"The name {duplicate[1][:60]!r} stands twice in one object"
    line, column = int(found["line"]), int(found["column"])
    offset = _offset(utf8, line, column)
    if _NAN.match(utf8, max(offset - 1, 0)) or _NAN.match(utf8, offset):
        what = "NaN and Infinity are not JSON numbers"
    return Malformed(f"{what} (line {line}, column {column}).", pointer=_json_pointer(utf8[:offset]))


def _offset(utf8: bytes, line: int, column: int) -> int:
    start = 0
    for _ in range(line - 1):
        start = utf8.index(b"\n", start) + 1
    return min(start + column, len(utf8))


_JSON_TOKEN = re.compile(rb'"((?:\\.|[^"\\])*+)"\s*+(:)?|[{}\[\],]', re.DOTALL)


def _json_pointer(before: bytes) -> str:
    """Name the place where well-formed JSON stopped, from the tokens before it."""
    path: list[str | int] = []
    for token in _JSON_TOKEN.finditer(before):
        mark = token[0][:1]
        if mark == b"{":
            path.append("")
        elif mark == b"[":
            path.append(0)
        elif mark in b"}]":
            path = path[:-1]
        elif mark == b"," and path and isinstance(path[-1], int):
            path[-1] += 1
        elif token[2] and path:
            path[-1] = token[1].decode(errors="replace")
    return "".join(f"/{_escaped(step)}" for step in path[:MAX_DEPTH] if step != "")


def _escaped(step: str | int) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


# -- XML --------------------------------------------------------------------------------------------------------

_PROLOG = re.compile(rb"(?:\s++|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
_OWN_NAMESPACES = ("{http://www.w3.org/2001/XMLSchema-instance}", "{http://schemas.microsoft.com/2003/10/Serialization/}")
_NET_TYPES = {"string", "int", "long", "short", "decimal", "double", "float", "boolean", "dateTime", "guid", "anyType"}


def read_xml(utf8: bytes) -> Document:
    prolog = _PROLOG.match(utf8)
    if prolog and utf8.startswith(b"<!", prolog.end()):
        raise Malformed(
            "The XML has a document type declaration (DOCTYPE). It could define entities or fetch files, so it is not read."
        )
    try:
        root = etree.fromstring(utf8, _parser())
    except etree.XMLSyntaxError as error:
        raise _xml_error(utf8, error) from error
    if root is None:
        raise Malformed("The XML has no root element.")
    name = _local(root.tag)
    value = _value(root, MAX_DEPTH)
    if isinstance(value, list):  # a root named like a list of what it holds
        value = {_local(root[0].tag): value}
    elif not isinstance(value, dict):
        value = {} if value is None else {"#text": value}
    value.update({_local(attribute): text for attribute, text in _attributes(root) if _local(attribute) not in value})
    return Document(Format.XML, name, value)


def _parser() -> etree.XMLParser:
    """Make the one safe parser: no DTD, no entities, no network; large texts allowed, blanks between elements not kept.

    The encoding is ours: the bytes were made UTF-8, whatever their declaration says.
    """
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=True,  # a thumbnail may have 20 MB of text; size and depth are bounded by ourselves
        remove_blank_text=True,
        remove_comments=True,
        remove_pis=True,
        strip_cdata=True,
    )


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _attributes(element: etree._Element) -> list[tuple[str, str]]:
    return [(name, text) for name, text in element.attrib.items() if not name.startswith(_OWN_NAMESPACES)]


def _value(element: etree._Element, levels: int) -> Any:  # noqa: ANN401 - a tree
    if not len(element):
        return None if _is_nil(element) else element.text
    if not levels:
        raise Malformed(f"The XML is nested more than {MAX_DEPTH} levels deep.")
    members: dict[str, Any] = {}
    for child in element:
        name = _local(child.tag)
        value = _value(child, levels - 1)
        if name not in members:
            members[name] = value
        else:
            earlier = members[name]
            if isinstance(earlier, _Repeated):
                earlier.append(value)
            else:
                members[name] = _Repeated([earlier, value])
        if child.attrib:
            _add_attributes(members, name, child, value)
        if child.tail and not child.tail.isspace():
            members["#text"] = members.get("#text", "") + child.tail
    if element.text and not element.text.isspace():
        members["#text"] = element.text + members.get("#text", "")
    if len(members) == 1:
        ((item, value),) = members.items()
        if _is_list_of(_local(element.tag), item):
            return value if isinstance(value, _Repeated) else [value]
    return members


class _Repeated(list[Any]):
    """A list made of repeated elements, apart from one that is an element's own value."""


def _is_nil(element: etree._Element) -> bool:
    return any(
        name.endswith("}nil") and text.strip().lower() in {"true", "1"} for name, text in element.attrib.items()
    )


def _add_attributes(members: dict[str, Any], name: str, child: etree._Element, value: object) -> None:
    for attribute, text in _attributes(child):
        if isinstance(value, dict):
            value.setdefault(_local(attribute), text)
        else:
            members.setdefault(f"{name}@{_local(attribute)}", text)


def _is_list_of(container: str, item: str) -> bool:
    container, folded = container.lower(), item.lower()
    return (
        container in {f"{folded}s", f"{folded}es", f"{folded.removesuffix('y')}ies", f"{folded}list"}
        or container == f"arrayof{folded}"
        or item in _NET_TYPES
    )


def _xml_error(utf8: bytes, error: etree.XMLSyntaxError) -> Malformed:
    said = re.sub(r",? line \d+, column \d+.*$", "", str(error.msg or "no root element"))
    line, column = error.position
    return Malformed(f"The XML is not well-formed: {said} (line {line}, column {column}).", pointer=_xml_pointer(utf8))


def _xml_pointer(utf8: bytes) -> str:
    """Name the element that was open when the XML stopped being well-formed."""
    path: list[str] = []
    try:
        for happening, element in _pull(utf8):
            if happening == "start":
                path.append(_local(element.tag))
            else:
                path.pop()
    except etree.XMLSyntaxError:
        pass  # expected: the reason for being here
    return "".join(f"/{_escaped(step)}" for step in path[:MAX_DEPTH])


def _pull(utf8: bytes) -> Iterator[tuple[str, etree._Element]]:
    return etree.iterparse(  # type: ignore[return-value]
        BytesIO(utf8),
        events=("start", "end"),
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=True,
        remove_comments=True,
        remove_pis=True,
    )


# The format decides which reader; there is no fallback from one to the other.
READERS: dict[Format, Callable[[bytes], Document]] = {Format.JSON: read_json, Format.XML: read_xml}
