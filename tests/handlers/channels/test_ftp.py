"""FTP folders, on real servers and real storage."""

import asyncio
import itertools
import json
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.blob.aio import BlobLeaseClient
from ftp_servers import (
    Accidents,
    Authority,
    Busy,
    Odd,
    Unix,
    Western,
    Windows,
    WithoutMlsd,
    WithoutTimes,
    serve,
    source,
)
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
from shop import Shop, tell

from events import Channel, Delivery, EventType, Subject, parse
from handlers.app import App
from handlers.channels.ftp import folder, memory, poll
from handlers.channels.ftp.session import FtpSession
from handlers.channels.ftp.sources import SourcesError, read_sources
from handlers.errors import StorageFault
from handlers.ids import new_id
from handlers.settings import Settings
from handlers.stores import ContainerName, TableName
from tools.host.ftp import PASSWORD, USER, FtpServer
from tools.host.testing import StartHost, free_port, wait_until

ROOT = Path(__file__).parents[3]
CORPUS = ROOT / "tests" / "corpus"
QUOTE = b'{"QuoteNo": "Q5218"}'
QUOTES = "CreateQuote"


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poll, "LOOK_SECONDS", 0)
    monkeypatch.setattr(memory, "_EARLY", timedelta(days=1))


@pytest.fixture
def after_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the five minutes be over that an unfinished file is given."""
    monkeypatch.setattr(folder, "PATIENCE", timedelta(0))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FtpServer]:
    with serve(tmp_path / "ftp") as running:
        yield running


def put(server: FtpServer, path: str, body: bytes = QUOTE) -> Path:
    """Lay a file into the server's folder, with a time of its own: servers tell no more than the second."""
    file = server.folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    at = next(_SECONDS)
    os.utime(file, (at, at))
    return file


_SECONDS = itertools.count(1_700_000_000)


def files(server: FtpServer) -> list[str]:
    return sorted(str(file.relative_to(server.folder)) for file in server.folder.rglob("*") if file.is_file())


def samples() -> dict[str, bytes]:
    """Return a sample of each event, as XML where there is one."""
    chosen = {}
    for event in EventType:
        by_name = {path.name: path for path in (CORPUS / event).iterdir()}
        path = by_name.get("typical.xml") or by_name["typical.json"]
        chosen[event.value] = path.read_bytes()
    return chosen


def expected(event: str, body: bytes, channel: Channel) -> dict[str, Any]:
    """Tell what a result message says of a body, but for its id and time."""
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

    tell(storage, story, FTP_SOURCES=json.dumps([source(server)]))


def test_a_password_may_have_any_characters(storage: str, server: FtpServer) -> None:
    server.authorizer.user_table[USER]["pwd"] = "geheim€5"
    put(server, f"{QUOTES}/b.json")

    async def story(shop: Shop) -> None:
        await poll.poll(shop.app)
        assert files(server) == []

    tell(storage, story, FTP_SOURCES=json.dumps([source(server, password="geheim€5")]))


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
                assert len(files(server)) == len(names)  # where nobody can tell whether a name is taken
            else:
                assert files(server) == sorted(left.get(after, [f"{QUOTES}/{name}" for name in names]))

        tell(storage, story, FTP_SOURCES=json.dumps([source(server, after=after, folders={QUOTES: QUOTES})]))


def run(storage: str, story: Callable[[Shop], Awaitable[None]], server: FtpServer, **changes: object) -> None:
    """Tell a story in a shop that polls this server's folder for CreateQuote."""
    tell(storage, story, FTP_SOURCES=json.dumps([source(server, **{"folders": {QUOTES: QUOTES}, **changes})]))


