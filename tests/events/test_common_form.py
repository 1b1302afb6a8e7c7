"""The short ways of the common form give what the long ones give, for whatever may come."""

from typing import Any

import pytest
from deliveries import read, sample_id, samples
from hypothesis import given
from hypothesis import strategies as st

from events.catalogue import payload_types
from events.fields import FieldMap, field_map
from events.formats import MAX_DEPTH, xml_reader
from events.formats.encoding import to_utf8
from events.formats.xml_parser import parse_xml

# lxml alone cannot read a control character
XML = [
    path
    for path in samples()
    if path.stem not in {"control-character", "vertical-tab"}
    and path.read_bytes().lstrip(b"\xef\xbb\xbf \r\n").startswith(b"<")
]

NAMES = st.sampled_from(["Job", "Jobs", "Part", "Parts", "int", "x:Job", "Key"])
TEXTS = st.sampled_from(["", " ", "\n  ", "a", " a ", "&#13;\n", "&#xD;", "&amp;", "<![CDATA[b]]>"])
ATTRIBUTES = st.sampled_from(
    ["", "", "", ' a="1"', ' nil="true"', ' xsi:nil="true"', ' xsi:nil="false"', ' x:b=""', ' xsi:type="c"']
)


@st.composite
def elements(draw: st.DrawFn, inside: st.SearchStrategy[str]) -> str:
    name, children = draw(NAMES), draw(st.lists(st.tuples(inside, TEXTS), max_size=3))
    content = draw(TEXTS) + "".join(child + tail for child, tail in children)
    return f"<{name}{draw(ATTRIBUTES)}>{content}</{name}>"


DOCUMENTS = st.recursive(st.just("<Leaf/>"), elements, max_leaves=8).map(
    lambda inside: (
        '<Root xmlns:x="urn:x" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">' + inside + "</Root>"
    )
)


def the_long_way(xml: bytes) -> tuple[Any, Any]:
    root = parse_xml(xml)
    reader = xml_reader._Reader(root, xml, None)
    long, _ = reader.value(root, MAX_DEPTH)
    short = xml_reader._short(root, xml)
    return (long if short is None else short), long


@given(DOCUMENTS)
def test_a_document_is_the_same_tree_by_either_way(document: str) -> None:
    taken, long = the_long_way(document.encode())
    assert taken == long


@pytest.mark.parametrize("path", XML, ids=sample_id)
def test_a_sample_is_the_same_tree_by_either_way(path: Any) -> None:
    xml = to_utf8(path.read_bytes())
    taken, long = the_long_way(xml)
    assert taken == long
    assert list(taken) == list(long)


FIELDS = sorted({name for model in payload_types() for name in field_map(model).names})
SPELT = st.sampled_from(FIELDS).flatmap(
    lambda name: st.sampled_from([name, name.upper(), name.title(), f"{name}_"])
)


@given(st.sampled_from(list(payload_types())), st.lists(SPELT, max_size=8, unique=True), st.randoms())
def test_a_remembered_assignment_is_the_one_that_is_made_anew(
    model: Any,
    names: list[str],
    chance: Any,
) -> None:
    remembered = field_map(model)
    assert (
        remembered.assign(tuple(names))
        == remembered.assign(tuple(names))
        == FieldMap(model).assign(tuple(names))
    )
    others = chance.sample(names, len(names))
    assert sorted(remembered.assign(tuple(others)).names) == sorted(remembered.assign(tuple(names)).names)


def test_no_sender_can_fill_the_memory_with_names() -> None:
    for number in range(1_000):
        read("CreateQuote", f'{{"QuoteNo": "Q1", "Odd{number}": {{"{"x" * 3_000}": 1}}}}')
    for model in payload_types():
        assert len(field_map(model).assign._results) <= 50


@pytest.mark.parametrize("exponent", ["999999999", "-999999999", "400", "-400", "99999999999999999999"])
def test_an_endless_number_in_place_of_a_key_is_kept_as_it_came(exponent: str) -> None:
    event = read("CreateQuote", f'{{"QuoteNo": "Q1", "EditingQQAdKey": "1e{exponent}"}}')
    assert f'"_unread":{{"/EditingQQAdKey":"1e{exponent}"}}'.encode() in event.data
    assert [warning.pointer for warning in event.warnings] == ["/EditingQQAdKey"]
