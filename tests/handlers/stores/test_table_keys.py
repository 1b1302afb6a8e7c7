"""Every text makes a valid key, unique to it, and readable where possible."""

from urllib.parse import unquote

import pytest
from bench import Bench
from hypothesis import given
from hypothesis import strategies as st

from handlers.stores import TableName, table_key

ODD = [
    "",
    " ",
    "J29328-01",
    "a/b\\c#d?e",
    "100%",
    "%2F",
    "it's",
    '"quoted"',
    "a|b",
    "tab\there\nand\x00\x1f\x7f\x85\x9f",
    "Größe 7½, 文字 🖨️",
    "🖨" * 500,
    "x" * 2000,
    "y" * 401,
    "/" * 300,
    "\ufffe\uffff\ufdd0",
    "\ud800 alone",
    "~",
    "..",
    ".",
]


async def test_odd_texts_are_legal_keys(bench: Bench) -> None:
    tables = bench.app.stores.tables
    for text in ODD:
        key = table_key(text)
        await tables.put(TableName.RECORDS, {"PartitionKey": key, "RowKey": key, "text": ascii(text)})
    for text in ODD:
        key = table_key(text)
        assert (await tables.get(TableName.RECORDS, key, key))["text"] == ascii(text)


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_a_key_holds_nothing_that_keys_forbid_and_is_not_too_long(text: str) -> None:
    key = table_key(text)
    assert not set(key) & {"/", "\\", "#", "?", *map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))}
    assert len(key.encode("utf-16-le")) <= 1024


@given(st.text(st.characters(exclude_categories=()), max_size=60))
def test_a_short_text_can_be_read_back_from_its_key(text: str) -> None:
    assert unquote(table_key(text), errors="surrogatepass") == text


@given(st.text(st.sampled_from("a/%2~🖨"), max_size=600), st.text(st.sampled_from("a/%2~🖨"), max_size=600))
def test_different_texts_have_different_keys(one: str, other: str) -> None:
    assert (table_key(one) == table_key(other)) == (one == other)


@pytest.mark.parametrize("text", ["x" * 2000, "🖨" * 2000, "/" * 2000])
def test_the_key_of_a_long_text_is_no_other_texts_key(text: str) -> None:
    key = table_key(text)
    assert key != table_key(text + "x")
    assert table_key(key) != key
