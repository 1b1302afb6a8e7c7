"""Measures what a cold start waits for: imports, and the time from a new process to its first response."""

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator

import aiohttp

from tools.bench.load import post
from tools.bench.measure import Aim, Comparison, Figure, Series
from tools.bench.parsing import OURS, sample
from tools.bench.running import APPS, ROOT, cpu_seconds, host, make_queue, storage

_PORT = 19120
_IMPORT_ROUNDS = 7
_START_ROUNDS = 4
_BASE = "azure.functions, pydantic, lxml.etree"
_SDK = "azure.storage.blob.aio, azure.storage.queue.aio, azure.data.tables.aio"
_STORAGE = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "HOT_FOLDER": "UseDevelopmentStorage=true"}


def import_figures() -> Iterator[Figure]:
    """Measure imports, each in a process of its own; the storage SDKs are measured apart."""
    samples: dict[str, list[float]] = defaultdict(list)
    for _ in range(_IMPORT_ROUNDS):
        base, with_sdk, app = (_import(names) for names in (_BASE, f"{_BASE}, {_SDK}", "function_app"))
        samples[OURS].append(app - (with_sdk - base))
        samples["base"].append(base)
        samples["sdk"].append(with_sdk - base)
    base_series = Series("import azure.functions, pydantic, lxml.etree", "ms of CPU", samples["base"])
    sdk = Series("the storage SDKs, measured apart", "ms of CPU", samples["sdk"])
    yield Figure(
        "Import of function_app, without the storage SDKs",
        Series(OURS, "ms of CPU", samples[OURS]),
        [Comparison(base_series, Aim(1.3)), Comparison(sdk)],
    )


def _import(names: str) -> float:
    code = f"import {names}, time; print(time.process_time())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **_STORAGE},
        capture_output=True,
        check=True,
    )
    return float(done.stdout) * 1000


def start_figures() -> Iterator[Figure]:
    """Measure from the start of a process to its first 202, beside the least app with the same SDK."""
    body = sample("CreateJob/ten-kilobytes.json")
    least = "least app, SDK's best options"
    cpu: dict[str, list[float]] = defaultdict(list)
    wall: dict[str, list[float]] = defaultdict(list)
    with storage(_PORT) as azurite:
        make_queue(azurite.connection_string, "tuned")
        for _ in range(_START_ROUNDS):
            for name, app in ((OURS, ROOT), (least, APPS / "tuned")):
                started = time.perf_counter()
                with host(app, azurite.connection_string) as running:
                    try:
                        post(f"{running.url}/api/webhooks/CreateJob", [body], 1)
                    except aiohttp.ClientError as error:
                        raise RuntimeError(running.log()) from error
                    wall[name].append((time.perf_counter() - started) * 1000)
                    cpu[name].append(cpu_seconds(running) * 1000)
    costs = {name: Series(name, "ms of CPU", values) for name, values in cpu.items()}
    times = {name: Series(name, "ms", values) for name, values in wall.items()}
    yield Figure(
        "Process start to first 202: processor time", costs[OURS], [Comparison(costs[least], Aim(1.3))]
    )
    yield Figure("Process start to first 202: time", times[OURS], [Comparison(times[least], Aim(1.3))])
