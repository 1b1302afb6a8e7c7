"""Runs a local FTP server, so that the FTP channel can be tried and tested without one elsewhere."""

import logging
import threading
from pathlib import Path
from typing import Any, Self

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from tools.host.http import bind

# Known to everyone and good for nothing else: the server listens on this machine alone.
USER = "printiq"
PASSWORD = "drop-it-here"  # noqa: S105 - see above
PORT_OPTION = "--ftp-port"
DEFAULT_PORT = 2121

_EVERYTHING = "elradfmwMT"
_TURN_SECONDS = 0.2


class FtpServer:
    """An FTP server on 127.0.0.1 while the `with` block lasts; the folder keeps its files."""

    def __init__(self, folder: Path, port: int, handler: type[Any] = FTPHandler) -> None:
        """Serve with another handler class of pyftpdlib's, for example one with TLS."""
        self.folder = folder
        self.port = port
        self.authorizer = DummyAuthorizer()
        self._handler = handler
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="ftp-server", daemon=True)

    def __enter__(self) -> Self:
        """Start it. Raises PortTakenError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        logger = logging.getLogger("pyftpdlib")
        logger.setLevel(logging.WARNING)
        logger.addHandler(logging.NullHandler())  # else it would set up logging of its own
        self.authorizer.add_user(USER, PASSWORD, str(self.folder), perm=_EVERYTHING)
        handler = type("Handler", (self._handler,), {"authorizer": self.authorizer})
        self._loop = IOLoop()
        self._server = FTPServer(bind(self.port, PORT_OPTION), handler, ioloop=self._loop, backlog=20)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._loop.loop(timeout=_TURN_SECONDS, blocking=False)
        self._server.close_all()
        self._loop.close()
