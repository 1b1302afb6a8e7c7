"""A timer whose tick was missed, because no instance was awake, runs as soon as one is."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from tools.host.testing import HostProcess, StartHost, wait_until

ROOT = Path(__file__).parents[2]
TIMERS = ("sweep_hot_folder", "poll_ftp", "heartbeat", "retention")
NEVER = "0 0 0 1 1 *"


def test_every_timer_makes_up_for_a_missed_tick(start_host: StartHost, tmp_path: Path) -> None:
    status = tmp_path / "state" / "timers.json"
    status.parent.mkdir(parents=True)
    an_hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    status.write_text(json.dumps({timer: {"last": an_hour_ago, "next": an_hour_ago} for timer in TIMERS}))
    host = start_host(ROOT, settings={"FTP_SCHEDULE": NEVER})
    for timer in TIMERS:
        wait_until(partial(_past_due, host, timer))


def _past_due(host: HostProcess, timer: str) -> bool:
    return any(f"{timer} succeeded" in line and "past due" in line for line in host.log().splitlines())
