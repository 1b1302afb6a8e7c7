"""No password for a server that cannot be trusted, and none in a log."""

import logging
from pathlib import Path

import pytest
from ftp_servers import Accidents, Authority, serve
from pyftpdlib.handlers import FTPHandler
from scenes import run

from handlers.channels.ftp import poll
from tools.host.ftp import FtpServer


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
    assert "certificate is not trusted" in caplog.text
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
