"""Ids are UUIDv7s that carry their time, sort by it, and are the same for the same thing."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.ids import derived_id, just_before, new_id, newest_first, time_of

MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2500, 1, 1), timezones=st.just(UTC))


def _floor(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@given(MOMENTS)
def test_an_id_is_a_uuid7_that_carries_its_time_to_the_millisecond(moment: datetime) -> None:
    for made in (new_id(moment), derived_id(moment, "a")):
        assert (UUID(made).version, UUID(made).variant) == (7, "specified in RFC 4122")
        assert made == str(UUID(made))
        assert time_of(made) == _floor(moment)


@given(MOMENTS, st.timedeltas(timedelta(milliseconds=1), timedelta(days=9999)))
def test_ids_sort_by_time_and_their_reverse_the_other_way_round(moment: datetime, later: timedelta) -> None:
    first, second = new_id(moment), new_id(moment + later)
    assert first < second
    assert newest_first(first) > newest_first(second)
    assert newest_first(first) > just_before(moment + later) >= newest_first(second)
    assert newest_first(first) <= just_before(moment)


@given(MOMENTS, st.lists(st.text(st.characters(exclude_categories=())), min_size=1, max_size=3))
def test_a_derived_id_is_always_the_same_and_another_for_anything_else(
    moment: datetime, names: list[str]
) -> None:
    assert derived_id(moment, *names) == derived_id(moment, *names)
    assert derived_id(moment, *names) != derived_id(moment, *names, "x")
    assert derived_id(moment, *names) != derived_id(moment + timedelta(milliseconds=1), *names)


def test_a_derived_id_does_not_change_from_version_to_version() -> None:
    moment = datetime(2025, 8, 11, 2, 14, 9, tzinfo=UTC)
    assert derived_id(moment, "hot-folder", "CreateJob/J29328-01.xml", '"0x8DDD"') == FOREVER


FOREVER = "019896e8-1568-7528-a35b-1e5e4c39ae60"


def test_ids_of_one_moment_differ() -> None:
    moment = datetime.now(UTC)
    assert len({new_id(moment) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("text", ["", "x", "b9a3c0de-0000-4000-8000-000000000001", "01989622-8c00-7000-8000"])
def test_a_text_that_is_no_id_has_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="UUID"):
        time_of(text)
