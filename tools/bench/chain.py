"""Sends events through the whole app and counts them at the far end, beside version 0.1 of it."""

import base64
import io
import json
import shutil
import subprocess
import tarfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient

from tools.bench.measure import Aim, Comparison, Figure, Series
from tools.bench.parsing import OURS, sample
from tools.bench.running import ROOT, cpu_seconds, host, post_to, storage

_PORT = 19150
_ROUNDS = 2
_AT_ONCE = 32
_PATIENCE = 120
_LOOK_EVERY = 0.1
_OLD = "version 0.1"
_OLD_COMMIT = "51e4756bc6d7e569fefad0d3e58f041f6b9b135b"


class _Run(NamedTuple):
    """What one app did with the events: how fast, at what cost, and how many of them wrong."""

    accepted: float
    arrived: float
    cpu: float
    azurite_cpu: float
    lost: int
    wrong: int
    twice: int


def chain_figures(events: int, progress: Callable[[str], object]) -> Iterator[Figure]:
    """Post events and wait until all are in the result queue, each app in turn on an empty storage."""
    apps = {OURS: ROOT}
    if old := _version_0_1():
        apps[_OLD] = old
    runs: dict[str, list[_Run]] = defaultdict(list)
    for _ in range(_ROUNDS):
        for name, app in apps.items():
            progress(f"{events:,} events through {name}")
            runs[name].append(_run(app, events))
    title = f"{events:,} events, {_AT_ONCE} at once, webhook to result message"
    missing = "" if old else f"{_OLD} is left out: commit {_OLD_COMMIT[:7]} is not in this clone's history"
    accepted = "; ".join(
        f"{name}: accepted in {each[-1].accepted:.1f} s, all out after {each[-1].arrived:.1f} s"
        for name, each in runs.items()
    )

    def figure(
        what: str, unit: str, measured: Callable[[_Run], float], aim: Aim | None = None, note: str = ""
    ) -> Figure:
        series = {name: Series(name, unit, list(map(measured, each))) for name, each in runs.items()}
        ours = series.pop(OURS)
        return Figure(f"{title}: {what}", ours, [Comparison(each, aim) for each in series.values()], note)

    aim = Aim(1.8, at_least=True)
    yield figure("a second", "/s", lambda run: events / run.arrived, aim, missing or accepted)
    # all of them share the processors: together they are the limit of the rate
    yield figure("processor time of app and local host", "ms of CPU", lambda run: run.cpu / events * 1000)
    yield figure("processor time of Azurite", "ms of CPU", lambda run: run.azurite_cpu / events * 1000)
    for what in ("lost", "wrong", "twice"):
        counts = [getattr(run, what) for run in runs[OURS]]
        none = Comparison(Series("aim", "events", [1] * _ROUNDS), Aim(0))
        yield Figure(f"{title}: {what}", Series(OURS, "events", counts), [none])


def _version_0_1() -> Path | None:
    """Return the folder of version 0.1, unpacked on first use; None where git does not have it."""
    folder = ROOT / ".local" / "version-0.1"
    if not folder.exists():
        command = ["git", "archive", "--format=tar", _OLD_COMMIT]
        try:
            archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        half = folder.with_name("version-0.1.unfinished")
        shutil.rmtree(half, ignore_errors=True)
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(half, filter="data")
        half.rename(folder)
    return folder


def _run(app: Path, events: int) -> _Run:
    body = json.loads(sample("CreateJob/ten-kilobytes.json"))
    numbers = [f"Q{number:06}v1" for number in range(events)]
    bodies = [
        json.dumps(body | {"QuoteNo": number, "SalesOrderNo": f"SO-{number}"}).encode() for number in numbers
    ]
    with (
        storage(_PORT) as azurite,
        host(app, azurite.connection_string) as running,
        QueueClient.from_connection_string(azurite.connection_string, "printiq-events") as queue,
    ):
        pids = running.process.pid, azurite.pid
        before, started = [cpu_seconds(pid) for pid in pids], time.monotonic()
        post_to(running, bodies, _AT_ONCE)
        accepted = time.monotonic() - started
        _wait_for(events, queue)
        arrived = time.monotonic() - started
        cpu, azurite_cpu = (cpu_seconds(pid) - spent for pid, spent in zip(pids, before, strict=True))
        found, wrong = _counted(queue, events, dict.fromkeys(numbers, float(body["TotalPrice"])))
    twice = sum(count - 1 for count in found.values())
    return _Run(accepted, arrived, cpu, azurite_cpu, events - len(found), wrong, twice)


def _wait_for(messages: int, queue: QueueClient) -> None:
    """Wait until a queue holds this many messages, or no more arrive."""
    most, last = 0, time.monotonic()
    while most < messages and time.monotonic() - last < _PATIENCE:
        time.sleep(_LOOK_EVERY)
        try:
            depth = queue.get_queue_properties().approximate_message_count or 0
        except ResourceNotFoundError:
            continue  # nothing was sent yet
        if depth > most:
            most, last = depth, time.monotonic()


def _counted(queue: QueueClient, events: int, prices: dict[str, float]) -> tuple[Counter[str], int]:
    """Take the results; return how often each quote is among them, and how many are not as expected."""
    found, wrong, last = Counter[str](), 0, time.monotonic()
    while len(found) < events and time.monotonic() - last < _PATIENCE:
        for event in _taken(queue):
            last, data = time.monotonic(), event["data"]
            found[data["QuoteNo"]] += 1
            wrong += float(data["TotalPrice"]) != prices.get(data["QuoteNo"]) or "duplicateof" in event
    return found, wrong


def _taken(queue: QueueClient) -> Iterator[dict[str, Any]]:
    for message in queue.receive_messages(messages_per_page=32, visibility_timeout=600):
        yield json.loads(base64.b64decode(message.content))
        queue.delete_message(message)
    time.sleep(_LOOK_EVERY)
