"""Where a file goes once it is taken, and how one that stays is remembered."""

import os
from pathlib import Path

import pytest
from ftp_servers import Unix, Windows, serve
from scenes import QUOTES, files, put, run
from shop import Shop

from handlers.channels.ftp import poll
from tools.host.ftp import FtpServer


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
