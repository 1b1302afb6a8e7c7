"""Characters that XML forbids and .NET writes all the same: hidden from the parser, then restored."""

import re
from itertools import islice
from typing import Self

from events.errors import Malformed, Problem
from events.formats.document import MAX_FORBIDDEN

_CONTROLS = bytes({*range(0x20)} - {*b"\t\n\r"})
_RAW = "[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"
_HINT = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]|&#(x0*(1?[0-9a-f]|fff[ef]);|0*([0-9]|[12][0-9]|3[01]|6553[45]);)",
    re.IGNORECASE,
)
# Within CDATA, comments and instructions a reference is no reference.
_TOKEN = re.compile(
    rf"(?P<plain><!\[CDATA\[.*?\]\]>|<!--.*?-->|<\?.*?\?>)|(?P<raw>{_RAW})|&#(?:x(?P<hex>[0-9a-fA-F]{{1,8}})|(?P<dec>\d{{1,8}}));",
    re.DOTALL,
)
_FORBIDDEN = frozenset({*range(0x20), 0xFFFE, 0xFFFF} - {0x9, 0xA, 0xD})
# Private-use characters in their place: no real text uses both of these ranges.
_BASES = (0xF0000, 0x100000)
_MASK = 0x7FF


class Forbidden:
    """A document whose forbidden characters are hidden: `text` can be parsed."""

    def __init__(self, text: bytes, base: int) -> None:
        self.text = text
        self._hidden = re.compile(_range(base))
        self._base = base

    @classmethod
    def hidden_in(cls, utf8: bytes) -> Self | None:
        """Hide the forbidden characters; None where there are none. Raises Malformed for too many."""
        if not (_may_hold_any(utf8) and _HINT.search(utf8)):
            return None
        if next(islice(_HINT.finditer(utf8), MAX_FORBIDDEN, None), None):
            raise Malformed(f"The XML has more than {MAX_FORBIDDEN:,} characters that XML forbids.")
        text = utf8.decode()
        base = next((each for each in _BASES if text.isascii() or not re.search(_range(each), text)), None)
        if base is None:
            return None
        hidden = _TOKEN.sub(lambda found: _hide(found, base), text)
        return cls(hidden.encode(), base) if hidden != text else None

    def restored(self, text: str) -> str:
        return self._hidden.sub(lambda found: chr(_unmasked(ord(found[0]) - self._base)), text)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return (Problem("", "The XML has control characters, which XML forbids; they are kept."),)


def _may_hold_any(utf8: bytes) -> bool:
    """Whether there is a control character, or what the others and references contain: a quick test."""
    return len(utf8.translate(None, _CONTROLS)) < len(utf8) or b"\xef" in utf8 or b"#" in utf8


def _range(base: int) -> str:
    return f"[{chr(base)}-{chr(base + _MASK)}]"


def _hide(found: re.Match[str], base: int) -> str:
    if found["plain"]:
        return re.sub(_RAW, lambda raw: chr(base + _masked(ord(raw[0]))), found["plain"])
    if found["raw"]:
        return chr(base + _masked(ord(found["raw"])))
    code = int(found["hex"], 16) if found["hex"] else int(found["dec"])
    return chr(base + _masked(code)) if code in _FORBIDDEN else found[0]


def _masked(code: int) -> int:
    return code & _MASK


def _unmasked(masked: int) -> int:
    return masked if masked < 0x20 else masked | 0xF800  # noqa: PLR2004 - the first character that is no control
