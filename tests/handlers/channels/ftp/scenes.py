"""What the stories of FTP have in common: a folder of quotes on a server, an app that polls it, a clock."""

import itertools
import json
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ftp_servers import source
from shop import Shop, tell

from handlers.timings import Timings
from tools.host.ftp import FtpServer

QUOTE = b'{"QuoteNo": "Q5218"}'
QUOTES = "CreateQuote"
A_DAY = 24 * 3600
# Two looks follow at once, and a server that failed is tried again by the next run.
QUICK = Timings(ftp_look=0, ftp_early=A_DAY)
# The same, five minutes after the last change of every file.
LATER = Timings(ftp_look=0, ftp_early=A_DAY, patience=0)
_SECONDS = itertools.count(1_700_000_000)


class Clock:
    """The time of day, and what is added to it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def put(server: FtpServer, path: str, body: bytes = QUOTE) -> Path:
    """Put a file on the server, with a time of its own: servers show seconds at best."""
    file = server.folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    at = next(_SECONDS)
    os.utime(file, (at, at))
    return file


def files(server: FtpServer) -> list[str]:
    return sorted(str(file.relative_to(server.folder)) for file in server.folder.rglob("*") if file.is_file())


def run(
    storage: str,
    story: Callable[[Shop], Awaitable[None]],
    server: FtpServer,
    timings: Timings = QUICK,
    **changes: object,
) -> None:
    """Tell a story of an app that polls this server's folder for CreateQuote."""
    described = source(server, **{"folders": {QUOTES: QUOTES}, **changes})
    tell(storage, story, timings, FTP_SOURCES=json.dumps([described]))
