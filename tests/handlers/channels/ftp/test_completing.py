"""When a file is taken: it is complete, or time has run out."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ftp_servers import Busy, serve, source
from scenes import LATER, QUICK, QUOTE, QUOTES, Clock, files, put, run
from shop import Shop, tell

from handlers.channels.ftp import folder, poll
from handlers.channels.ftp.session import FtpSession
from tools.host.ftp import FtpServer


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
def test_what_is_incomplete_is_left_for_five_minutes_and_then_refused(
    storage: str, server: FtpServer, body: bytes
) -> None:
    clock = Clock()

    async def story(shop: Shop) -> None:
        put(server, f"{QUOTES}/q.json", body)
        for _ in range(2):
            await poll.poll(shop.app)
        assert files(server) == [f"{QUOTES}/q.json"]
        clock.ahead = timedelta(minutes=5)
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

    run(storage, story, server, replace(QUICK, now=clock))


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
    assert "busy.json is left alone for now: the server does not show its state: 450" in caplog.text


def test_a_file_that_is_too_large_is_kept_unread(storage: str, server: FtpServer) -> None:
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
        LATER,
        FTP_SOURCES=json.dumps([source(server, folders={QUOTES: QUOTES})]),
        MAX_BODY_BYTES=1_000_000,
    )


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
