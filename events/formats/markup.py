"""Text with inline markup: its words in order."""

import re
from collections.abc import Iterable
from xml.sax.saxutils import unescape

from events.formats.document import folded

# HTML's elements, those first that end a line.
_BREAKS = frozenset(
    {
        "br", "p", "div", "li", "ul", "ol", "tr", "table", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
        "blockquote",
    }
)  # fmt: skip
_INLINE = _BREAKS | frozenset(
    {
        "a", "b", "big", "code", "em", "font", "i", "img", "s", "small", "span", "strike", "strong", "sub",
        "sup", "td", "th", "tt", "u",
    }
)  # fmt: skip
_BREAK = re.compile(rf"</?(?:[\w.-]+:)?(?:{'|'.join(_BREAKS)})(?=[\s/>])[^>]*+>", re.IGNORECASE)
_TAG = re.compile("<[^>]*+>")
# possessive, and only from the first blank on: a long run of blanks is walked once
_LINES = re.compile(r"(?<![ \t])[ \t]*+\n\s*+")


def is_inline(names: Iterable[str]) -> bool:
    """Whether all these elements are HTML's: then what holds them is a text."""
    return all(folded(name) in _INLINE for name in names)


def words(written: str) -> str:
    """Return the text of markup, in order; breaks and blocks end a line."""
    plain = _TAG.sub("", _BREAK.sub("\n", written))
    return _LINES.sub("\n", unescape(plain, {"&#13;": "\r"})).strip()


def joined(texts: Iterable[str]) -> str:
    """Join the texts around elements, so that no two words become one."""
    whole = ""
    for text in texts:
        apart = whole and not whole[-1].isspace() and not text[:1].isspace()
        whole += f" {text}" if apart else text
    return whole
