"""Runs the local host as a process of its own, for tests and benchmarks that start, stop and kill it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from tools.host.errors import PortTakenError
from tools.host.http import bind

_ROOT = Path(__file__).parents[2]
_START_SECONDS = 60
# Many, so that two runs of the tests seldom choose the same; below those that systems give to clients.
_PORTS = range(16000, 32000)


@dataclass(frozen=True)
class HostProcess:
    """Hold a running host: its address, process and log, and what it wrote when it was ready."""

    url: str
    process: subprocess.Popen[bytes]
    log_file: Path
    ready: Mapping[str, Any]

    @classmethod
    def start(cls, app: Path, folder: Path, *arguments: str, settings: Mapping[str, str]) -> Self:
        """Start a host for the app on a free port and wait until it listens.

        `folder` takes its log and its state (keys, timers), which the next host in that folder finds again.
        `arguments` are further options of `python -m tools.host`; `settings` are added to the environment.
        """
        port = free_port()
        log_file, ready_file = folder / f"host-{port}.log", folder / f"ready-{port}.json"
        ready_file.unlink(missing_ok=True)
        options = {"app": app, "port": port, "state": folder / "state", "ready-file": ready_file}
        command = [
            sys.executable,
            "-m",
            "tools.host",
            *(f"--{name}={value}" for name, value in options.items()),
        ]
        with log_file.open("ab") as log:
            process = subprocess.Popen(
                [*command, *arguments],
                cwd=_ROOT,
                env={**os.environ, **settings},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not ready_file.exists():
                ended = process.poll() is not None or time.monotonic() > deadline
                assert not ended, f"The host did not start:\n{log_file.read_text('utf-8', 'replace')}"
                time.sleep(0.05)
        except BaseException:
            process.kill()
            process.wait()
            raise
        return cls(f"http://127.0.0.1:{port}", process, log_file, json.loads(ready_file.read_text("utf-8")))

    def log(self) -> str:
        return self.log_file.read_text("utf-8", "replace")

    def stop(self) -> int:
        """End it gently, as Ctrl-C does, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_START_SECONDS)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self.process.kill()
        self.process.wait()


class StartHost(Protocol):
    """Start a host on a test's own storage; `settings` add to its environment or replace what is there."""

    def __call__(
        self, app: Path, *arguments: str, settings: Mapping[str, str] | None = None
    ) -> HostProcess: ...


def free_port(count: int = 1) -> int:
    """Return the first of `count` ports in a row that nobody listens on now."""
    while True:
        first = random.choice(_PORTS[: len(_PORTS) - count])  # noqa: S311 spreads tests, guards nothing
        try:
            for offset in range(count):
                bind(first + offset, "").close()
        except PortTakenError:
            continue
        return first


def wait_until[T](found: Callable[[], T], seconds: float = 15) -> T:
    """Return the first true value that `found` gives, asking again and again; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.05)
    return value
