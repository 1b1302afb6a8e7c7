"""Runs timer triggers on UTC: never two runs of one at once, and at start-up what was missed meanwhile."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from croniter import croniter

from tools.host.errors import HostError
from tools.host.locks import singleton
from tools.host.runtime import Function, TypedData, Worker
from tools.host.settings import parse_time_span, resolve

type Schedule = Callable[[datetime], datetime]
"""Return the first occurrence after an instant."""

_LONGEST_SLEEP = 3600.0  # a machine that slept, or whose clock was set, is noticed within the hour
_LEAST_MONITORED = timedelta(minutes=1)
_log = logging.getLogger("host")


def parse_schedule(text: str) -> Schedule:
    """Read an NCRONTAB expression of six fields (seconds first) or five, or a TimeSpan such as 00:05:00."""
    span = parse_time_span(text)
    if span:
        return lambda after: after + span
    fields = text.split()
    expression = " ".join(["0", *fields] if len(fields) == 5 else fields)
    if len(expression.split()) != 6 or not croniter.is_valid(expression, second_at_beginning=True):
        raise HostError(
            f'"{text}" is no timer schedule: write second, minute, hour, day, month and day of week, such as '
            '"0 */5 * * * *", or a time span such as "00:05:00".'
        )

    def following(after: datetime) -> datetime:
        # NCRONTAB asks that day and day of week both match, where cron takes either.
        cron = croniter(expression, after, second_at_beginning=True, day_or=False)
        following: datetime = cron.get_next(datetime)
        return following

    return following


def _schedule_of(function: Function) -> Schedule:
    """Read a function's schedule, which may be in a setting: `%NAME%`."""
    binding = str(function.trigger["schedule"])
    try:
        return parse_schedule(resolve(binding))
    except HostError as error:
        raise HostError(f'The schedule "{binding}" of the function {function.name}: {error}') from error


class Timer:
    """A function's timer; the file `status` keeps the next occurrence over restarts."""

    def __init__(self, worker: Worker, function: Function, status: Path) -> None:
        """Read the function's schedule. Raises HostError."""
        self._worker = worker
        self._function = function
        self._status = status
        self._lock = status.parent / "locks" / f"{function.name}.lock"
        self._schedule = _schedule_of(function)
        self._stopping = asyncio.Event()
        self._monitored = function.trigger.get("useMonitor") is not False and not self._is_frequent()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        async with singleton(self._lock, self._stopping):
            await self._tick()

    async def _tick(self) -> None:
        last, due = self._read()
        now = datetime.now(UTC)
        missed = self._monitored and due is not None and due <= now
        if missed or self._function.trigger.get("runOnStartup"):
            last = await self._invoke(last, past_due=missed)
        after = datetime.now(UTC)
        while True:
            # After a run that outlasted its next occurrence this is past: one run follows at once.
            due = self._schedule(after)
            if self._monitored:
                self._write(last, due)
            while (seconds := (due - datetime.now(UTC)).total_seconds()) > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), min(seconds, _LONGEST_SLEEP))
                    return
            if self._stopping.is_set():
                return
            last = after = await self._invoke(last, past_due=False)

    def _is_frequent(self) -> bool:
        """Return whether it runs more than once a minute: then the platform keeps no status of it."""
        first = self._schedule(datetime.now(UTC))
        return self._schedule(first) - first < _LEAST_MONITORED

    async def _invoke(self, last: datetime | None, *, past_due: bool) -> datetime:
        started = datetime.now(UTC)
        info = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": {
                "Last": last.isoformat() if last else "0001-01-01T00:00:00+00:00",
                "Next": self._schedule(started).isoformat(),
                "LastUpdated": started.isoformat(),
            },
            "IsPastDue": past_due,
        }
        reason = "timer, past due" if past_due else "timer"
        await self._worker.invoke(self._function, TypedData(json=json.dumps(info)), {}, reason=reason)
        return started

    def _read(self) -> tuple[datetime | None, datetime | None]:
        try:
            kept = json.loads(self._status.read_text("utf-8"))[self._function.name]
            last = datetime.fromisoformat(kept["last"]) if kept["last"] else None
            return last, datetime.fromisoformat(kept["next"])
        except (OSError, ValueError, KeyError):
            return None, None

    def _write(self, last: datetime | None, due: datetime) -> None:
        try:
            kept = json.loads(self._status.read_text("utf-8"))
        except (OSError, ValueError):
            kept = {}
        kept[self._function.name] = {"last": last.isoformat() if last else None, "next": due.isoformat()}
        self._status.parent.mkdir(parents=True, exist_ok=True)
        self._status.write_text(json.dumps(kept, indent=2), "utf-8")
