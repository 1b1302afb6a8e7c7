"""How long an endpoint rests: what one failure, three, and a Retry-After make of it."""

import pytest

from handlers.push.answers import Answer
from handlers.push.lanes import Lane

HOUR = 3600

pytestmark = pytest.mark.usefixtures("still")


def rest_after(*answers: Answer | None) -> float:
    """Return for how many seconds an endpoint rests that gives these responses; None is none in time."""
    lane = Lane()
    for answer in answers:
        lane.leave(answer, HOUR)
    return lane.rest


@pytest.mark.parametrize("answer", [None, Answer(500), Answer(503), Answer(429), Answer(408)])
def test_an_endpoint_in_trouble_rests_after_three_failures(answer: Answer | None) -> None:
    assert rest_after(*[answer] * 2) == 0
    assert rest_after(*[answer] * 3) == 5
    assert rest_after(*[answer] * 4) == 10


def test_a_rest_is_a_minute_at_most_however_many_fail() -> None:
    assert rest_after(*[None] * 5000) == 60


@pytest.mark.parametrize(("asked", "rests"), [(30, 30), (3000, 3000), (100_000, HOUR)])
def test_what_retry_after_asks_for_holds_for_every_event_up_to_an_hour(asked: int, rests: int) -> None:
    assert rest_after(Answer(503, retry_after=asked)) == rests


@pytest.mark.parametrize("status", [302, 400, 404, 413, 422])
def test_a_response_about_one_event_holds_up_no_other(status: int) -> None:
    assert rest_after(*[Answer(status)] * 10) == 0


def test_a_success_ends_a_rest() -> None:
    assert rest_after(Answer(500), Answer(500), Answer(500), Answer(204)) == 0
