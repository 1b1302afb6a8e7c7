"""The wire formats: bytes in, plain members out. They know no name of printIQ's.

The bytes alone decide what is read: their encoding, then their first character. Both readers give the same
plain tree of dict, list, str, int, Decimal, bool and None, in which XML looks as .NET's JSON would:

- an element is named by its local name; a repeated one is a list; an empty or `nil` one is None;
- a container whose items are its own singular, or a .NET type name, is a list (`<Jobs><Job/></Jobs>`);
- attributes of an element with children are members (`@name` where a child has that name); those of a leaf
  are beside it as `Name@attribute`;
- the serializers' own attributes (namespaces, `xsi:*`, `i:*`, `nil`, `xml:space`) are dropped;
- text beside child elements is the member `#text`.

Line ends are one line feed in both, as XML prescribes. Refused: a document type (and so every entity), names
given twice in one JSON object, NaN and Infinity, lone surrogates, whole numbers of more than 4,300 digits,
and more levels, values or attributes than the bounds allow. XInclude is never acted on: its elements are
members like any other.
"""

from collections.abc import Callable

from events.formats.document import MAX_DEPTH, MAX_VALUES, Document, Format, Json
from events.formats.encoding import to_utf8
from events.formats.json_reader import read_json
from events.formats.sniffing import format_of
from events.formats.xml_reader import MAX_ATTRIBUTES, read_xml

__all__ = ["MAX_ATTRIBUTES", "MAX_DEPTH", "MAX_VALUES", "Document", "Format", "Json", "read", "sniff"]

# The format decides which reader; there is no fallback from one to the other.
READERS: dict[Format, Callable[[bytes], Document]] = {Format.JSON: read_json, Format.XML: read_xml}


def read(body: bytes) -> Document:
    """Read a body of either format. Raises EmptyBody, NotJsonOrXml and Malformed."""
    utf8 = to_utf8(body)
    return READERS[format_of(utf8)](utf8)


def sniff(body: bytes) -> Format:
    """Find the format of a body without reading it. Raises EmptyBody, NotJsonOrXml and Malformed."""
    return format_of(to_utf8(body))
