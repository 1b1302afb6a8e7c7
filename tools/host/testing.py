"""Runs the local host as a process of its own, for tests and benchmarks that start, stop and kill it."""

import itertools
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
# Patience for a busy machine: a wait ends as soon as its condition holds.
_PATIENCE_SECONDS = 180
# Many, so that two runs of the tests seldom choose the same; below those that systems give to clients.
_PORTS = range(16000, 32000)
# Each process of a run has a part of them, and takes one after the other from a random one on: a port that
# was chosen and is not yet bound is chosen by nobody else.
_PARTS = 4


@dataclass(frozen=True)
class HostProcess:
    """A running host: its address, process and log, and what it wrote when it was ready."""

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
            deadline = time.monotonic() + _PATIENCE_SECONDS
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
        return self.process.wait(_PATIENCE_SECONDS)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self.process.kill()
        self.process.wait()


class StartHost(Protocol):
    """Starts a host on a test's own storage; `settings` add to its environment or replace what is there."""

    def __call__(
        self, app: Path, *arguments: str, settings: Mapping[str, str] | None = None
    ) -> HostProcess: ...


def free_port(count: int = 1) -> int:
    """Return the first of `count` ports in a row that nobody listens on now."""
    while True:
        ports = [_OWN_PORTS[next(_turns) % len(_OWN_PORTS)] for _ in range(count)]
        if ports[-1] - ports[0] != count - 1:  # the last ones and the first ones
            continue
        try:
            for port in ports:
                bind(port, "").close()
        except PortTakenError:
            continue
        return ports[0]


def _own_ports() -> range:
    """Return the ports of this process of the test run, as pytest-xdist numbers them."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _PARTS
    size = len(_PORTS) // _PARTS
    return _PORTS[number * size : (number + 1) * size]


_OWN_PORTS = _own_ports()
_turns = itertools.count(random.randrange(len(_OWN_PORTS)))


def wait_until[T](found: Callable[[], T], seconds: float = _PATIENCE_SECONDS) -> T:
    """Return the first true value that `found` gives, asking again and again; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.05)
    return value
