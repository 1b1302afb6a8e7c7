"""Messages of a few KB that unpack to much: what a process takes for them, all at once, is bounded."""

import subprocess
import sys
from pathlib import Path

import pytest
from bench import without

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[1]
_MB = 1024 * 1024
# Twice what one body at a time takes. Unbounded, or kept after they are done, twenty take a gigabyte.
_MOST = 600 * _MB

CHILD = """
import asyncio, re, sys
from pathlib import Path
from bench import delivery, quote, settings
from handlers.app import App
from handlers.errors import StorageFault
from handlers.pipeline.process import process
from handlers.timings import Timings
from handlers.work import Message, Work

async def main(storage: str, away: str) -> None:
    body = quote("Q1", Noise="x" * (24 * 1024 * 1024))
    works = [Work.of(delivery(body)) for _ in range(20)]
    app = App.start(settings(storage), Timings(requeue=20))
    messages = [Message("m", work.received_at, work.encode().decode()) for work in works]
    del works
    outcomes = await asyncio.gather(*(process(each, app) for each in messages), return_exceptions=True)
    assert [type(each) for each in outcomes] == [StorageFault if away else type(None)] * 20
    await app.close()

asyncio.run(main(*sys.argv[1:]))
# not ru_maxrss: a new process takes over the peak of the one that started it
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024)
"""


@pytest.mark.parametrize("away", [(), ("Blob", "Queue", "Table")], ids=["storage", "no storage"])
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
def test_twenty_messages_that_unpack_to_much_take_bounded_memory(storage: str, away: tuple[str, ...]) -> None:
    for service in away:
        storage = without(storage, service)
    ended = subprocess.run(
        [sys.executable, "-c", CHILD, storage, " ".join(away)],
        env={"PYTHONPATH": f"{TESTS}:{TESTS.parent}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) < _MOST
