"""The numbers in a body that could not be read, and how many of them are kept."""

from events import numbers_in


def values(body: bytes) -> list[str]:
    return [term.value for term in numbers_in(body)]


def test_what_a_person_would_ask_for_is_found_and_dates_amounts_and_guids_are_not() -> None:
    body = b'{"JobNo": "J29328-01", "PO": "4500012345", "At": "2026-03-01T10:00", "Price": 12.50,'
    body += b' "Day": "1/3/2026", "Id": "01a20c5b-d87b-7fc6-beab-10d18cdc4ed9", "Qty": 25'
    assert values(body) == ["J29328-01", "4500012345"]


def test_each_number_is_kept_once_and_a_hundred_at_most() -> None:
    body = " ".join(f"J{number:05}" for number in range(150) for _ in range(2)).encode()
    assert values(body) == [f"J{number:05}" for number in range(100)]


def test_only_the_first_256_kib_are_searched() -> None:
    assert values(b"J11111" + b" " * 256 * 1024 + b"J22222") == ["J11111"]


def test_numbers_are_found_in_any_encoding() -> None:
    assert values('{"JobNo": "J29328-01"'.encode("utf-16")) == ["J29328-01"]
