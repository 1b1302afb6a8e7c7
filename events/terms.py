"""What an event can be found by: its numbers, its customer and the references that the customer gave."""

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from events.errors import EventError
from events.facts import Facts
from events.formats.encoding import to_utf8
from events.subjects import Kind, Subject


class Fact(StrEnum):
    """What a term is: the subject's own key, its customer's code or name, a reference of the customer's."""

    KEY = "key"
    CUSTOMER = "customer"
    CUSTOMER_NAME = "customerName"
    REFERENCE = "reference"
    # a number in a body that could not be read
    NUMBER = "number"


class Term(NamedTuple):
    """A text to find an event by; `fact` is a Fact, or a Kind where it is the key of another subject."""

    fact: str
    value: str


_MOST_TERMS = 40
_LONGEST = 200
_MOST_NUMBERS = 100
_SEARCHED = 256 * 1024
# A word, perhaps with marks inside: J29328-01, Q003021v1, 4500012345. Not a piece of base64.
_WORD = re.compile(r"(?<![\w+/=.-])[^\W_](?:[\w./-]{0,38}[^\W_])?(?![\w+=])")
_FEWEST_DIGITS = 3
# Dates, times, amounts and GUIDs identify nothing that a person would ask for.
_NO_NUMBER = re.compile(
    r"\d{4}-\d\d-\d\d.*|\d\d?/\d\d?/\d{4}|\d+\.\d+|[\da-f]{8}-[\da-f]{4}-.*", re.IGNORECASE
)


def terms_of(subjects: Sequence[Subject], facts: Facts, references: Iterable[str]) -> tuple[Term, ...]:
    """Return what an event about these subjects can be found by, each value once."""
    return _some(_terms(subjects, facts, references), _MOST_TERMS)


def _terms(subjects: Sequence[Subject], facts: Facts, references: Iterable[str]) -> Iterator[Term]:
    for subject in subjects[:1]:
        yield Term(Fact.KEY, subject.key)
    others = subjects[1:]
    if facts.customer:
        yield Term(Fact.CUSTOMER, facts.customer)
    if facts.customer_name:
        yield Term(Fact.CUSTOMER_NAME, facts.customer_name)
    if facts.reference:
        yield Term(Fact.REFERENCE, facts.reference)
    for kind, key in others:
        if kind is Kind.CUSTOMER:
            yield Term(Fact.CUSTOMER, key)
    for reference in references:
        yield Term(Fact.REFERENCE, reference)
    for kind, key in others:
        yield Term(kind, key)


def numbers_in(body: bytes) -> tuple[Term, ...]:
    """Return the numbers in a body that could not be read: in its first part, as many as are kept."""
    try:
        text = to_utf8(body[:_SEARCHED]).decode(errors="ignore")
    except EventError:
        text = body[:_SEARCHED].decode(errors="ignore")
    words = (match[0] for match in _WORD.finditer(text))
    numbers = (word for word in words if _digits(word) >= _FEWEST_DIGITS and not _NO_NUMBER.fullmatch(word))
    return _some((Term(Fact.NUMBER, number) for number in numbers), _MOST_NUMBERS)


def _digits(word: str) -> int:
    return sum(map(str.isdigit, word))


def _some(terms: Iterable[Term], most: int) -> tuple[Term, ...]:
    """Return the first terms, each value once."""
    shortened = (Term(fact, value[:_LONGEST]) for fact, value in terms)
    by_value: dict[str, Term] = {}
    for term in shortened:
        if by_value.setdefault(term.value, term) is term and len(by_value) == most:
            break
    return tuple(by_value.values())
