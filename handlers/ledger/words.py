"""How a text is compared with what is searched: the places at which one may begin, and their keys.

A text may begin where a word does (`seeds` finds Kowhai Seeds), where digits do, with or without their zeros
(`4711` finds SO004711), and in the subject's own number at each digit that has two more behind it (`328`
finds J29328-01).
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice

from events import Subject, Term
from handlers.stores import MAX_OPERATIONS, table_key

# A longer text is compared by its first characters only.
_LONGEST = 40
_MOST_OF_A_TERM = 30
# A row key has at most 512 UTF-16 units, and the start of a text takes up to 240, each character six.
_LONGEST_KEY = 100
# Each place is a row to write, so only a subject's own number has many. Two digits end half of all numbers.
_PLACE = re.compile(r"^(?=\w)|\b(?=[^\W\d])|(?<!\d)(?=\d{3})|(?<=0)(?=[1-9]\d\d)")
_PLACE_IN_OWN = re.compile(r"^(?=\w)|\b(?=[^\W\d])|(?=\d{3})")
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
    key = table_key(subject.key, longest=_LONGEST_KEY)
    # no beginning has two blanks in a row
    found = (
        (f"{table_key(each)}  {key}", term)
        for term in terms
        for each in islice(_beginnings(term, subject), _MOST_OF_A_TERM)
    )
    keys: dict[str, Term] = {}
    for row_key, term in found:
        keys.setdefault(row_key, term)
        if len(keys) == MAX_OPERATIONS:
            break
    return keys


def _beginnings(term: Term, subject: Subject) -> Iterator[str]:
    text = plain(term.value)
    places = _PLACE_IN_OWN if term.value == subject.key else _PLACE
    for place in places.finditer(text):
        yield text[place.start() : place.start() + _LONGEST]
