"""A bare worker process: Microsoft's runtime and one function app on uvloop, as Azure's worker runs them.

`python -m tools.bench.worker APP` prints the address of the app's web server. Each line that it then reads is
the id of a request that was sent there, for which it runs the function `webhook`, as the host would have it
do; `cpu` has it print the milliseconds of processor time that the process has used. It imports nothing of the
local host but what drives the runtime, so that its cost is the app's and the runtime's own.
"""

import asyncio
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import uvloop

from tools.host.runtime import TypedData, Worker


async def _serve(app: Path) -> None:
    worker = await Worker.start(app, None)
    webhook = next(each for each in worker.functions if each.name == "webhook")
    print(worker.http_uri, flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    running: set[asyncio.Task[object]] = set()
    async for line in lines:
        if line == b"cpu\n":
            print(time.process_time() * 1000, flush=True)
            continue
        message = SimpleNamespace(
            method="", url="", headers={}, query={}, params={"event": "CreateJob"}, body=TypedData()
        )
        invocation = worker.run(
            webhook, TypedData(http=message), {}, reason="bench", invocation_id=line.decode().strip()
        )
        task = asyncio.create_task(invocation)
        running.add(task)
        task.add_done_callback(running.discard)


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1])))
