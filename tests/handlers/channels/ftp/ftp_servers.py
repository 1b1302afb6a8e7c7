"""FTP servers of several kinds, all of them real: with TLS, without MLSD, with ways of their own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import trustme
from OpenSSL import SSL
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler

from tools.host.ftp import PASSWORD, USER, FtpServer
from tools.host.testing import free_port


class WithoutMlsd(FTPHandler):  # type: ignore[misc]  # it has no types
    proto_cmds: ClassVar = {
        name: about for name, about in FTPHandler.proto_cmds.items() if name not in {"MLSD", "MLST"}
    }


class WithoutTimes(FTPHandler):  # type: ignore[misc]  # as above
    proto_cmds: ClassVar = {
        name: about
        for name, about in FTPHandler.proto_cmds.items()
        if name not in {"MLSD", "MLST", "MDTM", "SIZE"}
    }


class Busy(WithoutMlsd):
    """A server that shows nothing of the file busy.json."""

    def ftp_MDTM(self, path: str) -> None:
        if Path(path).name == "busy.json":
            self.respond("450 File is busy.")
        else:
            super().ftp_MDTM(path)


class _WindowsListing(AbstractedFS):  # type: ignore[misc]  # as above
    """A listing as IIS writes it, on a clock that is `hours` ahead."""

    hours = 0

    def format_list(self, basedir: str, listing: list[str], ignore_err: bool = True) -> Iterator[bytes]:
        del ignore_err
        for name in listing:
            path = Path(basedir, name)
            at = time.gmtime(path.stat().st_mtime + self.hours * 3600)
            size = "<DIR>         " if path.is_dir() else f"{path.stat().st_size:14}"
            yield f"{time.strftime('%m-%d-%y  %I:%M%p', at)}       {size} {name}\r\n".encode()


class Windows(WithoutMlsd):
    abstracted_fs = _WindowsListing

    @classmethod
    def set_clock(cls, hours: int) -> None:
        _WindowsListing.hours = hours


class _UnixListing(AbstractedFS):  # type: ignore[misc]  # as above
    """A listing as `ls -l` writes it, on a clock of its own."""

    now = 0.0

    def format_list(self, basedir: str, listing: list[str], ignore_err: bool = True) -> Iterator[bytes]:
        del ignore_err
        for name in listing:
            about = Path(basedir, name).stat()
            shown = "%b %d  %Y" if self.now - about.st_mtime > _HALF_A_YEAR else "%b %d %H:%M"
            at = time.strftime(shown, time.gmtime(about.st_mtime))
            yield f"-rw-r--r--   1 printiq  printiq  {about.st_size:8} {at} {name}\r\n".encode()


_HALF_A_YEAR = 180 * 24 * 3600


class Unix(WithoutTimes):
    abstracted_fs = _UnixListing

    @classmethod
    def set_clock(cls, now: float) -> None:
        _UnixListing.now = now


class _OddListing(AbstractedFS):  # type: ignore[misc]  # as above
    def format_list(self, basedir: str, listing: list[str], ignore_err: bool = True) -> Iterator[bytes]:
        del basedir, ignore_err
        for name in listing:
            yield f"<<{name}>> in a form of its own\r\n".encode()


class Odd(WithoutMlsd):
    abstracted_fs = _OddListing


class Western(FTPHandler):  # type: ignore[misc]  # as above
    """A server from before UTF-8."""

    encoding = "latin-1"


class _Tls(TLS_FTPHandler):  # type: ignore[misc]  # as above
    tls_control_required = True
    tls_data_required = True


class _Implicit(_Tls):
    def handle(self) -> None:
        self.secure_connection(self.ssl_context)
        super().handle()


@dataclass(frozen=True)
class Authority:
    """A certificate authority, trusted or not."""

    ca: trustme.CA = field(default_factory=trustme.CA)

    @property
    def pem(self) -> str:
        return self.ca.cert_pem.bytes().decode()

    def handler(self, *, implicit: bool, name: str = "127.0.0.1") -> type[Any]:
        """Make a handler whose certificate is for this name."""
        certificate = self.ca.issue_cert(name)
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_session_id(b"printiq")
        certificate.configure_cert(context)
        return type("Handler", (_Implicit if implicit else _Tls,), {"ssl_context": context})


@dataclass
class Accidents:
    """A connection that breaks once: before a command, after it, or in the middle of a transfer."""

    commands: list[str] = field(default_factory=list)
    transfers: int = 0
    happened: bool = False
    _at: int = -1
    _after: bool = False
    _in_transfer: int = -1

    def arm(self, at: int, *, after: bool) -> None:
        """Let the command of this number be the last, counted from now on."""
        self.commands, self.happened = [], False
        self._at, self._after, self._in_transfer = at, after, -1

    def arm_transfer(self, number: int) -> None:
        """Let the transfer of this number break off, counted from now on."""
        self.transfers, self.happened = 0, False
        self._at, self._in_transfer = -1, number

    def handler(self, kind: type[Any] = FTPHandler) -> type[Any]:
        accidents = self

        class Dtp(kind.dtp_handler):  # type: ignore[misc,name-defined]  # as above
            begun = broken = False

            def send(self, data: bytes) -> int:
                if self.broken:
                    return 0
                if not self.begun:
                    self.begun = True
                    self.broken = accidents._breaks(accidents.transfers == accidents._in_transfer)
                    accidents.transfers += 1
                if self.broken:
                    self.ioloop.call_later(0, self.cmd_channel.close)
                    return int(super().send(data[: len(data) // 2]))
                return int(super().send(data))

        class Handler(kind):  # type: ignore[misc]  # as above
            dtp_handler = Dtp
            use_sendfile = False

            def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
                breaks = accidents._breaks(len(accidents.commands) == accidents._at)
                accidents.commands.append(line)
                if breaks and not accidents._after:
                    self.close()
                    return
                if breaks:
                    self.respond = lambda *_, **__: None
                super().pre_process_command(line, cmd, arg)
                if breaks:
                    self.close()

        return Handler

    def _breaks(self, now: bool) -> bool:
        breaks = now and not self.happened
        self.happened = self.happened or breaks
        return breaks


def source(server: FtpServer, **changes: object) -> dict[str, object]:
    """Describe a server as the setting FTP_SOURCES does."""
    own = {"name": "shop", "host": "127.0.0.1", "port": server.port, "user": USER, "password": PASSWORD}
    return {**own, "tls": "none", **changes}


@contextmanager
def serve(folder: Path, handler: type[Any] = FTPHandler) -> Iterator[FtpServer]:
    with FtpServer(folder, free_port(), handler) as server:
        yield server
