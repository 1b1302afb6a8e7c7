"""Measures how fast waiting files are taken from an FTP server, beside a bare download of them."""

import asyncio
import base64
import contextlib
import ftplib
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
from azure.storage.queue.aio import QueueClient

from handlers.app import App
from handlers.channels.ftp.poll import poll
from handlers.settings import Settings
from handlers.stores import INBOX_QUEUE
from handlers.timings import DEFAULTS
from tools.bench.measure import Comparison, Figure, Series
from tools.bench.parsing import OURS, sample
from tools.bench.processing import Bare
from tools.bench.running import ROOT, storage
from tools.host.ftp import PASSWORD, USER

_PORT = 19170
_FTP_PORT = _PORT + 3  # Azurite has three
_ROUNDS = 3
_EVENT = "CreateJob"
_CONNECTIONS = 4
_WATCH_SECONDS = 0.5
_DOWNLOAD = "bare download, 1 connection"
_MOVE = f"bare download, send and deletion, {_CONNECTIONS} connections"

# In a process of its own, so that its processor time does not count as ours; it ends when the pipe does.
_SERVE = """
import sys
from pathlib import Path
from tools.host.ftp import FtpServer

with FtpServer(Path(sys.argv[1]), int(sys.argv[2])):
    print("ready", flush=True)
    sys.stdin.read()
"""


def ftp_figures(files: int) -> Iterator[Figure]:
    """Drain a folder of files of 10 KB; the app's wait between its two looks is not counted."""
    cpu: dict[str, list[float]] = defaultdict(list)
    rate: dict[str, list[float]] = defaultdict(list)
    memory: list[list[float]] = []

    @contextlib.contextmanager
    def measured(name: str, waited: float = 0) -> Iterator[None]:
        spent, started = time.process_time(), time.perf_counter()
        yield
        rate[name].append(files / (time.perf_counter() - started - waited))
        cpu[name].append((time.process_time() - spent) / files * 1000)

    async def one_round(settings: Settings, folder: Path) -> None:
        async with _opened(settings) as (app, queue):
            _lay(folder, files)
            with measured(_DOWNLOAD):
                await asyncio.to_thread(_download, folder)
            async with _watched() as sizes:
                with measured(OURS, DEFAULTS.ftp_look):
                    await _drain(app, folder)
            memory.append(sizes)
            if (taken := await app.stores.queues.depth(INBOX_QUEUE)) != files:
                raise RuntimeError(f"{taken} of {files} files came into custody.")
            _lay(folder, files)
            with measured(_MOVE):
                await _move(folder, queue)

    for _ in range(_ROUNDS):
        with storage(_PORT) as azurite, _server() as folder:
            asyncio.run(one_round(_settings(azurite.connection_string), folder))
    title = f"FTP to inbox, {files:,} files of 10 KB, {_CONNECTIONS} connections"
    before, most, after = memory[0][0], max(memory[0]), memory[0][-1]
    costs, rates = (
        {name: Series(name, unit, each) for name, each in samples.items()}
        for unit, samples in (("ms of CPU", cpu), ("/s", rate))
    )
    yield Figure(
        f"{title}: processor time",
        costs.pop(OURS),
        [Comparison(each) for each in costs.values()],
        note=f"memory of the app's process: {before:.0f} MB before, {most:.0f} at most, {after:.0f} after",
    )
    yield Figure(f"{title}: a second", rates.pop(OURS), [Comparison(each) for each in rates.values()])


@contextlib.contextmanager
def _server() -> Iterator[Path]:
    """Run a server and yield the one folder on it."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home, _EVENT)
        folder.mkdir()
        command = [sys.executable, "-c", _SERVE, home, str(_FTP_PORT)]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            if not server.stdout.readline():
                raise RuntimeError("The FTP server did not start.")
            yield folder


def _lay(folder: Path, files: int) -> None:
    body = sample("CreateJob/ten-kilobytes.json")
    for number in range(files):
        (folder / f"{number:06}.json").write_bytes(body)


@contextlib.contextmanager
def _session(folder: Path) -> Iterator[ftplib.FTP]:
    with ftplib.FTP() as ftp:
        ftp.connect("127.0.0.1", _FTP_PORT)
        ftp.login(USER, PASSWORD)
        ftp.cwd(folder.name)
        yield ftp


def _read(ftp: ftplib.FTP, name: str) -> bytes:
    chunks: list[bytes] = []
    ftp.retrbinary(f"RETR {name}", chunks.append)
    return b"".join(chunks)


def _count(folder: Path) -> int:
    return len(list(folder.iterdir()))


def _download(folder: Path) -> None:
    with _session(folder) as ftp:
        for name in ftp.nlst():
            _read(ftp, name)


async def _move(folder: Path, queue: QueueClient) -> None:
    """Move files into a queue: what custody needs, and nothing that makes it sure."""
    with _session(folder) as ftp:
        names = iter(ftp.nlst())

    async def work() -> None:
        with _session(folder) as ftp:
            for name in names:
                body = await asyncio.to_thread(_read, ftp, name)
                await queue.send_message(base64.b64encode(body).decode(), time_to_live=-1)
                await asyncio.to_thread(ftp.delete, name)

    await asyncio.gather(*(work() for _ in range(_CONNECTIONS)))


def _settings(connection: str) -> Settings:
    source = {"host": "127.0.0.1", "port": _FTP_PORT, "user": USER, "password": PASSWORD, "tls": "none"}
    return Settings.read(
        {
            "AzureWebJobsStorage": connection,
            "HOT_FOLDER": connection,
            "FTP_SOURCES": json.dumps([{**source, "connections": _CONNECTIONS}]),
        }
    )


@contextlib.asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[App, QueueClient]]:
    """Yield the app, and a queue for the bare way."""
    app, bare = App.start(settings), Bare(settings)
    try:
        await app.stores.queues.ensure(INBOX_QUEUE)
        queue = bare.queues.get_queue_client("bare")
        await queue.create_queue()
        yield app, queue
    finally:
        await app.close()
        await bare.close()


async def _drain(app: App, folder: Path) -> None:
    """Poll until the folder is empty, one run after the other as the timer would, but without its pauses."""
    left = _count(folder)
    while left:
        await poll(app)
        before, left = left, _count(folder)
        if left == before:
            raise RuntimeError(f"The app took none of {left} files.")


@contextlib.asynccontextmanager
async def _watched() -> AsyncIterator[list[float]]:
    """Put the megabytes of memory that this process has into the list, again and again."""
    sizes: list[float] = []
    process = psutil.Process()

    def look() -> None:
        sizes.append(process.memory_info().rss / 1024**2)

    async def watch() -> None:
        while True:
            look()
            await asyncio.sleep(_WATCH_SECONDS)

    watching = asyncio.create_task(watch())
    try:
        await asyncio.sleep(0)
        yield sizes
        look()
    finally:
        watching.cancel()
