"""Starts what the benchmarks need: Azurite, empty, and hosts of function apps."""

import contextlib
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import aiohttp
import psutil
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient

from tools.bench.load import Load, post
from tools.host.azurite import Azurite, install
from tools.host.testing import HostProcess, free_port

ROOT = Path(__file__).parents[2]
APPS = Path(__file__).with_name("apps")


@contextlib.contextmanager
def storage(port: int | None = None) -> Iterator[Azurite]:
    """Run an empty Azurite: it slows after some thousands of writes, so each round gets a new one."""
    program = install(ROOT / ".local" / "azurite", print)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        Azurite(program, port or free_port(3), Path(folder)) as azurite,
    ):
        yield azurite


def make_queue(connection: str, name: str) -> None:
    with (
        QueueClient.from_connection_string(connection, name) as queue,
        contextlib.suppress(ResourceExistsError),
    ):
        queue.create_queue()


def environment(connection: str) -> dict[str, str]:
    """Return the environment of an app's process, beyond this one's."""
    return {
        "AzureWebJobsStorage": connection,
        "HOT_FOLDER": connection,
        # bytecode is written and found again, as in production
        "PYTHONDONTWRITEBYTECODE": "",
        # includes the peers' folder
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }


@contextlib.contextmanager
def host(app: Path, connection: str) -> Iterator[HostProcess]:
    """Run an app on the local host."""
    with tempfile.TemporaryDirectory() as folder:
        running = HostProcess.start(app, Path(folder), settings=environment(connection))
        try:
            yield running
        finally:
            running.stop()


def post_to(running: HostProcess, bodies: Sequence[bytes], concurrency: int) -> Load:
    """Post to a host; if that fails, show the end of the host's log."""
    try:
        return post(f"{running.url}/api/webhooks/CreateJob", bodies, concurrency)
    except aiohttp.ClientError as error:
        raise RuntimeError(f"The app did not take an event.\n{running.log()[-3000:]}") from error


class BareWorker:
    """A worker process without a host (tools/bench/worker.py), and the client that stands for one."""

    def __init__(self, app: Path, connection: str) -> None:
        """Start it and wait until the app is loaded."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tools.bench.worker", app],
            cwd=ROOT,
            env=os.environ | environment(connection),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._url = f"{self._read().strip()}/api/webhooks/CreateJob"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def post(self, bodies: Sequence[bytes], concurrency: int) -> Load:
        return post(self._url, bodies, concurrency, self._announced)

    def cpu(self) -> float:
        """Return the milliseconds of processor time that it has used until now."""
        self._write("cpu")
        return float(self._read())

    def _announced(self) -> dict[str, str]:
        invocation_id = str(uuid.uuid4())
        self._write(invocation_id)
        return {"x-ms-invocation-id": invocation_id}

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used until now."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
