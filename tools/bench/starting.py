"""Measures a cold start: from a new process to its first answer, and the first parse in it."""

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator

from handlers.stores import INBOX_QUEUE
from tools.bench.measure import Aim, Comparison, Figure, Series
from tools.bench.parsing import CORPUS, OURS
from tools.bench.running import APPS, ROOT, BareWorker, environment, make_queue, storage

_PORT = 19120
_ROUNDS = 8
_BODY = CORPUS / "CreateJob" / "ten-kilobytes.json"
_FIRST_PARSE_MS = 5
_PARSE = """
import sys, time
from pathlib import Path
import function_app
from events import parse
from tools.bench.parsing import delivery
arrived = delivery("CreateJob", Path(sys.argv[1]).read_bytes())
started = time.process_time()
parse(arrived)
print((time.process_time() - started) * 1000)
"""


def start_figures() -> Iterator[Figure]:
    """Measure from the start of a worker process to its first 202, beside the least app.

    Both find their bytecode compiled: the first round does that, and is not counted.
    """
    least = "least app, SDK's best options"
    cpu: dict[str, list[float]] = defaultdict(list)
    wall: dict[str, list[float]] = defaultdict(list)
    body = _BODY.read_bytes()
    with storage(_PORT) as azurite:
        make_queue(azurite.connection_string, "tuned")
        make_queue(azurite.connection_string, INBOX_QUEUE)
        for number in range(_ROUNDS + 1):
            for name, app in ((OURS, ROOT), (least, APPS / "tuned")):
                started = time.perf_counter()
                with BareWorker(app, azurite.connection_string) as worker:
                    worker.post([body], 1)
                    took, spent = time.perf_counter() - started, worker.cpu()
                if number:
                    wall[name].append(took * 1000)
                    cpu[name].append(spent)
    for what, unit, samples in (("processor time", "ms of CPU", cpu), ("time", "ms", wall)):
        series = {name: Series(name, unit, values) for name, values in samples.items()}
        yield Figure(
            f"Process start to first 202, bare worker: {what}",
            series[OURS],
            [Comparison(series[least], Aim(1.25))],
        )


def first_parse_figures() -> Iterator[Figure]:
    """Measure the first parse in a process of the app, which also makes what all later ones use."""
    samples = [_first_parse() for _ in range(_ROUNDS + 1)][1:]  # the first one compiles
    allowed = Series("allowed", "ms of CPU", [_FIRST_PARSE_MS] * _ROUNDS)
    yield Figure(
        "First parse of a process, 10 KB of JSON",
        Series(OURS, "ms of CPU", samples),
        [Comparison(allowed, Aim(1.0))],
    )


def _first_parse() -> float:
    command = [sys.executable, "-c", _PARSE, str(_BODY)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment("UseDevelopmentStorage=true"),
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(done.stdout.split()[-1])
