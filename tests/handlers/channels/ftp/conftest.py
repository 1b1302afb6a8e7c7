"""What tests of FTP share: a server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ftp_servers import serve

from tools.host.ftp import FtpServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FtpServer]:
    with serve(tmp_path / "ftp") as running:
        yield running
