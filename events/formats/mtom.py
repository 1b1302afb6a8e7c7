"""MTOM: a SOAP message as multipart/related, its binary texts in parts of their own (XOP)."""

import binascii
import re
from base64 import b64decode, b64encode
from email.message import Message

from events.errors import Malformed
from events.formats.encoding import charset_of, to_utf8

_FIRST_LINE = re.compile(rb"\s*--([^\r\n]{1,200}?)[ \t]*\r?\n")
_XOP = b"http://www.w3.org/2004/08/xop/include"
_INCLUDE = re.compile(
    rb"<(?:[\w.-]+:)?Include\b[^<>]*?\bhref\s*=\s*[\"']cid:([^\"'<>]+)[\"'][^<>]*?"
    rb"(?:/>|>\s*</(?:[\w.-]+:)?Include\s*>)"
)
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
# The included parts may take this many times the size of the message: base64 adds a third, and XOP has each
# part included once.
_MAX_GROWTH = 2


def is_mtom(body: bytes) -> bool:
    """Whether this is a multipart message whose first part is XML with inclusions."""
    first = _FIRST_LINE.match(body)
    return first is not None and b"application/xop+xml" in body[first.end() : first.end() + 1000].lower()


def inlined(body: bytes) -> bytes:
    """Return the XML of an MTOM message as UTF-8, with each included part as base64. Raises Malformed."""
    first = _FIRST_LINE.match(body)
    assert first is not None
    parts = [_part(part) for part in _split(body, first[1])]
    if not parts:
        raise Malformed("The multipart message ends before its first part does.")
    head, xml = parts[0]
    xml = to_utf8(xml, charset_of(head["Content-Type"]))
    by_id = {str(head["Content-ID"]).strip().strip("<>"): content for head, content in parts[1:]}

    left = _MAX_GROWTH * len(body)

    def content_of(include: re.Match[bytes]) -> bytes:
        nonlocal left
        cid = _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), include[1])
        content = by_id.get(cid.decode(errors="replace"))
        if content is None:
            return include[0]
        left -= len(content) * 4 // 3
        if left < 0:
            raise Malformed("The multipart message includes its parts again and again: too many values.")
        return b64encode(content)

    return _INCLUDE.sub(content_of, xml) if _XOP in xml else xml


def _split(body: bytes, boundary: bytes) -> list[bytes]:
    """Return the parts that end with a boundary."""
    pieces = re.split(rb"(?:\A|\r?\n)[ \t]*--" + re.escape(boundary), b"\n" + body.lstrip())
    return [piece.split(b"\n", 1)[1] for piece in pieces[1:-1] if b"\n" in piece]


def _part(part: bytes) -> tuple[Message, bytes]:
    end = re.search(rb"\r?\n\r?\n", part)
    if end is None:
        raise Malformed("A part of the multipart message has no end of its header.")
    head = Message()
    for line in part[: end.start()].decode("latin-1").splitlines():
        name, _, value = line.partition(":")
        head[name.strip() or "-"] = value.strip()
    content = part[end.end() :]
    if str(head["Content-Transfer-Encoding"]).lower() == "base64":
        try:
            content = b64decode(content)
        except binascii.Error as error:
            raise Malformed("A part of the multipart message is not valid base64.") from error
    return head, content
