"""Starts what the benchmarks need: Azurite, empty, and hosts of function apps."""

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient

from tools.host.azurite import Azurite, install
from tools.host.testing import HostProcess, free_port

ROOT = Path(__file__).parents[2]
APPS = Path(__file__).with_name("apps")
_QUIET = ("inbox", "hot_folder", "sweep_hot_folder", "poll_ftp", "heartbeat", "retention")


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


@contextlib.contextmanager
def host(app: Path, connection: str, *, only_http: bool = True, **settings: str) -> Iterator[HostProcess]:
    """Run an app on the local host, its other triggers off unless they are to be measured."""
    off = {f"AzureWebJobs.{name}.Disabled": "true" for name in _QUIET} if only_http else {}
    both: Mapping[str, str] = {"AzureWebJobsStorage": connection, "HOT_FOLDER": connection, **off, **settings}
    with tempfile.TemporaryDirectory() as folder:
        running = HostProcess.start(app, Path(folder), settings=both)
        try:
            yield running
        finally:
            running.stop()


def cpu_seconds(process: HostProcess) -> float:
    """Return the processor time that a host has used until now."""
    times = psutil.Process(process.process.pid).cpu_times()
    return float(times.user + times.system)


@contextlib.contextmanager
def stopwatch() -> Iterator[list[float]]:
    """Put into the list the seconds of processor time that this process spends in the block."""
    spent: list[float] = []
    started = time.process_time()
    yield spent
    spent.append(time.process_time() - started)
