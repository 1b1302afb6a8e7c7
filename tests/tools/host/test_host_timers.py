"""Timers run on NCRONTAB schedules, and catch up at start-up on what they missed."""

import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from sample import Sample

from tools.host.errors import HostError
from tools.host.testing import StartHost, wait_until
from tools.host.timers import parse_schedule


def test_a_timer_runs_again_and_again(start_host: StartHost, storage: str) -> None:
    sample = Sample(start_host, storage)
    sample.start(settings={"TICK": "* * * * * *"})
    wait_until(lambda: len(sample.notes("tick")) >= 2)
    assert not any(note["past_due"] for note in sample.notes("tick"))


def test_a_timer_runs_once_more_if_it_missed_its_time(
    start_host: StartHost, storage: str, tmp_path: Path
) -> None:
    """Quote: missed while stopped: "one run at once, `past_due` true"; first start: "no run"."""
    sample = Sample(start_host, storage)
    sample.start().stop()
    assert not sample.notes("tick")
    status = tmp_path / "state" / "timers.json"
    kept = json.loads(status.read_text())
    kept["tick"]["next"] = "2024-01-01T00:00:00+00:00"
    status.write_text(json.dumps(kept))
    sample.start()
    assert wait_until(lambda: sample.notes("tick")) == [{"by": "tick", "past_due": True}]


def test_of_a_timer_that_runs_more_than_once_a_minute_no_status_is_kept(
    start_host: StartHost, storage: str, tmp_path: Path
) -> None:
    """Quote: "more than once a minute: `use_monitor` is switched off"; without it, "no status at all"."""
    sample = Sample(start_host, storage)
    sample.start(settings={"TICK": "*/59 * * * * *"}).stop()
    assert not (tmp_path / "state" / "timers.json").exists()


def test_after_an_overlong_run_one_follows_immediately(start_host: StartHost, storage: str) -> None:
    """Quote: "never two at once. **One run follows immediately**, `past_due` false"."""
    sample = Sample(start_host, storage)
    host = sample.start(settings={"TICK": "*/3 * * * * *", "TICK_SECONDS": "3.5"})

    def from_start_to_start() -> list[float]:
        starts = [datetime.fromisoformat(note["at"]) for note in sample.notes("tick")]
        return [(after - before).total_seconds() for before, after in pairwise(starts)]

    # 6 s would be the next occurrence; a busy machine may start one or the other run late
    wait_until(lambda: any(seconds < 5 for seconds in from_start_to_start()))
    assert min(from_start_to_start()) > 3.4
    assert not any(note["past_due"] for note in sample.notes("tick"))
    host.kill()


def test_of_two_hosts_one_runs_the_timers(start_host: StartHost, storage: str) -> None:
    """Quote: "two instances: one runs"."""
    sample = Sample(start_host, storage)
    first = sample.start(settings={"TICK": "* * * * * *"})
    second = sample.start(settings={"TICK": "* * * * * *"})
    wait_until(lambda: len(sample.notes("tick")) >= 3)
    assert "tick succeeded" not in second.log()
    first.kill()
    wait_until(lambda: "tick succeeded" in second.log())


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
