"""A bare worker process: Microsoft's runtime, one function app, and one event posted to it.

`python -m tools.bench.worker APP BODY` prints, after the 202, the milliseconds of processor time that the
process has used. It imports nothing of the local host but what drives the runtime, so that the figure is
the app's and the runtime's own.
"""

import asyncio
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

from tools.host.runtime import TypedData, Worker

_INVOCATION = "8d7dd1b3-26bc-4dca-9b53-0c7ac0ac8ba1"
_TRY_AGAIN = 0.005


async def _answer(app: Path, body: bytes) -> bytes:
    """Start the worker, post an event as the host forwards it, and return the status line."""
    worker = await Worker.start(app, None)
    webhook = next(each for each in worker.functions if each.name == "webhook")
    reader, writer = await _connect(str(worker.http_uri))
    writer.write(
        b"POST /api/webhooks/CreateJob HTTP/1.1\r\nHost: worker\r\nContent-Type: application/json\r\n"
        b"x-ms-invocation-id: %b\r\nContent-Length: %d\r\n\r\n%b" % (_INVOCATION.encode(), len(body), body)
    )
    message = SimpleNamespace(
        method="", url="", headers={}, query={}, params={"event": "CreateJob"}, body=TypedData()
    )
    _, status = await asyncio.gather(
        worker.run(webhook, TypedData(http=message), {}, reason="bench", invocation_id=_INVOCATION),
        reader.readline(),
    )
    writer.close()
    return status


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the web server in the worker, whose address is known before it listens."""
    url = urlsplit(address)
    while True:
        try:
            return await asyncio.open_connection(url.hostname, url.port)
        except ConnectionRefusedError:
            await asyncio.sleep(_TRY_AGAIN)


def _main(app: str, body: str) -> None:
    status = asyncio.run(_answer(Path(app), Path(body).read_bytes()))
    if b" 202 " not in status:
        sys.exit(f"The app did not accept the event: {status.decode()}")
    print(time.process_time() * 1000, flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
