"""How a text is compared with what is searched: the places at which one may begin, and their keys.

A word with a digit can be entered at each of its characters (`29328` finds J29328-01), any other word at its
start (`seeds` finds Kowhai Seeds).
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice

from events import Subject, Term
from handlers.stores import MAX_OPERATIONS, table_key

# A longer text is compared by its first characters only.
_LONGEST = 40
# Two characters end half of all numbers.
_SHORTEST_REST = 3
_MOST_OF_A_TERM = 30
_WORD = re.compile(r"\w+")
_FIRST = re.compile(r"\w.*", re.DOTALL)


def plain(text: str) -> str:
    """Return a text without case and accents, its blanks as one."""
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join(each for each in decomposed if not unicodedata.combining(each))
    return " ".join(text.casefold().split())


def entered(text: str) -> str:
    """Return what a text that is searched for begins with, empty if it has neither letter nor digit."""
    found = _FIRST.search(plain(text))
    return found[0][:_LONGEST] if found else ""


def keys_of(subject: Subject, terms: Iterable[Term]) -> dict[str, Term]:
    """Return the row keys under which a subject is found, as many as one transaction writes."""
    key = table_key(subject.key)
    # no beginning has two blanks in a row
    found = (
        (f"{table_key(each)}  {key}", term)
        for term in terms
        for each in islice(_beginnings(plain(term.value)), _MOST_OF_A_TERM)
    )
    keys: dict[str, Term] = {}
    for row_key, term in found:
        keys.setdefault(row_key, term)
        if len(keys) == MAX_OPERATIONS:
            break
    return keys


def _beginnings(text: str) -> Iterator[str]:
    for word in _WORD.finditer(text):
        whole = not any(map(str.isdigit, word[0]))
        for start in range(word.start(), word.start() + 1 if whole else word.end()):
            if start == word.start() or len(text) - start >= _SHORTEST_REST:
                yield text[start : start + _LONGEST]
