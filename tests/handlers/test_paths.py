"""Bytes lie under their event and day, in printIQ's spelling, whatever the sender called it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.ids import new_id
from handlers.paths import content_type, data_path, extension, folder, problem_path, raw_path

ID = new_id(datetime(2025, 8, 11, 23, 59, 59, tzinfo=UTC))


def test_a_path_names_event_day_and_delivery() -> None:
    stem = f"CreateQuote/2025/08/11/{ID}"
    assert raw_path("createquote", ID, "json") == f"{stem}.json"
    assert data_path("CREATEQUOTE", ID) == f"{stem}.data.json"
    assert problem_path("CreateQuote", ID) == f"{stem}.problem.json"


@pytest.mark.parametrize(
    "name", ["", "NoSuchEvent", "../../etc/passwd", "a/b", "CreateQuote/", "\x00", "x" * 10_000]
)
def test_whatever_is_no_events_name_lies_in_one_folder(name: str) -> None:
    assert folder(name) == "_unknown"
    assert raw_path(name, ID, "bin") == f"_unknown/2025/08/11/{ID}.bin"


@pytest.mark.parametrize(
    ("body", "kind", "of"),
    [
        (b'{"a": 1}', "json", "application/json"),
        (b"[1]", "json", "application/json"),
        ("<a/>".encode("utf-16"), "xml", "application/xml"),
        (b"\xef\xbb\xbf <?xml version='1.0'?><a/>", "xml", "application/xml"),
        (b"%PDF-1.7", "bin", "application/octet-stream"),
        (b"", "bin", "application/octet-stream"),
    ],
)
def test_the_extension_follows_the_content(body: bytes, kind: str, of: str) -> None:
    assert extension(body) == kind
    assert content_type(raw_path("CreateQuote", ID, kind)) == of


@given(st.binary(max_size=200))
def test_any_bytes_have_an_extension(body: bytes) -> None:
    assert extension(body) in {"json", "xml", "bin"}
