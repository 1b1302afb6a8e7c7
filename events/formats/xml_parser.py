"""The one safe way to parse XML, and what its errors mean."""

import re
from io import BytesIO
from typing import Any

from lxml import etree

from events.errors import Malformed, pointer
from events.formats.document import MAX_DEPTH
from events.formats.sniffing import prolog_end

# No DTD, no entities, no network. The bytes are UTF-8 by now, whatever their declaration says.
SAFELY: dict[str, Any] = {
    "encoding": "utf-8",
    "resolve_entities": False,
    "load_dtd": False,
    "no_network": True,
    "huge_tree": True,  # a thumbnail may have 20 MB of text; size and depth are bounded by ourselves
    "remove_comments": True,
    "remove_pis": True,
}


def parse_xml(utf8: bytes) -> etree._Element:
    """Parse XML in UTF-8, blanks between elements left out. Raises Malformed, also for a document type."""
    end = prolog_end(utf8)
    if utf8.startswith(b"<!", end) and not utf8.startswith(b"<!--", end):
        raise Malformed(
            "The XML has a document type declaration (DOCTYPE). It could define entities or fetch files: "
            "leave it out."
        )
    xml = utf8.lstrip()  # libxml2 allows no blanks before an XML declaration; everybody else does
    try:
        return etree.fromstring(xml, etree.XMLParser(remove_blank_text=True, **SAFELY))
    except etree.XMLSyntaxError as error:
        raise _malformed(xml, utf8[: -len(xml)].count(b"\n"), error) from error


def local_name(tag: str) -> str:
    return tag.rpartition("}")[2] if "}" in tag else tag


# libxml2's messages, in the sender's terms.
_MEANINGS = (
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
    (r"xmlParseEntityRef: no name|EntityRef: expecting", "A bare & in the text: write &amp;"),
    (r"StartTag: invalid element name", "A < is not followed by a name: in a text, write &lt;"),
    (r"Unescaped '<' not allowed", "A bare < in an attribute: write &lt;"),
    (
        r".*(invalid (xml)?char|out of allowed range|out of bounds)",
        "A character that XML does not allow, such as a control character",
    ),
    (r"Attribute (.+) redefined", r"The attribute \1 appears twice in one tag"),
    (
        r"(Specification mandates value|AttValue|attributes construct error)",
        'An attribute is not written as name="value"',
    ),
    (r"Comment not terminated", "A comment has no end"),
    (r"Double hyphen within comment", "A comment contains two hyphens"),
    (r"CData section not finished", "A CDATA section has no end"),
    (r"Sequence '\]\]>' not allowed", "]]> in a text: write ]]&gt;"),
    (r"XML declaration allowed only", "An XML declaration in the middle of the document"),
    (r"(xml)?ParsePI", "A processing instruction is not written as <?name …?>"),
    (r"Namespace prefix (\S+)", r"The namespace prefix \1 is not declared"),
)


def _malformed(xml: bytes, lines_before: int, error: etree.XMLSyntaxError) -> Malformed:
    message = re.sub(r"\s*,? line \d+, column \d+$", "", str(error.msg))
    what = next(
        (
            found.expand(words)
            for hint, words in _MEANINGS
            if (found := re.match(hint, message[:500], re.IGNORECASE))
        ),
        f"The XML is not well-formed: {re.sub(r'^xmlParse.*?: *', '', message)[:200]}",
    )
    line, column = error.position
    return Malformed(f"{what} (line {line + lines_before}, column {column}).", pointer=_pointer_to_end(xml))


def _pointer_to_end(xml: bytes) -> str:
    """Name the element that was open when the XML stopped being well-formed."""
    path: list[str] = []
    parsed = etree.iterparse(BytesIO(xml), events=("start", "end"), **SAFELY)
    try:
        for event, element in parsed:
            if event == "start":
                path.append(local_name(element.tag))
            else:
                path.pop()
                element.clear()
    except etree.XMLSyntaxError:
        pass  # expected: it is where the XML stops
    return pointer(path[1:])  # the root element is the whole document