def test_a_file_is_taken_only_when_two_looks_see_the_same(
    storage: str, server: FtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = folder.Folder.look
    growing = iter((QUOTE + b"\n", QUOTE + b"\n\n"))

    async def look(*arguments: Any) -> bool:
        new = await genuine(*arguments)
        if body := next(growing, None):
            put(server, f"{QUOTES}/q.json", body)
        return new

    async def story(shop: Shop) -> None:
        put(server, f"{QUOTES}/q.json")
        monkeypatch.setattr(folder.Folder, "look", look)
        await poll.poll(shop.app)  # looks twice, and sees it grow
        assert files(server) == [f"{QUOTES}/q.json"]
        await poll.poll(shop.app)
        assert files(server) == []
        await shop.work_off()
        assert await shop.blob((await shop.row())["raw"]) == QUOTE + b"\n\n"

    run(storage, story, server)


@pytest.mark.parametrize("name", ["q.json.part", ".q.json", "~q.json", "q.TMP"])
def test_temporary_names_are_left_alone(storage: str, server: FtpServer, name: str) -> None:
    async def story(shop: Shop) -> None:
        put(server, f"{QUOTES}/{name}")
        await poll.poll(shop.app)
        await poll.poll(shop.app)
        assert files(server) == [f"{QUOTES}/{name}"]

    run(storage, story, server)


@pytest.mark.parametrize("body", [QUOTE[:-2], b"", b"<Job><JobNumber>1", bytes(50)])
def test_what_does_not_close_is_left_for_five_minutes_and_then_refused(
    storage: str, server: FtpServer, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    async def story(shop: Shop) -> None:
        put(server, f"{QUOTES}/q.json", body)
        for _ in range(2):
            await poll.poll(shop.app)
        assert files(server) == [f"{QUOTES}/q.json"]
        monkeypatch.setattr(folder, "PATIENCE", timedelta(0))
        await poll.poll(shop.app)
        failed = f"{QUOTES}/failed/q.json"
        assert files(server) == [failed, f"{failed}.problem.json"]
        assert (server.folder / failed).read_bytes() == body
        problem = json.loads((server.folder / f"{failed}.problem.json").read_bytes())
        assert problem["errors"]
        assert problem["file"] == f"shop:{QUOTES}/q.json"
        await shop.work_off()
        row = await shop.row()
        assert (row["status"], row["id"]) == ("quarantined", problem["id"])

    run(storage, story, server)


def test_a_refused_file_does_not_overwrite_an_earlier_one(storage: str, server: FtpServer) -> None:
    bodies = [b'{"Customer": {"Code": "A%d"}}' % number for number in range(3)]

    async def story(shop: Shop) -> None:
        for body in bodies:
            put(server, f"{QUOTES}/q.json", body)
            await poll.poll(shop.app)
        kept = [path for path in files(server) if not path.endswith(".problem.json")]
        assert sorted((server.folder / path).read_bytes() for path in kept) == bodies
        assert len(files(server)) == 6

    run(storage, story, server)


@pytest.mark.parametrize("after", ["move", "keep"])
def test_what_stays_on_the_server_is_received_once(storage: str, server: FtpServer, after: str) -> None:
    async def story(shop: Shop) -> None:
        put(server, f"{QUOTES}/q.json")
        for _ in range(3):
            await poll.poll(shop.app)
        put(server, f"{QUOTES}/q.json", b'{"QuoteNo": "Q5218v2"}')
        for _ in range(3):
            await poll.poll(shop.app)
        await shop.work_off()
        assert sorted(row["subject"] for row in await shop.rows()) == ["Q5218", "Q5218v2"]
        assert len(await shop.results()) == 2
        assert len(files(server)) == (2 if after == "move" else 1)

    run(storage, story, server, after=after)


def test_a_kept_file_is_remembered_when_the_server_shows_its_time_in_another_way(
    storage: str, tmp_path: Path
) -> None:
    with serve(tmp_path / "ftp", Windows) as server:

        async def story(shop: Shop) -> None:
            put(server, f"{QUOTES}/q.json")
            for hours in (0, 1, -11, 14):
                Windows.set_clock(hours)
                await poll.poll(shop.app)
            Windows.set_clock(0)
            await shop.work_off()
            assert len(await shop.results()) == 1

        run(storage, story, server, after="keep")


def test_a_kept_file_is_remembered_when_the_server_shows_its_year_in_place_of_its_time_of_day(
    storage: str, tmp_path: Path
) -> None:
    with serve(tmp_path / "ftp", Unix) as server:

        async def story(shop: Shop) -> None:
            file = put(server, f"{QUOTES}/q.json")
            laid = file.stat().st_mtime
            for days in (1, 200, 201):
                Unix.set_clock(laid + days * 24 * 3600)
                await poll.poll(shop.app)
            await shop.work_off()
            assert len(await shop.results()) == 1
            replaced = laid + 366 * 24 * 3600  # on the same day of the leap year that follows
            os.utime(file, (replaced, replaced))
            Unix.set_clock(replaced)
            await poll.poll(shop.app)
            await shop.work_off()
            assert len(await shop.results()) == 2

        run(storage, story, server, after="keep")


def test_a_folder_that_is_gone_for_a_while_does_not_make_its_files_new(
    storage: str, server: FtpServer
) -> None:
    async def story(shop: Shop) -> None:
        file = put(server, f"{QUOTES}/q.json")
        await poll.poll(shop.app)
        away = file.rename(server.folder / "away")
        await poll.poll(shop.app)
        away.rename(file)
        await poll.poll(shop.app)
        await shop.work_off()
        assert len(await shop.results()) == 1

    run(storage, story, server, after="keep")


def test_a_folder_that_cannot_be_entered_is_no_hindrance_to_the_others(
    storage: str, server: FtpServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(shop: Shop) -> None:
        half = put(server, "a/half.json", QUOTE[:-1])
        put(server, "b/q1.json")
        await poll.poll(shop.app)
        assert files(server) == ["a/half.json"]
        half.unlink()
        half.parent.rmdir()
        put(server, "b/q2.json")
        caplog.clear()
        await poll.poll(shop.app)
        assert files(server) == []
        assert "the folder a cannot be looked at" in caplog.text
        assert 'printiq.ftp {"source": "shop", "reachable": true}' in caplog.text

    with caplog.at_level(logging.INFO):
        run(storage, story, server, folders={"a": QUOTES, "b": QUOTES})


def test_a_busy_file_is_no_hindrance_to_the_others(
    storage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(tmp_path / "ftp", Busy) as server:

        async def story(shop: Shop) -> None:
            for name in ("a", "busy", "z"):
                put(server, f"{QUOTES}/{name}.json")
            await poll.poll(shop.app)
            assert files(server) == [f"{QUOTES}/busy.json"]

        run(storage, story, server)
    assert "busy.json is left alone for now: the server does not tell its state: 450" in caplog.text


@pytest.mark.parametrize("error", [KeyError("a bug"), StorageFault("storage answered 503"), TimeoutError()])
def test_a_source_that_an_error_stops_is_told_as_not_reachable(
    storage: str,
    server: FtpServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    async def look(*_: object) -> bool:
        raise error

    async def story(shop: Shop) -> None:
        monkeypatch.setattr(folder.Folder, "look", look)
        await poll.poll(shop.app)
        assert 'printiq.ftp {"source": "shop", "reachable": false}' in caplog.text

    server.folder.joinpath(QUOTES).mkdir()
    with caplog.at_level(logging.INFO):
        run(storage, story, server)


def test_a_file_that_is_too_large_is_kept_unread(
    storage: str,
    server: FtpServer,
    after_five_minutes: None,
) -> None:
    body = b'{"QuoteNo": "' + b"Q" * 9_000_000 + b'"}'

    async def story(shop: Shop) -> None:
        put(server, f"{QUOTES}/large.json", body)
        await poll.poll(shop.app)
        assert f"{QUOTES}/failed/large.json.problem.json" in files(server)
        await shop.work_off()
        row = await shop.row()
        assert (row["status"], row["size"]) == ("quarantined", len(body))
        assert await shop.blob(row["raw"]) == body

    tell(
        storage,
        story,
        FTP_SOURCES=json.dumps([source(server, folders={QUOTES: QUOTES})]),
        MAX_BODY_BYTES=1_000_000,
    )


def test_a_server_that_forbids_renaming_has_its_files_taken_once_and_put_away_later(
    storage: str, server: FtpServer, caplog: pytest.LogCaptureFixture
) -> None:
    allowed = server.authorizer.user_table["printiq"]

    async def story(shop: Shop) -> None:
        for number in range(3):
            put(server, f"{QUOTES}/{number}.json", b'{"QuoteNo": "Q%d"}' % number)
        everything, allowed["perm"] = allowed["perm"], allowed["perm"].replace("f", "")
        for _ in range(3):
            await poll.poll(shop.app)
        assert len(files(server)) == 3
        allowed["perm"] = everything
        await poll.poll(shop.app)
        assert files(server) == []
        await shop.work_off()
        assert len(await shop.results()) == 3

    run(storage, story, server)
    assert "cannot be renamed" in caplog.text


# -- accidents ----------------------------------------------------------------------------------------------


@dataclass
class Trials:
    """Put one file after the other through an accident each, and see what came of all of them."""

    shop: Shop
    server: FtpServer
    subjects: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def trial(self) -> AsyncIterator[None]:
        """Lay a file; after the accident, poll until nothing is left to do."""
        subject = f"Q{len(self.subjects)}"
        self.subjects.append(subject)
        put(self.server, f"{QUOTES}/q.json", b'{"QuoteNo": "%s"}' % subject.encode())
        yield
        await self._end_the_lease()
        for _ in range(3):
            await poll.poll(self.shop.app)
        assert files(self.server) == []

    async def _end_the_lease(self) -> None:
        """Do at once what takes a minute after a crash."""
        async with self.shop.blobs() as service:
            client = BlobLeaseClient(service.get_blob_client(ContainerName.FTP, "shop.json"))
            with suppress(HttpResponseError):  # there is none
                await client.break_lease(lease_break_period=0)

    async def nothing_is_lost_or_counted_twice(self) -> None:
        await self.shop.work_off()
        rows = await self.shop.rows()
        assert sorted(row["subject"] for row in rows) == sorted(self.subjects)
        for table in (TableName.TIMELINE, TableName.RECORDS):
            assert len(await self.shop.rows(table)) == len(rows)
        for row in rows:
            assert row["status"] == "sent"
            assert json.loads(await self.shop.blob(row["raw"]))["QuoteNo"] == row["subject"]


async def _commands(shop: Shop, server: FtpServer, accidents: Accidents) -> list[str]:
    """Take one file without an accident, to learn the commands that it takes."""
    put(server, f"{QUOTES}/uneventful.json", b'{"QuoteNo": "none"}')
    await poll.poll(shop.app)
    assert files(server) == []
    return list(accidents.commands)


def test_the_connection_may_break_at_every_command(storage: str, tmp_path: Path) -> None:
    accidents = Accidents()
    with serve(tmp_path / "ftp", accidents.handler()) as server:

        async def story(shop: Shop) -> None:
            commands = await _commands(shop, server, accidents)
            assert [line.split()[0] for line in commands if line.split()[0] in _STEPS] == _STEPS
            trials = Trials(shop, server, ["none"])
            for at in range(len(commands)):
                for after in (False, True):
                    async with trials.trial():
                        accidents.arm(at, after=after)
                        await poll.poll(shop.app)
                        assert accidents.happened, commands[at]
            await trials.nothing_is_lost_or_counted_twice()

        run(storage, story, server)


_STEPS = ["MLSD", "MLSD", "RETR", "RNFR", "RNTO", "MLST", "DELE"]


def test_the_connection_may_break_in_the_middle_of_each_transfer(storage: str, tmp_path: Path) -> None:
    accidents = Accidents()
    with serve(tmp_path / "ftp", accidents.handler()) as server:

        async def story(shop: Shop) -> None:
            trials = Trials(shop, server)
            for transfer in range(3):  # two looks and the file
                async with trials.trial():
                    accidents.arm_transfer(transfer)
                    await poll.poll(shop.app)
                    assert accidents.happened
            await trials.nothing_is_lost_or_counted_twice()

        run(storage, story, server)


class Crash(BaseException):
    """Be the end of the app, which nothing catches."""


class Steps:
    """Count what the app does with the server and with storage, and crash before or after one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.at = -1
        self.after = False
        monkeypatch.setattr(FtpSession, "_run", self._counted(FtpSession._run))
        monkeypatch.setattr(AioHttpTransport, "send", self._counted(AioHttpTransport.send))

    def arm(self, at: int, *, after: bool) -> None:
        self.count, self.at, self.after = 0, at, after

    def _counted(self, step: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def counted(*arguments: Any, **named: Any) -> Any:
            now = self.count == self.at
            self.count += 1
            if now and not self.after:
                raise Crash
            outcome = await step(*arguments, **named)
            if now:
                raise Crash
            return outcome

        return counted


def test_the_app_may_crash_between_every_two_steps(
    storage: str, server: FtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(monkeypatch)

    async def story(shop: Shop) -> None:
        trials = Trials(shop, server)
        async with trials.trial():
            steps.arm(-1, after=False)
            await poll.poll(shop.app)
            total = steps.count
        assert total > 20
        for at in range(total):
            for after in (False, True):
                async with trials.trial():
                    steps.arm(at, after=after)
                    with suppress(Crash):
                        await poll.poll(shop.app)
                    steps.arm(-1, after=False)
        await trials.nothing_is_lost_or_counted_twice()

    run(storage, story, server)


@pytest.mark.parametrize("step", ["read", "rename", "state", "delete"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_newer_file_of_the_same_name_is_taken_too(
    storage: str, server: FtpServer, monkeypatch: pytest.MonkeyPatch, step: str, moment: str
) -> None:
    genuine = getattr(FtpSession, step)

    async def replaced(*arguments: Any) -> Any:
        monkeypatch.setattr(FtpSession, step, genuine)
        if moment == "before":
            put(server, f"{QUOTES}/q.json", b'{"QuoteNo": "newer"}')
            return await genuine(*arguments)
        outcome = await genuine(*arguments)
        put(server, f"{QUOTES}/q.json", b'{"QuoteNo": "newer"}')
        return outcome

    async def story(shop: Shop) -> None:
        put(server, f"{QUOTES}/q.json", b'{"QuoteNo": "older"}')
        monkeypatch.setattr(FtpSession, step, replaced)
        for _ in range(4):
            await poll.poll(shop.app)
        assert files(server) == []
        await shop.work_off()
        subjects = sorted(row["subject"] for row in await shop.rows())
        unread = (step, moment) in {("read", "before"), ("read", "after"), ("rename", "before")}
        assert subjects == (["newer"] if unread else ["newer", "older"])

    run(storage, story, server)


def test_a_server_that_is_down_is_an_error_and_no_hindrance(
    storage: str, server: FtpServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    down = FtpServer(tmp_path / "down", free_port())
    sources = [source(down, name="down"), source(server, name="up")]

    async def story(shop: Shop) -> None:
        put(server, f"{QUOTES}/q.json")
        await poll.poll(shop.app)
        await poll.poll(shop.app)
        assert files(server) == []
        assert "FTP source down cannot be polled" in caplog.text
        assert 'printiq.ftp {"source": "down", "reachable": false}' in caplog.text
        assert 'printiq.ftp {"source": "up", "reachable": true}' in caplog.text
        assert "failed 2 times since" in caplog.text
        with down:
            put(down, f"{QUOTES}/q.json")
            await poll.poll(shop.app)
            assert files(down) == []
        assert "FTP source down can be polled again" in caplog.text

    with caplog.at_level(logging.INFO):
        tell(storage, story, FTP_SOURCES=json.dumps(sources))


def test_a_server_that_fails_is_left_in_peace_for_a_while(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(memory, "_EARLY", timedelta(0))
    down = FtpServer(tmp_path / "down", free_port())

    async def story(shop: Shop) -> None:
        for _ in range(3):
            await poll.poll(shop.app)
        assert caplog.text.count("cannot be polled") == 1

    tell(storage, story, FTP_SOURCES=json.dumps([source(down)]))


def test_pauses_grow_to_a_quarter_of_an_hour() -> None:
    backoff = memory.Memory()
    pauses = []
    for _ in range(7):
        backoff.failed()
        assert backoff.pause_until
        pauses.append(round((backoff.pause_until - datetime.now(UTC)).total_seconds() / 60))
    assert pauses == [1, 2, 4, 8, 15, 15, 15]


def test_two_instances_take_each_file_once(storage: str, server: FtpServer) -> None:
    async def story(shop: Shop) -> None:
        other = App.start(shop.app.settings)
        for number in range(20):
            put(server, f"{QUOTES}/{number}.json", b'{"QuoteNo": "Q%d"}' % number)
        for _ in range(3):
            await asyncio.gather(poll.poll(shop.app), poll.poll(other))
        await other.close()
        assert files(server) == []
        await shop.work_off()
        assert len(await shop.results()) == 20

    run(storage, story, server)


def test_more_files_than_there_is_time_for_are_taken_in_the_next_run(
    storage: str, server: FtpServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(poll, "_PROGRESS_EVERY", 50)
    genuine = folder.Folder.take

    async def slow(*arguments: Any) -> bool:
        if len(files(server)) <= 40:
            monkeypatch.setattr(poll, "_RUN_SECONDS", 0)
        return await genuine(*arguments)

    async def story(shop: Shop) -> None:
        for number in range(120):
            put(server, f"{QUOTES}/{number}.json", b'{"QuoteNo": "Q%d"}' % number)
        monkeypatch.setattr(folder.Folder, "take", slow)
        await poll.poll(shop.app)
        assert 0 < len(files(server)) <= 40
        monkeypatch.setattr(folder.Folder, "take", genuine)
        monkeypatch.setattr(poll, "_RUN_SECONDS", 50)
        await poll.poll(shop.app)
        assert files(server) == []

    with caplog.at_level(logging.INFO):
        run(storage, story, server)
    assert "50 files taken" in caplog.text
    assert f"wait in {QUOTES} for the next run" in caplog.text


# -- trust and secrets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("name", ["127.0.0.1", "ftp.example"])
def test_a_certificate_that_proves_nothing_ends_the_connection(
    storage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, *, implicit: bool
) -> None:
    theirs, ours = Authority(), Authority()
    ca = ours.pem if name == "127.0.0.1" else theirs.pem
    accidents = Accidents()
    with serve(tmp_path / "ftp", accidents.handler(theirs.handler(implicit=implicit, name=name))) as server:
        tls = "implicit" if implicit else "explicit"
        run(storage, lambda shop: poll.poll(shop.app), server, tls=tls, ca=ca)
    assert "certificate is not to be trusted" in caplog.text
    assert not [line for line in accidents.commands if line.startswith(("USER", "PASS"))]


def test_a_server_without_tls_gets_no_password(
    storage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    accidents = Accidents()
    with serve(tmp_path / "ftp", accidents.handler()) as server:
        run(storage, lambda shop: poll.poll(shop.app), server, tls="explicit")
    assert "offers no TLS" in caplog.text
    assert not [line for line in accidents.commands if line.startswith(("USER", "PASS"))]


def test_a_password_is_never_shown(storage: str, server: FtpServer, caplog: pytest.LogCaptureFixture) -> None:
    class Telling(FTPHandler):  # type: ignore[misc]  # it has no types
        def ftp_PASS(self, line: str) -> None:
            self.respond(f"530 The password {line} is wrong.")

    with serve(server.folder / "telling", Telling) as telling, caplog.at_level(logging.DEBUG):
        run(storage, lambda shop: poll.poll(shop.app), telling, user="joe", password="open-sesame")
    assert "530 The password … is wrong" in caplog.text
    assert "open-sesame" not in caplog.text


# -- settings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tls": "yes"}, "0.tls: Input should be 'none', 'explicit' or 'implicit'"),
        ({"colour": "blue"}, "0.colour: Extra inputs are not permitted"),
        ({"folders": {"in": "CreateQuotes"}}, "Did you mean CreateQuote"),
        ({"password_setting": "SOME"}, "give either password or password_setting"),
        ({"password": "", "password_setting": "NOT_SET"}, "there is no setting NOT_SET"),
        ({"password": "", "password_setting": "VAULT"}, "could not resolve"),
        ({"host": ""}, "0.host"),
    ],
)
def test_a_wrong_source_is_told_without_the_password(changes: dict[str, Any], said: str) -> None:
    text = json.dumps([{"host": "ftp.example", "password": "open-sesame", **changes}])
    with pytest.raises(SourcesError) as error:
        read_sources(text, {"VAULT": "@Microsoft.KeyVault(SecretUri=https://vault.example/x)"}.get)
    assert said in str(error.value)
    assert "open-sesame" not in f"{error.value!r} {error.value.__cause__!r}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[{password: open-sesame}]", "Invalid JSON"),
        ('{"password": "open-sesame"}', "valid array"),
        ("@Microsoft.KeyVault(SecretUri=https://vault.example/open-sesame)", "could not resolve"),
        ('[{"host": "ftp.example"}, {"host": "ftp.example"}]', "give each a name"),
    ],
)
def test_wrong_sources_stop_nothing_else(
    storage: str, caplog: pytest.LogCaptureFixture, text: str, said: str
) -> None:
    tell(storage, lambda shop: poll.poll(shop.app), FTP_SOURCES=text)
    assert "No FTP source is polled, because the setting FTP_SOURCES is wrong" in caplog.text
    assert said in caplog.text
    assert "open-sesame" not in caplog.text


def test_a_password_may_stand_in_a_setting_of_its_own() -> None:
    text = '[{"host": "ftp.example", "password_setting": "SHOP_PASSWORD"}]'
    (only,) = read_sources(text, {"SHOP_PASSWORD": "open-sesame"}.get)
    assert only.password.get_secret_value() == "open-sesame"
    assert (only.name, only.tls, only.address) == ("ftp.example", "explicit", "ftp.example:21")
    assert "open-sesame" not in repr(only)


def test_settings_do_not_show_their_sources() -> None:
    own = {"AzureWebJobsStorage": "x", "HOT_FOLDER": "x", "FTP_SOURCES": "open-sesame"}
    assert "open-sesame" not in repr(Settings.model_validate(own))


def test_a_server_that_grants_one_connection_is_served_by_one(
    storage: str, server: FtpServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(FTPServer, "max_cons_per_ip", 1)

    async def story(shop: Shop) -> None:
        for number in range(50):
            put(server, f"{QUOTES}/{number}.json", b'{"QuoteNo": "Q%d"}' % number)
        await poll.poll(shop.app)
        assert files(server) == []

    with caplog.at_level(logging.INFO):
        run(storage, story, server)
    assert "one connection less" in caplog.text
