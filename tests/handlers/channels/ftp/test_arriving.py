"""Files of every event and name arrive from servers of every kind."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ftp_servers import Authority, Odd, Western, Windows, WithoutMlsd, WithoutTimes, serve, source
from pyftpdlib.handlers import FTPHandler
from scenes import QUICK, QUOTES, files, put
from shop import Shop, tell

from events import Channel, Delivery, EventType, Subject, parse
from handlers.channels.ftp import poll
from handlers.ids import new_id
from handlers.stores import TableName
from tools.host.ftp import PASSWORD, USER, FtpServer
from tools.host.testing import StartHost, wait_until

ROOT = Path(__file__).parents[4]
CORPUS = ROOT / "tests" / "corpus"


def samples() -> dict[str, bytes]:
    """Return a sample of each event, as XML where there is one."""
    chosen = {}
    for event in EventType:
        by_name = {path.name: path for path in (CORPUS / event).iterdir()}
        path = by_name.get("typical.xml") or by_name["typical.json"]
        chosen[event.value] = path.read_bytes()
    return chosen


def expected(event: str, body: bytes, channel: Channel) -> dict[str, Any]:
    """Return what the result message of a body holds, except for its id and time."""
    now = datetime.now(UTC)
    parsed = parse(Delivery(id=new_id(now), event=event, body=body, channel=channel, received_at=now))
    assert isinstance(parsed.subject, Subject)
    return {
        "type": f"com.printiq.{event}",
        "subject": parsed.subject.key,
        "kind": parsed.subject.kind,
        "channel": channel,
        "data": json.loads(parsed.data),
    }


@pytest.mark.parametrize("tls", ["none", "explicit", "implicit"])
def test_each_event_arrives_like_the_others(storage: str, tmp_path: Path, tls: str) -> None:
    authority = Authority()
    handler = FTPHandler if tls == "none" else authority.handler(implicit=tls == "implicit")
    with serve(tmp_path, handler) as server:
        bodies = samples()
        for event, body in bodies.items():
            put(server, f"{event}/a drop.dat", body)

        async def story(shop: Shop) -> None:
            await poll.poll(shop.app)
            assert files(server) == []
            await shop.work_off()
            rows = {row["event"]: row for row in await shop.rows()}
            assert rows.keys() == bodies.keys()
            messages = {each["type"]: each for each in await shop.results()}
            assert len(messages) == len(bodies)
            records = {row["delivery"] for row in await shop.rows(TableName.RECORDS)}
            timeline = {row["id"] for row in await shop.rows(TableName.TIMELINE)}
            for event, body in bodies.items():
                row, wanted = rows[event], expected(event, body, Channel.FTP)
                assert (row["status"], row["channel"]) == ("sent", "ftp")
                assert row["file"] == f"shop:/{event}/a drop.dat"
                assert await shop.blob(row["raw"]) == body
                message = messages[wanted["type"]]
                assert message["id"] == row["id"]
                assert wanted.items() <= message.items()
                assert row["id"] in timeline
            assert records <= timeline
            assert len(records) == len({(row["kind"], row["key"]) for row in rows.values()})

        tell(
            storage,
            story,
            QUICK,
            FTP_SOURCES=json.dumps([source(server, tls=tls, ca="" if tls == "none" else authority.pem)]),
        )


def test_the_running_app_polls(storage: str, server: FtpServer, start_host: StartHost) -> None:
    put(server, f"{QUOTES}/q.json")
    settings = {"FTP_SOURCES": json.dumps([source(server)]), "FTP_SCHEDULE": "*/2 * * * * *"}
    host = start_host(ROOT, settings=settings)
    wait_until(lambda: not files(server))

    async def story(shop: Shop) -> None:
        await shop.rows_in_time(1)
        assert (await shop.row())["channel"] == "ftp"

    tell(storage, story)
    wait_until(lambda: "poll_ftp succeeded" in host.log())
    assert PASSWORD not in host.log()


@pytest.mark.parametrize("kind", [FTPHandler, WithoutMlsd, WithoutTimes, Windows, Odd, Western])
@pytest.mark.parametrize("after", ["remove", "move", "keep"])
def test_names_of_every_kind_on_servers_of_every_kind(
    storage: str, tmp_path: Path, kind: type[Any], after: str
) -> None:
    names = [
        "with spaces  twice.json",
        "Müller & Söhne.json",
        "a#b?c%20d;e=f.json",
        "-rw 12.json",
        "no extension",
    ]
    with serve(tmp_path / "ftp", kind) as server:
        for name in names:
            put(server, f"{QUOTES}/{name}", json.dumps({"QuoteNo": name}).encode())

        async def story(shop: Shop) -> None:
            for _ in range(3):
                await poll.poll(shop.app)
            await shop.work_off()
            rows = await shop.rows()
            assert {row["file"] for row in rows} == {f"shop:{QUOTES}/{name}" for name in names}
            assert {row["subject"] for row in rows} == set(names)
            left = {"remove": [], "move": [f"{QUOTES}/processed/{name}" for name in names]}
            if kind is WithoutTimes and after == "move":
                assert len(files(server)) == len(names)  # as the server does not show whether a name is taken
            else:
                assert files(server) == sorted(left.get(after, [f"{QUOTES}/{name}" for name in names]))

        tell(
            storage,
            story,
            QUICK,
            FTP_SOURCES=json.dumps([source(server, after=after, folders={QUOTES: QUOTES})]),
        )


def test_a_file_that_is_called_as_one_being_taken_is_a_file_like_any_other(
    storage: str, server: FtpServer
) -> None:
    for odd in ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-7fff-bfff-ffffffffffff"):
        put(server, f"{QUOTES}/a.{odd}.taking")
    put(server, f"{QUOTES}/b.json")

    async def story(shop: Shop) -> None:
        await poll.poll(shop.app)
        assert files(server) == []
        await shop.work_off()
        assert len(await shop.rows()) == 3

    tell(storage, story, QUICK, FTP_SOURCES=json.dumps([source(server)]))


def test_a_password_may_have_any_characters(storage: str, server: FtpServer) -> None:
    server.authorizer.user_table[USER]["pwd"] = "geheim€5"
    put(server, f"{QUOTES}/b.json")

    async def story(shop: Shop) -> None:
        await poll.poll(shop.app)
        assert files(server) == []

    tell(storage, story, QUICK, FTP_SOURCES=json.dumps([source(server, password="geheim€5")]))
