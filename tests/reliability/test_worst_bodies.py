"""The worst bodies that are accepted come by every channel, to a process that may have 2 GiB."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from peak import MB, MOST
from pyftpdlib.handlers import FTPHandler

from tools.host.ftp import PASSWORD, USER, FtpServer
from tools.host.testing import free_port

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[1]
WORST = [
    "objects",
    "elements",
    "attributes",
    "a name",
    "a document in a text",
    "a document in SOAP",
    "compressed elements",
]

CHILD = """
import asyncio, json, resource, sys
from pathlib import Path

resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))

from bench import settings
from looking import work_off
from peak import begin_peak, peak
from tools.bench.worst_bodies import body_of

from handlers.app import App
from handlers.channels import hot_folder
from handlers.channels.ftp import poll
from handlers.channels.webhook import webhook
from handlers.stores import ContainerName, TableName
from handlers.timings import Timings

channel, case, storage, port, folder = sys.argv[1:]
source = {"name": "shop", "host": "127.0.0.1", "port": int(port), "user": "USER", "password": "PASSWORD",
          "tls": "none", "folders": {}}
event, body = body_of(case)
source["folders"][event] = event

name = f"{event}/a.json"

async def put(body: bytes, app: App) -> None:
    if channel == "webhook":
        response = await webhook(event, body, {}, app)
        assert response.status in {200, 202}, response.body  # a SOAP sender has its 200
    elif channel == "hot folder":
        await app.stores.drops.put(ContainerName.HOT_FOLDER, name, body, "text/plain")
    else:
        file = Path(folder, event, "a.json")
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(body)

async def take(app: App) -> None:
    if channel == "hot folder":
        assert await hot_folder.take(name, app)
    elif channel == "FTP":
        await poll.poll(app)
    await work_off(app)

async def main() -> None:
    global body
    app = App.start(settings(storage, FTP_SOURCES=json.dumps([source])), Timings(ftp_look=0, settle=0))
    # imports and connections are not what is measured
    await put(b'{"QuoteNo": "Q1"}' if body[:1] == b"{" else b"<Job><JobNumber>J1</JobNumber></Job>", app)
    await take(app)
    before = begin_peak()
    sent, body = [body], b""
    await put(sent.pop(), app)
    if channel != "webhook":  # a client of ours put it there
        before = begin_peak()
    await take(app)
    rows = [row async for row in app.stores.tables.query(TableName.DELIVERIES, "PartitionKey ne 'open'")]
    print(json.dumps([peak() - before, [row["status"] for row in rows]]))
    await app.close()

asyncio.run(main())
""".replace("USER", USER).replace("PASSWORD", PASSWORD)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FtpServer]:
    with FtpServer(tmp_path / "ftp", free_port(), FTPHandler) as running:
        yield running


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
@pytest.mark.parametrize("case", WORST)
@pytest.mark.parametrize("channel", ["webhook", "hot folder", "FTP"])
def test_the_worst_body_is_accepted_within_its_memory(
    storage: str, server: FtpServer, channel: str, case: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CHILD, channel, case, storage, str(server.port), str(server.folder)],
        env={"PYTHONPATH": f"{TESTS}:{TESTS.parent}:{TESTS / 'reliability'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    grown, statuses = json.loads(ended.stdout)
    assert statuses == ["sent", "sent"], ended.stderr[-3000:]
    assert grown < MOST, f"{grown / MB:.0f} MB"
