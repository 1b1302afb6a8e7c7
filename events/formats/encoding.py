"""The encoding of a body, decided by its bytes; a declared one counts where they are not Unicode."""

import codecs
import re
from email.message import Message

from events.errors import Malformed, NotJsonOrXml

# The longer one first: UTF-32's begins as UTF-16's.
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    # UTF-8's own, read as windows-1252 and written as UTF-8 again
    (b"\xc3\xaf\xc2\xbb\xc2\xbf", "utf-8"),
)
_XML_DECLARATION = re.compile(rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
# What .NET on Windows may declare beside Unicode. Python has codecs that are not character
# encodings (unicode_escape, idna, …): only these may run.
_CODE_PAGE = re.compile(
    r"iso-8859-\d{1,2}|(windows-|cp)(125\d|874|932|936|949|950)|(ibm|cp)(437|85[0258]|86[0-6])|koi8-[ru]|"
    r"shift_jis|gb2312|gbk|gb18030|big5|euc-(jp|kr)|macintosh",
    re.IGNORECASE,
)
# Declared as such, windows-1252 is meant: its dashes and quotes are control characters in the others.
_WESTERN = {"iso-8859-1", "latin1", "latin-1", "us-ascii", "ascii", "windows-1252", "cp1252"}
# Padding before and after a document: fixed-length records, preallocated files, the end mark of DOS.
_PADDING = "\ufeff\x00\x1a\u00a0\u2028\u2029"
_BLANKS = b" \t\r\n"
_ENDS = _BLANKS.decode() + _PADDING
_PADDED = tuple(each.encode() for each in _PADDING)
_MARK = "\ufeff".encode()


def to_utf8(body: bytes, charset: str | None = None) -> bytes:
    """Return a body as UTF-8, without byte order marks and padding. Raises Malformed and NotJsonOrXml.

    `charset` is the Content-Type's.
    """
    return _unpadded(_as_utf8(body, charset))


def charset_of(content_type: str | None) -> str | None:
    """Return the charset parameter of a Content-Type."""
    if content_type is None:
        return None
    header = Message()
    header["Content-Type"] = content_type.replace("\r", " ").replace("\n", " ")
    charset = header.get_content_charset()
    return charset if charset and charset.isascii() else None


def _as_utf8(body: bytes, charset: str | None, marks: int = 3) -> bytes:
    if body.isascii() and 0 not in body[:2]:
        return body
    for bom, encoding in _BOMS:
        if body.startswith(bom):
            rest = body[len(bom) :]
            if marks and rest.startswith(tuple(mark for mark, _ in _BOMS)):
                return _as_utf8(rest, charset, marks - 1)
            return _transcode(rest, encoding, charset)
    # The first character of UTF-16 without a BOM is ASCII: one of its two bytes is zero.
    if body[1:2] == b"\x00":
        return _transcode(body, "utf-16-le", charset)
    if body[:1] == b"\x00" and body[1:2]:
        return _transcode(body, "utf-16-be", charset)
    return _transcode(body, "utf-8", charset)


def _unpadded(utf8: bytes) -> bytes:
    utf8 = utf8.rstrip(_BLANKS)  # most end so, and with nothing else
    if not (utf8.endswith(_PADDED) or utf8.startswith(_MARK)):
        return utf8
    text = utf8.decode(errors="surrogateescape")
    return text.rstrip(_ENDS).lstrip("\ufeff").encode(errors="surrogateescape")


def _transcode(body: bytes, encoding: str, charset: str | None) -> bytes:
    width = {"utf-8": 1, "utf-16-le": 2, "utf-16-be": 2}.get(encoding, 4)
    if len(body) % width:  # padding need not be of whole characters
        body = body.rstrip(b"\x00 \r\n") + b"\x00" * (-len(body.rstrip(b"\x00 \r\n")) % width)
    if encoding == "utf-8" and _is_utf8(body):
        return body
    try:
        return body.decode(encoding).encode()
    except UnicodeDecodeError as error:
        return _as_declared(body, encoding, charset, error)


_PIECE = 1024 * 1024


def _is_utf8(body: bytes) -> bool:
    """Check piece by piece: one emoji makes Python keep a whole text in four bytes a character."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(body), _PIECE):
            decoder.decode(body[start : start + _PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _as_declared(body: bytes, encoding: str, charset: str | None, error: UnicodeDecodeError) -> bytes:
    """Decode by the Content-Type's charset, then by the XML declaration: the bytes are not Unicode."""
    declared = _XML_DECLARATION.match(body)
    for name in (charset, declared[1].decode() if declared else None):
        if name and (text := _decoded(body, name.lower())) is not None:
            return text.encode()
    start = body[:1000].decode(encoding, errors="replace").lstrip()
    if start and start[0] not in '<{["':
        raise not_json_or_xml(start) from error
    raise Malformed(
        f"The body is not valid {encoding.upper()}: {error.reason} at byte {error.start}. Send UTF-8, or "
        "name the charset in the Content-Type."
    ) from error


def _decoded(body: bytes, name: str) -> str | None:
    names = ("windows-1252", "latin-1") if name in _WESTERN else (name,)
    for each in names:
        if each == "latin-1" or _CODE_PAGE.fullmatch(each):
            try:
                return body.decode("mac-roman" if each == "macintosh" else each)
            except (LookupError, UnicodeError):
                pass  # the declaration is wrong too
    return None


# Not the padding of base64.
_FORM = re.compile(r"[\w.%+\[\]-]{1,100}=(?!=|\Z)")


def not_json_or_xml(start: str) -> NotJsonOrXml:
    shown = start[:40].rstrip()
    if start.startswith("--"):
        return NotJsonOrXml(
            "This is a multipart form, not an event. Send the JSON or XML alone, as the body."
        )
    if _FORM.match(start):
        return NotJsonOrXml(
            f"This is a form, neither JSON nor XML: it begins with {shown!r}. Send the JSON or XML alone, as "
            "the body."
        )
    return NotJsonOrXml(f"The body is neither JSON nor XML: it begins with {shown!r}.")
