"""Timers run on NCRONTAB schedules, and tell at start-up what was missed."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sample import NEVER, Sample

from tools.host.errors import HostError
from tools.host.testing import StartHost, wait_until
from tools.host.timers import parse_schedule


def test_a_timer_runs_again_and_again_and_once_more_if_it_missed_its_time(
    start_host: StartHost, storage: str, tmp_path: Path
) -> None:
    sample = Sample(start_host, storage)
    host = sample.start(settings={"TICK": "* * * * * *"})
    wait_until(lambda: len(sample.notes("tick")) >= 2)
    assert not any(note["past_due"] for note in sample.notes("tick"))
    host.stop()
    known = len(sample.notes("tick"))
    following = json.loads((tmp_path / "state" / "timers.json").read_text())["tick"]["next"]
    wait_until(lambda: datetime.now(UTC) > datetime.fromisoformat(following))
    sample.start(settings={"TICK": NEVER})
    wait_until(lambda: len(sample.notes("tick")) > known)
    assert sample.notes("tick")[known:] == [{"by": "tick", "past_due": True}]


@pytest.mark.parametrize(
    ("schedule", "following"),
    [
        ("*/5 * * * * *", "2024-01-05T10:00:05"),
        ("0 */5 * * * *", "2024-01-05T10:05:00"),
        ("*/5 * * * *", "2024-01-05T10:05:00"),
        ("0 30 9 * * 1-5", "2024-01-08T09:30:00"),
        ("0 0 0 13 * 5", "2024-09-13T00:00:00"),
        ("0 0 0 1 JAN MON", "2029-01-01T00:00:00"),
        ("00:00:30", "2024-01-05T10:00:32"),
        ("1.00:00:00", "2024-01-06T10:00:02"),
    ],
)
def test_a_schedule_gives_the_next_occurrence(schedule: str, following: str) -> None:
    after = datetime(2024, 1, 5, 10, 0, 2, tzinfo=UTC)
    assert parse_schedule(schedule)(after).isoformat() == f"{following}+00:00"


@pytest.mark.parametrize("schedule", ["", "every minute", "* * *", "0 0 25 * * *", "* * * * * * *"])
def test_what_is_no_schedule_is_refused_with_an_example(schedule: str) -> None:
    with pytest.raises(HostError, match="such as"):
        parse_schedule(schedule)
