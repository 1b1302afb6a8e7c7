"""A run: several sources, servers that are down or slow, several instances, many files."""

import asyncio
import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ftp_servers import serve, source
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
from scenes import QUICK, QUOTE, QUOTES, Clock, files, put, run
from shop import Shop, tell

from handlers.app import App
from handlers.channels.ftp import folder, memory, poll
from handlers.errors import StorageFault
from tools.host.ftp import FtpServer
from tools.host.testing import free_port


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


@pytest.mark.parametrize("error", [KeyError("a bug"), StorageFault("storage answered 503"), TimeoutError()])
def test_a_source_that_an_error_stops_is_reported_as_not_reachable(
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
        tell(storage, story, QUICK, FTP_SOURCES=json.dumps(sources))


def test_a_password_that_is_not_there_is_an_error_and_no_hindrance(
    storage: str, server: FtpServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FROM_VAULT", "@Microsoft.KeyVault(SecretUri=https://vault.example/x)")
    sources = [
        source(server, name="unset", password="", password_setting="NOT_SET"),
        source(server, name="locked", password="", password_setting="FROM_VAULT"),
        source(server, name="up"),
    ]

    async def story(shop: Shop) -> None:
        put(server, f"{QUOTES}/q.json")
        await poll.poll(shop.app)
        await poll.poll(shop.app)
        assert files(server) == []
        assert "FTP source unset is not polled: there is no setting NOT_SET" in caplog.text
        assert "FTP source locked is not polled: the setting FROM_VAULT is a Key Vault" in caplog.text
        for name in ("unset", "locked"):
            assert f'printiq.ftp {{"source": "{name}", "reachable": false}}' in caplog.text

    with caplog.at_level(logging.INFO):
        tell(storage, story, QUICK, FTP_SOURCES=json.dumps(sources))


def test_a_server_that_fails_is_left_in_peace_for_a_while(
    storage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    down = FtpServer(tmp_path / "down", free_port())

    async def story(shop: Shop) -> None:
        for _ in range(3):
            await poll.poll(shop.app)
        assert caplog.text.count("cannot be polled") == 1

    tell(storage, story, replace(QUICK, ftp_early=0), FTP_SOURCES=json.dumps([source(down)]))


def test_pauses_grow_to_a_quarter_of_an_hour() -> None:
    backoff = memory.Memory()
    pauses = []
    for _ in range(7):
        now = datetime.now(UTC)
        backoff.failed(now)
        assert backoff.pause_until
        pauses.append(round((backoff.pause_until - now).total_seconds() / 60))
    assert pauses == [1, 2, 4, 8, 15, 15, 15]


def test_two_instances_take_each_file_once(storage: str, server: FtpServer) -> None:
    async def story(shop: Shop) -> None:
        other = App.start(shop.app.settings, shop.app.timings)
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
    clock = Clock()
    genuine = folder.Folder.take

    async def slow(*arguments: Any) -> bool:
        if len(files(server)) <= 40:
            clock.ahead += timedelta(seconds=60)
        return await genuine(*arguments)

    async def story(shop: Shop) -> None:
        for number in range(120):
            put(server, f"{QUOTES}/{number}.json", b'{"QuoteNo": "Q%d"}' % number)
        monkeypatch.setattr(folder.Folder, "take", slow)
        await poll.poll(shop.app)
        assert 0 < len(files(server)) <= 40
        monkeypatch.setattr(folder.Folder, "take", genuine)
        await poll.poll(shop.app)
        assert files(server) == []

    with caplog.at_level(logging.INFO):
        run(storage, story, server, replace(QUICK, now=clock, ftp_progress=50))
    assert "50 files taken" in caplog.text
    assert f"wait in {QUOTES} for the next run" in caplog.text


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
    assert "going on with one connection fewer" in caplog.text


class Dripping(FTPHandler):  # type: ignore[misc]  # it has no types
    def ftp_MLSD(self, path: str) -> None:
        self.respond("150 One moment.")
        self.ioloop.call_every(0.1, lambda: self.push(b" "))


def test_sources_are_polled_at_the_same_time(
    storage: str, server: FtpServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(shop: Shop) -> None:
        put(server, f"{QUOTES}/q.json")
        polling = asyncio.create_task(poll.poll(shop.app))
        async with asyncio.timeout(60):
            while files(server):
                await asyncio.sleep(0.05)
        assert "FTP source slow cannot be polled" not in caplog.text
        polling.cancel()
        await asyncio.wait([polling])

    with serve(tmp_path / "slow", Dripping) as slow, caplog.at_level(logging.INFO):
        sources = [source(slow, name="slow", timeout=120), source(server, name="up")]
        tell(storage, story, QUICK, FTP_SOURCES=json.dumps(sources))


def test_a_server_that_drips_is_given_up_and_no_hindrance(
    storage: str, server: FtpServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(shop: Shop) -> None:
        put(server, f"{QUOTES}/q.json")
        await poll.poll(shop.app)
        assert files(server) == []
        assert "FTP source slow cannot be polled" in caplog.text
        assert "a run took longer than its `timeout` of 2 s (failed once since" in caplog.text
        assert 'printiq.ftp {"source": "slow", "reachable": false}' in caplog.text
        assert 'printiq.ftp {"source": "up", "reachable": true}' in caplog.text

    with serve(tmp_path / "slow", Dripping) as slow, caplog.at_level(logging.INFO):
        sources = [source(slow, name="slow", timeout=2), source(server, name="up")]
        tell(storage, story, QUICK, FTP_SOURCES=json.dumps(sources))
