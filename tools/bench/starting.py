"""Measures a cold start: from a new process to its first answer, and the first parse in it."""

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tools.bench.measure import Aim, Comparison, Figure, Series
from tools.bench.parsing import CORPUS, OURS
from tools.bench.running import APPS, ROOT, make_queue, storage

_PORT = 19120
_ROUNDS = 8
_BODY = CORPUS / "CreateJob" / "ten-kilobytes.json"
_FIRST_PARSE_MS = 5
_PARSE = """
import sys, time
from pathlib import Path
from events import parse
from tools.bench.parsing import delivery
arrived = delivery("CreateJob", Path(sys.argv[1]).read_bytes())
started = time.process_time()
parse(arrived)
print((time.process_time() - started) * 1000)
"""


def start_figures() -> Iterator[Figure]:
    """Measure from the start of a worker process to its first 202, beside the least app.

    Both are started by the same script, without the local host, and find their bytecode compiled: the first
    round does that, and is not counted.
    """
    least = "least app, SDK's best options"
    cpu: dict[str, list[float]] = defaultdict(list)
    wall: dict[str, list[float]] = defaultdict(list)
    with storage(_PORT) as azurite:
        make_queue(azurite.connection_string, "tuned")
        for number in range(_ROUNDS + 1):
            for name, app in ((OURS, ROOT), (least, APPS / "tuned")):
                started = time.perf_counter()
                spent = _start(app, azurite.connection_string)
                if number:
                    wall[name].append((time.perf_counter() - started) * 1000)
                    cpu[name].append(spent)
    for what, unit, samples in (("processor time", "ms of CPU", cpu), ("time", "ms", wall)):
        series = {name: Series(name, unit, values) for name, values in samples.items()}
        yield Figure(
            f"Process start to first 202, bare worker: {what}",
            series[OURS],
            [Comparison(series[least], Aim(1.25))],
        )


def _start(app: Path, connection: str) -> float:
    """Return the milliseconds of processor time that a worker has used when it has answered."""
    command = [sys.executable, "-m", "tools.bench.worker", str(app), str(_BODY)]
    return _printed(command, AzureWebJobsStorage=connection, HOT_FOLDER=connection)


def first_parse_figures() -> Iterator[Figure]:
    """Measure the first parse of a process, which also makes what all later ones use."""
    samples = [_printed([sys.executable, "-c", _PARSE, str(_BODY)]) for _ in range(_ROUNDS)]
    allowed = Series("allowed", "ms of CPU", [_FIRST_PARSE_MS] * _ROUNDS)
    yield Figure(
        "First parse of a process, 10 KB of JSON",
        Series(OURS, "ms of CPU", samples),
        [Comparison(allowed, Aim(1.0))],
    )


def _printed(command: list[str], **environment: str) -> float:
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, check=False, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(done.stdout.split()[-1])
