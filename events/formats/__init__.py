"""The wire formats: bytes in, plain members out. They know no name of printIQ's.

The bytes alone decide what is read: their encoding, then their first character. Both readers give the same
plain tree of dict, list, str, int, Decimal, bool and None, in which XML looks as .NET's JSON would:

- an element is named by its local name; a repeated one is a list; an empty or `nil` one is None;
- a container whose items are its own singular, or a .NET type name, is a list (`<Jobs><Job/></Jobs>`);
- attributes of an element with children are members (`@name` where a child has that name, `{namespace}name`
  where another attribute has); those of a leaf are beside it as `Name@attribute`;
- the serializers' own attributes (namespaces, `xsi:*`, `i:*`, `nil`, `xml:space`) are dropped;
- text beside child elements is the member `#text`.

Line ends are one line feed in both, as XML prescribes. Refused: a document type (and so every entity), names
given twice in one JSON object, NaN and Infinity, lone surrogates, whole numbers of more than 4,300 digits,
and more levels, values or attributes than the bounds allow. XInclude is never acted on: its elements are
members like any other.
"""

from collections.abc import Callable

from events.errors import BodyTooLarge, EmptyBody, EventError, NotJsonOrXml
from events.formats.compression import decompress
from events.formats.document import (
    BYTES_PER_JSON_VALUE,
    MAX_BODY_BYTES,
    MAX_DEPTH,
    MAX_MEMBERS,
    MAX_VALUES,
    STRUCTURES,
    Document,
    Element,
    Format,
    Json,
    folded,
)
from events.formats.encoding import charset_of, to_utf8
from events.formats.json_reader import read_json
from events.formats.lists import is_list_of
from events.formats.markup import words
from events.formats.mtom import inlined, is_mtom
from events.formats.sniffing import format_of
from events.formats.soap import SoapRequest, SoapVersion, read_soap
from events.formats.xml_reader import MAX_ATTRIBUTES, read_xml

__all__ = [
    "BYTES_PER_JSON_VALUE",
    "MAX_ATTRIBUTES",
    "MAX_BODY_BYTES",
    "MAX_DEPTH",
    "MAX_MEMBERS",
    "MAX_VALUES",
    "STRUCTURES",
    "Document",
    "Element",
    "Format",
    "Json",
    "SoapRequest",
    "SoapVersion",
    "folded",
    "is_list_of",
    "read",
    "read_inner",
    "sniff",
    "soap_request",
    "words",
]

# The format decides which reader; there is no fallback from one to the other.
READERS: dict[Format, Callable[[bytes], Document]] = {Format.JSON: read_json, Format.XML: read_xml}


def read(
    body: bytes,
    *,
    content_type: str | None = None,
    content_encoding: str | None = None,
    max_bytes: int = MAX_BODY_BYTES,
) -> Document:
    """Read a body of either format.

    What the sender declares counts where the bytes leave a choice. Raises EmptyBody, BodyTooLarge,
    NotJsonOrXml and Malformed.
    """
    utf8 = _decoded(body, content_type, content_encoding, max_bytes)
    if len(utf8) > max_bytes:
        raise BodyTooLarge.of(len(utf8), max_bytes, "bytes in UTF-8")
    return READERS[format_of(utf8)](utf8)


def sniff(body: bytes) -> Format:
    """Find the format of a body without reading it. Raises what `read` does."""
    return format_of(_decoded(body, None, None, MAX_BODY_BYTES))


_STARTS = ("<", "{", "[", '"')


def read_inner(text: str) -> Document | None:
    """Read the document that a text holds, None where it holds none. Raises Malformed."""
    start = text[:100].lstrip("\ufeff \t\r\n")
    if not start.startswith(_STARTS) or start == text[0] * len(start):
        return None
    utf8 = to_utf8(text.encode())
    try:
        return READERS[format_of(utf8)](utf8)
    except (EmptyBody, NotJsonOrXml):
        return None


def soap_request(
    body: bytes,
    *,
    content_type: str | None = None,
    content_encoding: str | None = None,
    max_bytes: int = MAX_BODY_BYTES,
) -> SoapRequest | None:
    """Return what the response to a SOAP request depends on, None for any other body. Never raises."""
    try:
        return read_soap(_decoded(body, content_type, content_encoding, max_bytes))
    except EventError:
        return None


def _decoded(body: bytes, content_type: str | None, content_encoding: str | None, max_bytes: int) -> bytes:
    """Return the document alone, in UTF-8."""
    body = decompress(body, content_encoding, max_bytes)
    if is_mtom(body):
        return inlined(body)
    return to_utf8(body, charset_of(content_type))
