"""Listings in every form: each entry is a file, a folder, or named in a warning."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest
from ftp_servers import WithoutMlsd, serve
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import FTPHandler
from scenes import QUOTES, files, put, run
from shop import Shop

from handlers.channels.ftp import poll

LINES = {
    "-rw-r--r--   1 ftp      ftp      {size:8} {time:%b %d}  {time:%Y} {name}": "Unix, with a year",
    "-rw-r--r--   1 ftp      ftp      {size:8} {time:%b %d %H:%M} {name}": "Unix, with a time of day",
    "-rw-rw-r--+  1 1000     1000     {size:8} {time:%Y-%m-%d %H:%M} {name}": "GNU, in ISO form",
    "-rw-r--r--   1 printiq {size:8} {time:%d. %b %Y} {name}": "without a group, with a year, in German",
    "{time:%m-%d-%y}  {time:%I:%M%p}       {size:14} {name}": "IIS",
    "{time:%m-%d-%Y}  {time:%I:%M%p}       {size:>14,} {name}": "IIS, with four digits of the year",
    "{time:%d.%m.%Y}  {time:%H:%M}         {size:14} {name}": "Windows, in German",
}


class _OfOneForm(AbstractedFS):  # type: ignore[misc]  # it has no types
    """A listing of lines of one form."""

    form: ClassVar[str] = ""

    def format_list(self, basedir: str, listing: list[str], ignore_err: bool = True) -> Iterator[bytes]:
        del ignore_err
        for name in listing:
            about = Path(basedir, name).stat()
            at = datetime.fromtimestamp(about.st_mtime, UTC)
            yield (self.form.format(size=about.st_size, time=at, name=name) + "\r\n").encode()


@pytest.mark.parametrize("form", LINES, ids=LINES.get)
def test_a_listing_is_read_as_what_it_is(storage: str, tmp_path: Path, form: str) -> None:
    class Server(WithoutMlsd):
        commands: ClassVar[list[str]] = []
        abstracted_fs = type("Form", (_OfOneForm,), {"form": form})

        def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
            self.commands.append(cmd)
            super().pre_process_command(line, cmd, arg)

    with serve(tmp_path / "ftp", Server) as server:

        async def story(shop: Shop) -> None:
            for name in ("q 2026.json", "12 Jan 2025.json"):
                put(server, f"{QUOTES}/{name}", b'{"QuoteNo": "%s"}' % name.encode())
            await poll.poll(shop.app)
            assert files(server) == []
            await shop.work_off()
            assert {row["subject"] for row in await shop.rows()} == {"q 2026.json", "12 Jan 2025.json"}

        run(storage, story, server)
    assert "NLST" not in Server.commands, "the lines were not read"


class _WithLinks(_OfOneForm):
    form = "lrwxrwxrwx   1 ftp ftp {size:8} {time:%b %d  %Y} {name} -> /elsewhere"


class Links(WithoutMlsd):
    abstracted_fs = _WithLinks


def test_a_line_that_is_neither_file_nor_folder_is_named_in_a_warning(
    storage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(tmp_path / "ftp", Links) as server:
        put(server, f"{QUOTES}/q.json")
        run(storage, lambda shop: poll.poll(shop.app), server)
        assert files(server) == [f"{QUOTES}/q.json"]
    assert "1 entries are left alone" in caplog.text
    assert "q.json -> /elsewhere" in caplog.text


def test_a_listing_without_end_is_cut_off(
    storage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class _Endless(AbstractedFS):  # type: ignore[misc]  # it has no types
        def format_mlsx(self, *_: object, **__: object) -> Iterator[bytes]:
            line = b"type=file;size=1;modify=20261124064512; " + b"x" * 1000 + b"\r\n"
            while True:
                yield line * 100

    class Server(FTPHandler):  # type: ignore[misc]  # it has no types
        abstracted_fs = _Endless

    with serve(tmp_path / "ftp", Server) as server:
        put(server, f"{QUOTES}/q.json")
        run(storage, lambda shop: poll.poll(shop.app), server)
    assert "the listing of a folder is longer than 16 MB" in caplog.text
