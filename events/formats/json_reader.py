"""JSON: exact decimals, each name once, a bounded number of values; errors that say where and what."""

import json
import re

import jiter

from events.errors import Malformed, Problem, pointer
from events.formats.document import (
    BYTES_PER_JSON_VALUE,
    BYTES_PER_XML_VALUE,
    MAX_DEPTH,
    MAX_VALUES,
    STRUCTURES,
    Document,
    Format,
    Json,
    too_deep,
    too_many_values,
    with_line_feeds,
)
from events.formats.json_hints import without_hints


def read_json(utf8: bytes) -> Document:
    """Read JSON in UTF-8. Raises Malformed."""
    _refuse_too_many(utf8, _max_values(utf8))
    try:
        value = jiter.from_json(
            utf8, allow_inf_nan=False, catch_duplicate_keys=True, float_mode="decimal", cache_mode="keys"
        )
    except ValueError as error:
        raise _malformed(utf8, str(error)) from error
    _refuse_depth(value, utf8)
    if b"\\" in utf8 and (b"\\r" in utf8 or b"\\u000" in utf8):
        value = with_line_feeds(value)
    warnings: tuple[Problem, ...] = ()
    if _HINT.search(utf8):
        most = _max_values(utf8, BYTES_PER_XML_VALUE)
        _refuse_too_many(utf8, most)
        value, warnings = without_hints(value, most, len(utf8))
    return Document(Format.JSON, None, value, warnings)


# Names that serializers write beside the object's own: Json.NET's, DataContract's, XML's made JSON.
_HINT = re.compile(rb'"(?:[@#?!$]|__type)')
_STRING = re.compile(rb'"(?:\\.|[^"\\])*+"?+', re.DOTALL)


def _refuse_too_many(utf8: bytes, most: int) -> None:
    # Most bodies have too few marks even if those inside texts count.
    if len(utf8) > most and _marks(utf8) > most and _marks_outside_texts(utf8) > most:
        raise too_many_values(most)


def _max_values(utf8: bytes, bytes_per_value: int = BYTES_PER_JSON_VALUE) -> int:
    return max(MAX_VALUES, len(utf8) // bytes_per_value)


# A stretch with some thousands of texts, so that what is copied is small.
_STRETCH = re.compile(rb'(?:[^"]*+"(?:\\.|[^"\\])*+"){1,5000}+', re.DOTALL)


def _marks_outside_texts(utf8: bytes) -> int:
    marks = position = 0
    while found := _STRETCH.match(utf8, position):
        marks += _marks(_STRING.sub(b"", found[0]))
        position = found.end()
    return marks + _marks(_STRING.sub(b"", utf8[position:]))


def _marks(utf8: bytes) -> int:
    """Count the values; objects and lists count three times, for the memory they take."""
    return utf8.count(b",") + 3 * (utf8.count(b"{") + utf8.count(b"["))


def _refuse_depth(value: Json, utf8: bytes) -> None:
    if utf8.count(b"{") + utf8.count(b"[") <= MAX_DEPTH:
        return
    level = [value] if isinstance(value, STRUCTURES) else []
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, STRUCTURES)
        ]
        if not level:
            return
    raise too_deep()


_POSITION = re.compile(r"^(?P<what>.*) at line (?P<line>\d+) column (?P<column>\d+)$", re.DOTALL)
# jiter's messages, in the sender's terms.
_MEANINGS = {
    "EOF while parsing": "The JSON ends too early",
    "trailing characters": "Something follows the end of the JSON object",
    "trailing comma": "A comma comes before a closing bracket, with nothing between them",
    "recursion limit": f"The JSON is nested more than {MAX_DEPTH} levels deep",
    "number out of range": "A number has more than 4,300 digits",
    "InvalidOperation": "A number has an exponent that is too large to be read",
    "invalid number": "A number is not written as JSON numbers are",
    "key must be a string": "A name is not in double quotes",
    "expected `:`": "A name is not followed by a colon",
    "expected `,`": "Two values have no comma between them, or a closing bracket is missing",
    "expected ident": "A word is neither true, false nor null",
    "expected value": "A value is missing or not written as JSON values are",
    "hex escape": "A \\u escape is half of a surrogate pair, which is no character",
    "control character": "A text contains a bare control character, which JSON wants escaped",
    "invalid escape": "A text contains an escape that JSON does not know",
}
_NAN = re.compile(rb"-?(NaN|Infinity)\b")


def _malformed(utf8: bytes, message: str) -> Malformed:
    found = _POSITION.match(message)
    if found is None:
        return Malformed(f"The body is not well-formed JSON: {message[:200]}.")
    what = next(
        (words for hint, words in _MEANINGS.items() if hint in found["what"]),
        f"The body is not well-formed JSON: {found['what'][:200]}",
    )
    if duplicate := re.search(r'duplicate key "(.*)"', found["what"], re.DOTALL):
        what = f"The name {duplicate[1][:60]!r} appears twice in one object"
    line, column = int(found["line"]), int(found["column"])
    start = 0
    for _ in range(line - 1):
        start = utf8.index(b"\n", start) + 1
    # jiter counts columns from one; where the JSON ends too early, it names the last character
    end = start + column - (0 if found["what"].startswith("EOF") else 1)
    if _NAN.match(utf8, max(end - 1, 0)) or _NAN.match(utf8, end):
        what = "NaN and Infinity are not JSON numbers"
    return Malformed(f"{what} (line {line}, column {column}).", pointer=_pointer_to_end(utf8[: max(end, 0)]))


_TOKEN = re.compile(rb'"((?:\\.|[^"\\])*+)(?:"\s*+(:)?)?|[{}\[\],]', re.DOTALL)


def _pointer_to_end(before: bytes) -> str:
    """Return a pointer to where well-formed JSON stopped, from the tokens before it."""
    path: list[str | int | None] = []
    for token in _TOKEN.finditer(before):
        mark = token[0][:1]
        if mark == b"{":
            path.append(None)
        elif mark == b"[":
            path.append(0)
        elif mark in b"}]":
            del path[-1:]
        elif mark == b"," and path:
            path[-1] = path[-1] + 1 if isinstance(path[-1], int) else None
        elif token[2] and path:
            path[-1] = _unescaped(token[1])
    return pointer(step for step in path if step is not None)


def _unescaped(name: bytes) -> str:
    # jiter has read this name. json lets a lone surrogate pass, which cannot be encoded in the response.
    return str(json.loads(b'"%b"' % name, strict=False)).encode(errors="replace").decode()
