"""Files in sub-folders are taken, to a depth; what the app moved there itself is not."""

import json

import pytest
from scenes import QUOTES, files, put, run
from shop import Shop

from handlers.channels.ftp import poll
from tools.host.ftp import FtpServer


@pytest.mark.parametrize("folders", [{}, {"in/quotes": QUOTES}])
def test_files_in_sub_folders_are_taken_to_a_depth(
    storage: str, server: FtpServer, folders: dict[str, str]
) -> None:
    root = next(iter(folders), QUOTES)
    for number, below in enumerate(("", "2026/", "2026/11/", "2026/11/ä b/", "2026/11/ä b/too deep/")):
        put(server, f"{root}/{below}q.json", b'{"QuoteNo": "Q%d"}' % number)

    async def story(shop: Shop) -> None:
        await poll.poll(shop.app)
        assert files(server) == [f"{root}/2026/11/ä b/too deep/q.json"]
        await shop.work_off()
        rows = {row["subject"]: row["file"] for row in await shop.rows()}
        assert rows.keys() == {"Q0", "Q1", "Q2", "Q3"}
        assert rows["Q3"].endswith(f"{root}/2026/11/ä b/q.json")

    run(storage, story, server, folders=folders)


@pytest.mark.parametrize("processed", ["processed", "done/today", "/done"])
def test_what_was_moved_away_is_not_taken_again(storage: str, server: FtpServer, processed: str) -> None:
    server.folder.joinpath("done").mkdir(parents=True)
    if "/" in processed:
        for below in ("", "2026/"):
            server.folder.joinpath(QUOTES, below, "done").mkdir(parents=True)
    put(server, f"{QUOTES}/q.json")
    put(server, f"{QUOTES}/2026/r.json", b'{"QuoteNo": "Q2"}')
    put(server, f"{QUOTES}/2026/s.json", b'{"Customer": {"Code": "A1"}}')

    async def story(shop: Shop) -> None:
        for _ in range(3):
            await poll.poll(shop.app)
        await shop.work_off()
        rows = await shop.rows()
        assert sorted(row["status"] for row in rows) == ["quarantined", "sent", "sent"]
        assert len(files(server)) == 4

    run(storage, story, server, after="move", processed=processed)


def test_sub_folders_can_be_left_alone(storage: str, server: FtpServer) -> None:
    put(server, f"{QUOTES}/2026/q.json")
    run(storage, lambda shop: poll.poll(shop.app), server, depth=0)
    assert files(server) == [f"{QUOTES}/2026/q.json"]


def test_a_sub_folder_that_is_gone_is_forgotten(storage: str, server: FtpServer) -> None:
    async def story(shop: Shop) -> None:
        for day in range(3):
            file = put(server, f"{QUOTES}/2026-11-{day}/q.json")
            await poll.poll(shop.app)
            file.parent.rmdir()
        await poll.poll(shop.app)
        assert json.loads(await shop.blob("ftp/shop.json"))["folders"] == {QUOTES: {}}

    run(storage, story, server)
