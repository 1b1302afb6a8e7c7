"""Text with inline markup: its words in order."""

import re
from collections.abc import Iterable

from lxml import etree

from events.formats.document import folded
from events.formats.xml_parser import local_name

_BREAKS = frozenset(
    [
        "br",
        "p",
        "div",
        "li",
        "ul",
        "ol",
        "tr",
        "table",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "blockquote",
    ]
)
_INLINE = _BREAKS | frozenset(
    [
        "a",
        "b",
        "big",
        "code",
        "em",
        "font",
        "i",
        "img",
        "s",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "td",
        "th",
        "tt",
        "u",
    ]
)
_LINES = re.compile(r"[ \t]*\n\s*")


def is_inline(names: Iterable[str]) -> bool:
    """Whether all these elements are HTML's: then what holds them is a text."""
    return all(folded(name) in _INLINE for name in names)


def words(element: etree._Element) -> str:
    """Return the text of an element without its markup, in order; breaks and blocks end a line."""
    return _LINES.sub("\n", "".join(_pieces(element))).strip()


def _pieces(element: etree._Element) -> Iterable[str]:
    yield element.text or ""
    for child in element:
        is_break = folded(local_name(child.tag)) in _BREAKS
        if is_break:
            yield "\n"
        yield from _pieces(child)
        if is_break:
            yield "\n"
        yield child.tail or ""


def joined(texts: Iterable[str]) -> str:
    """Join the texts around elements, so that no two words become one."""
    whole = ""
    for text in texts:
        apart = whole and not whole[-1].isspace() and not text[:1].isspace()
        whole += f" {text}" if apart else text
    return whole
