"""Whatever breaks, and whenever, each file is received once."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.blob.aio import BlobLeaseClient
from ftp_servers import Accidents, serve
from scenes import QUOTES, files, put, run
from shop import Shop

from handlers.channels.ftp import poll
from handlers.channels.ftp.session import FtpSession
from handlers.stores import ContainerName, TableName
from tools.host.ftp import FtpServer


@dataclass
class Trials:
    """One file after the other, each with an accident, and the outcome of all."""

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
        """Do what takes a minute after a crash."""
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


_STEPS = ["MLSD", "MLSD", "RETR", "RNFR", "RNTO", "MLST", "DELE"]


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
    """The end of the app, which nothing catches."""


class Steps:
    """A count of what the app does with the server and storage, with a crash before or after one step."""

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
