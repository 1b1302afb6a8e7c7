"""The encoding of a body, decided by its bytes: a byte order mark, zeros, then UTF-8; a declaration last."""

import re

from events.errors import Malformed, NotJsonOrXml

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_XML_DECLARATION = re.compile(rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
# What .NET on Windows may declare beside Unicode. Python has codecs that are no character encodings
# (unicode_escape, idna, …): only these may run.
_CODE_PAGE = re.compile(r"iso-8859-\d{1,2}|latin-?1|(windows-|cp)125\d", re.IGNORECASE)


def to_utf8(body: bytes) -> bytes:
    """Return a body as UTF-8 without a byte order mark. Raises Malformed and NotJsonOrXml."""
    if body.isascii() and 0 not in body[:2]:
        return body
    for bom, encoding in _BOMS:
        if body.startswith(bom):
            return _transcode(body[len(bom) :], encoding)
    # The first character of UTF-16 without a BOM is ASCII: one of its two bytes is zero.
    if body[1:2] == b"\x00":
        return _transcode(body, "utf-16-le")
    if body[:1] == b"\x00" and body[1:2]:
        return _transcode(body, "utf-16-be")
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
            pass  # the declaration is wrong too; the error below says what the bytes are not
    start = body[:1000].decode(encoding, errors="replace").lstrip()
    if start and start[0] not in '<{["':
        raise not_json_or_xml(start) from error
    raise Malformed(
        f"The body is not valid {encoding.upper()}: {error.reason} at byte {error.start}. Send UTF-8."
    ) from error


def not_json_or_xml(start: str) -> NotJsonOrXml:
    shown = start[:40].rstrip()
    return NotJsonOrXml(f"The body is neither JSON nor XML: it begins with {shown!r}.")
