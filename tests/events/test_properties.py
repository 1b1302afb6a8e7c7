"""What holds for every document, not only for those that someone thought of."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

from deliveries import delivery, read, samples
from documents import json_document, payloads, xml_document
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from events import EventError, EventType, Problem, data_schema, parse, sniff
from events.fields import field_map

relaxed = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@relaxed
@given(payloads(), st.data())
def test_the_same_object_gives_the_same_bytes_in_any_format_order_case_and_form(
    payload: Any,
    data: st.DataObject,
) -> None:
    event, model, tree = payload
    first = read(event, json_document(event, model, tree, data.draw))
    for body in (json_document(event, model, tree, data.draw), xml_document(model, tree, data.draw)):
        again = read(event, body)
        assert again.data == first.data
        assert again.digest == first.digest
        assert again.subjects == first.subjects
        assert again.warnings == first.warnings


@relaxed
@given(payloads(), st.data())
def test_known_values_come_out_exactly(payload: Any, data: st.DataObject) -> None:
    event, model, tree = payload
    found = read(event, xml_document(model, tree, data.draw)).payload
    for spec in field_map(model).fields:
        if spec.leaf and not spec.many and spec.name in tree:
            expected = tree[spec.name].value
            value = getattr(found, spec.attribute)
            blank = isinstance(expected, str) and not expected.strip()
            if isinstance(expected, date):
                value = type(expected).fromisoformat(value)
            assert value == (None if blank else expected)


# -- arbitrary trees ---------------------------------------------------------------------------------------

FIELD_NAMES = sorted(
    {spec.name for event in EventType for model in event.payloads for spec in field_map(model).fields}
)
OBJECTS = sorted({model.OBJECT for event in EventType for model in event.payloads})
ODD_NAMES = (
    "Item",
    "string",
    "Extra",
    "d",
    "Body",
    "jobno",
    "JOBNUMBER",
    "POKey",
    "#text",
    "@POKey",
    "model_config",
)
MEMBER_NAMES = st.sampled_from([*FIELD_NAMES, *OBJECTS, *ODD_NAMES]).filter(
    lambda name: name not in {"IsError", "ErrorMessage"}  # an envelope's
)
MARK = "§"


def marked(tree: Any, found: list[str]) -> Any:
    """Give every scalar of a tree a text of its own."""
    if isinstance(tree, dict):
        return {name: marked(item, found) for name, item in tree.items()}
    if isinstance(tree, list):
        return [marked(item, found) for item in tree]
    found.append(f"{MARK}{len(found)}{MARK}")
    return found[-1]


TREES = st.recursive(
    st.just(0),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBER_NAMES, inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(MEMBER_NAMES, TREES, min_size=1, max_size=5)


@relaxed
@given(st.sampled_from(EventType), DOCUMENTS)
def test_no_value_of_a_json_document_is_lost(event: EventType, tree: dict[str, Any]) -> None:
    marks: list[str] = []
    body = json.dumps(marked(tree, marks))
    try:
        data = read(event, body).data.decode()
    except EventError:
        reject()
    assert sorted(re.findall(f"{MARK}.*?{MARK}", data)) == sorted(marks)


@st.composite
def elements(draw: st.DrawFn, marks: list[str], depth: int = 4, name: str | None = None) -> str:
    """Draw an XML element with marked texts and attributes, its name from a few, so that names repeat."""
    few = [
        "Products",
        "Product",
        "JobNo",
        "Item",
        "Items",
        "Extra",
        "POKeys",
        "int",
        "Name",
        "Address",
        *OBJECTS,
    ]
    tag = name or draw(st.sampled_from(few))
    attributes = draw(st.lists(st.sampled_from(["id", "Name", "JobNo"]), max_size=2, unique=True))
    opened = "".join([f"<{tag}", *(f' {attribute}="{mark(marks)}"' for attribute in attributes), ">"])
    inner = [draw(elements(marks, depth - 1)) for _ in range(draw(st.integers(0, 3)))] if depth else []
    texts = [mark(marks) if draw(st.integers(0, 3)) == 0 else "" for _ in inner] if inner else [mark(marks)]
    content = "".join(text + child for text, child in zip(texts, inner or [""], strict=True))
    return f"{opened}{content}</{tag}>"


def mark(marks: list[str]) -> str:
    marks.append(f"{MARK}{len(marks)}{MARK}")
    return marks[-1]


@relaxed
@given(st.sampled_from(EventType), st.data())
def test_no_text_or_attribute_of_an_xml_document_is_lost(event: EventType, data: st.DataObject) -> None:
    marks: list[str] = []
    body = data.draw(elements(marks, name=data.draw(st.sampled_from([event.payloads[0].OBJECT, "Extra"]))))
    try:
        found = read(event, body).data.decode()
    except EventError:
        reject()
    assert sorted(re.findall(f"{MARK}.*?{MARK}", found)) == sorted(marks)


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
ANY_JSON = st.dictionaries(
    MEMBER_NAMES | st.text(),
    st.recursive(
        SCALARS | st.sampled_from(["Yes", "39.9500000000", "20/06/24", "2025-08-11T15:50:52.6970000Z", "-1"]),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(MEMBER_NAMES | st.text(), inner, max_size=4)
        ),
        max_leaves=20,
    ),
    max_size=6,
)


@relaxed
@given(st.sampled_from(EventType), ANY_JSON)
def test_what_is_in_normal_form_stays_as_it_is(event: EventType, tree: dict[str, Any]) -> None:
    try:
        first = read(event, json.dumps(tree))
    except EventError:
        reject()
    again = read(event, first.data)
    assert again.data == first.data
    assert again.subjects == first.subjects


SCHEMAS = {event: Draft7Validator(data_schema(event, "https://receiver.example")) for event in EventType}


@relaxed
@given(st.sampled_from(EventType), ANY_JSON)
def test_whatever_comes_the_data_is_valid_against_the_published_schema(
    event: EventType, tree: dict[str, Any]
) -> None:
    try:
        data = json.loads(read(event, json.dumps(tree)).data)
    except EventError:
        reject()
    SCHEMAS[event].validate(data)
    assert all(pointer.startswith("/") for pointer in data.get("_unread", {}))


@relaxed
@given(payloads(), st.data())
def test_generated_objects_are_valid_against_the_published_schema(payload: Any, data: st.DataObject) -> None:
    event, model, tree = payload
    SCHEMAS[event].validate(json.loads(read(event, json_document(event, model, tree, data.draw)).data))


# -- arbitrary bytes -----------------------------------------------------------------------------------------


def problems_of(event: str, body: bytes) -> tuple[Problem, ...]:
    """Parse whatever it is, and return why it is refused; what is no EventError fails the test."""
    try:
        sniff(body)
        json.loads(parse(delivery(event, body)).data)
    except EventError as error:
        return error.problems
    return ()


def check(problems: tuple[Problem, ...]) -> None:
    for pointer, message in problems:
        assert re.fullmatch(r"(/([^~/]|~[01])*)*", pointer)
        assert 0 < len(message) < 2_000
        assert "xmlParse" not in message
        (pointer + message).encode()  # half a surrogate pair could be written nowhere


@relaxed
@given(
    st.sampled_from(EventType), st.binary(max_size=200) | st.text().map(lambda text: text.encode("utf-16"))
)
def test_any_bytes_are_read_or_refused(event: EventType, body: bytes) -> None:
    check(problems_of(event, body))


SYNTAX = (
    *"{}[]\",:\\<>/&;=' \x00\ufeffé",
    "null",
    "1e9",
    "\\u",
    "d83d",
    "<a>",
    "</a>",
    "<!--",
    "-->",
    "<![CDATA[",
)
MORE_SYNTAX = ("]]>", "<?", "?>", "<!DOCTYPE", "xmlns:i=", "i:nil=", "&#13;", "Products", "QuoteNo")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")


@relaxed
@given(
    st.sampled_from(EventType),
    st.lists(st.sampled_from(SYNTAX + MORE_SYNTAX), max_size=30).map("".join),
    st.sampled_from(ENCODINGS),
)
def test_any_heap_of_syntax_is_read_or_refused(event: EventType, text: str, encoding: str) -> None:
    check(problems_of(event, text.encode(encoding)))


SAMPLES = [path for path in samples() if path.stat().st_size < 20_000]
DAMAGE = st.binary(max_size=4) | st.sampled_from([b"<", b'"', b"\\", b"\x00", b"}", b"&#0;", b"</Job>"])


@relaxed
@given(st.sampled_from(SAMPLES), st.data())
def test_a_damaged_sample_is_read_or_refused(path: Path, data: st.DataObject) -> None:
    body = path.read_bytes()
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, min(len(body), start + 40)))
        body = body[:start] + data.draw(DAMAGE | st.just(body[start:end] * 2)) + body[end:]
    check(problems_of(path.parent.name, body))
