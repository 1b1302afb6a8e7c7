"""What a body is, from its first characters."""

import re

from events.errors import EmptyBody, NotJsonOrXml
from events.formats.document import Format
from events.formats.encoding import not_json_or_xml

_PROLOG = re.compile(rb"(?:\s++|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
_HTML = re.compile(rb"<(!doctype\s+html|(html|head|body|h1|center|div|p|script)\b(?![.:-]))", re.IGNORECASE)
_JSON_SCALAR = re.compile(rb'("(\\.|[^"\\])*+"|-?\d[\d.eE+-]*+|true|false|null)\s*+', re.DOTALL)


def format_of(utf8: bytes) -> Format:
    """Return the format. Raises EmptyBody and NotJsonOrXml."""
    start = len(utf8) - len(utf8.lstrip())
    if start == len(utf8):
        raise EmptyBody("The body is empty. printIQ sends the object of the event, as JSON or XML.")
    if utf8.startswith(b"<", start):
        if _HTML.match(utf8, prolog_end(utf8)):
            raise NotJsonOrXml(
                "This is an HTML page, not an event: perhaps an error or sign-in page was sent in its place."
            )
        return Format.XML
    if utf8.startswith((b"{", b"["), start) or _JSON_SCALAR.fullmatch(utf8, start):
        return Format.JSON
    raise not_json_or_xml(utf8[start : start + 1000].decode(errors="replace"))


def prolog_end(utf8: bytes) -> int:
    """Return where the blanks, comments and instructions before the first tag end."""
    found = _PROLOG.match(utf8)
    return found.end() if found else 0
