"""A session with an FTP server. Nothing here knows of events.

It drives the standard library's ftplib in a thread of its own. asyncio cannot resume the TLS session of the
control connection on the data connections, which vsftpd, ProFTPD and FileZilla Server demand; ftplib can be
made to. A server that hangs occupies only its own thread.

Names are the bytes that the server sent, decoded as Latin-1 so that every byte survives the round trip;
`shown` makes them readable.
"""

import asyncio
import contextlib
import ftplib
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, override

from handlers.channels.ftp.sources import FtpSource
from handlers.channels.names import printable

_CONNECT_SECONDS = 15
_SILENCE_SECONDS = 30
_CHUNK = 256 * 1024
_LONGEST_SHOWN = 200
# More than 100,000 files.
_LONGEST_LISTING = 16 * 1024 * 1024
_WIRE = "latin-1"


class FtpTrouble(Exception):
    """The reason why the server cannot be used now; the text may be logged."""


class FtpRefusal(Exception):
    """The reason why the server did not do one thing; the session goes on. The text may be logged."""


class Listed(NamedTuple):
    """A file in a listing; `marker` changes whenever the server shows another time."""

    name: str
    size: int | None
    marker: str


class Listing(NamedTuple):
    """The content of a folder; `unread` are the lines of links, devices and anything that cannot be read."""

    files: list[Listed]
    folders: list[str]
    unread: list[str]


class State(NamedTuple):
    """A file's exact size and time, as far as the server shows them."""

    size: int | None
    time: str


def shown(name: str) -> str:
    """Return a name for people: read as UTF-8, else as Windows' Western European."""
    raw = name.encode(_WIRE)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def wire(name: str) -> str:
    """Return a name from a setting as modern servers spell it: in UTF-8."""
    return name.encode().decode(_WIRE)


class FtpSession:
    """A connection to a server, which does one thing at a time.

    Every method raises FtpTrouble, after which the session is unusable, and FtpRefusal where documented.
    """

    def __init__(self, source: FtpSource) -> None:
        self._source = source
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ftp")
        self._ftp: ftplib.FTP | None = None
        self._data: socket.socket | None = None
        self._features: set[str] = set()
        self.home = "/"

    @classmethod
    @asynccontextmanager
    async def open(cls, source: FtpSource) -> AsyncIterator["FtpSession"]:
        """Connect and log in; log out at the end, or hang up where something went wrong."""
        session = cls(source)
        try:
            try:
                await session._run(session._connect)
            except FtpRefusal as refusal:
                raise FtpTrouble(str(refusal)) from None
            yield session
            await session._run(session._quit)
        finally:
            session._cut()

    # -- what can be done there ---------------------------------------------------------------------------

    @property
    def exact(self) -> bool:
        """Whether the listing itself shows sizes and times to the second."""
        return "MLST" in self._features

    async def enter(self, path: str) -> str:
        """Make a folder the current one and return its absolute path. Raises FtpRefusal."""
        absolute = self.absolute(path)
        try:
            await self._run(self._command, f"CWD {wire(absolute)}")
        except FtpRefusal:
            older = absolute.encode("cp1252", "replace").decode(_WIRE)
            if older == wire(absolute):
                raise
            await self._run(self._command, f"CWD {older}")
        return absolute

    def absolute(self, path: str) -> str:
        """Return a path from the root; without a leading slash it begins at the folder after login."""
        return path if path.startswith("/") else f"{self.home.rstrip('/')}/{path}".rstrip("/") or "/"

    async def listing(self) -> Listing:
        """Return the content of the current folder. Raises FtpRefusal."""
        return await self._run(self._list)

    async def state(self, name: str) -> State | None:
        """Return the state of a file, None if there is no such file."""
        return await self._run(self._state, name)

    async def read(self, name: str, size: int) -> bytes | None:
        """Read all of a file, None if it has more or fewer bytes than `size`. Raises FtpRefusal."""
        return await self._run(self._read, name, size)

    async def stream(self, name: str) -> AsyncIterator[bytes]:
        """Read a file in chunks. Raises FtpRefusal."""
        data = await self._run(self._begin, f"RETR {name}")
        while chunk := await self._run(data.recv, _CHUNK):
            yield chunk
        await self._run(self._end, data)

    async def write(self, name: str, body: bytes) -> None:
        """Write a file, replacing one of that name. Raises FtpRefusal."""
        await self._run(self._write, name, body)

    async def rename(self, name: str, new: str) -> None:
        """Rename a file, or move it. Raises FtpRefusal."""
        await self._run(self._rename, name, new)

    async def delete(self, name: str) -> None:
        """Delete a file. Raises FtpRefusal."""
        await self._run(self._command, f"DELE {name}")

    async def make_folder(self, path: str) -> None:
        """Make a folder, unless the server refuses: it may exist."""
        with contextlib.suppress(FtpRefusal):
            await self._run(self._command, f"MKD {path}")

    # -- the thread ---------------------------------------------------------------------------------------

    async def _run[*Ts, T](self, call: Callable[[*Ts], T], *args: *Ts) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, call, *args)
        except ftplib.Error as error:
            reason = self._cleaned(str(error))
            if isinstance(error, ftplib.error_perm) or reason.startswith(_BUSY):
                raise FtpRefusal(reason) from None  # the cause could hold what was sent, and so the password
            raise FtpTrouble(reason) from None
        except ssl.SSLCertVerificationError as error:
            raise FtpTrouble(
                f"the server's certificate is not trusted: {error.verify_message}. If a private "
                "authority signed it, give its certificate as `ca`; the server's must be for the name in "
                "`host`"
            ) from None
        except EOFError:
            raise FtpTrouble("the server ended the connection") from None
        except OSError as error:
            raise FtpTrouble(self._cleaned(str(error) or type(error).__name__)) from None

    def _cleaned(self, reply: str) -> str:
        """Remove credentials that a reply may echo."""
        for secret in (self._source.password.get_secret_value(), self._source.user):
            if secret:
                reply = reply.replace(secret, "…").replace(wire(secret), "…")
        return printable(" ".join(reply.split()))[:_LONGEST_SHOWN]

    def _cut(self) -> None:
        """Close the connection, even while the thread waits for it."""
        for each in (self._data, self._ftp.sock if self._ftp else None):
            if each is not None:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                with contextlib.suppress(OSError):
                    each.close()
        self._thread.shutdown(wait=False)

    @property
    def _open(self) -> ftplib.FTP:
        assert self._ftp is not None
        return self._ftp

    # -- what happens in it -------------------------------------------------------------------------------

    def _connect(self) -> None:
        source = self._source
        if source.tls == "none":
            self._ftp = ftplib.FTP(timeout=_CONNECT_SECONDS, encoding=_WIRE)
        else:
            self._ftp = _Tls(_context(source.ca), implicit=source.tls == "implicit")
        ftp = self._ftp
        ftp.connect(source.host, int(source.address.rpartition(":")[2]))
        if isinstance(ftp, _Tls) and source.tls == "explicit":
            self._secure(ftp)
        ftp.login(wire(source.user), wire(source.password.get_secret_value()))
        if isinstance(ftp, _Tls):
            ftp.prot_p()
        assert ftp.sock is not None
        ftp.sock.settimeout(_SILENCE_SECONDS)
        ftp.timeout = _SILENCE_SECONDS
        with contextlib.suppress(ftplib.error_perm):
            lines = ftp.sendcmd("FEAT").splitlines()[1:-1]
            self._features = {line.split()[0].upper() for line in lines if line.strip()}
        if "UTF8" in self._features:
            with contextlib.suppress(ftplib.error_perm):
                ftp.sendcmd("OPTS UTF8 ON")
        ftp.voidcmd("TYPE I")
        with contextlib.suppress(ftplib.error_perm):
            self.home = shown(ftp.pwd())

    def _secure(self, ftp: "_Tls") -> None:
        try:
            ftp.auth()
        except ftplib.error_perm as error:
            raise OSError(
                f"the server offers no TLS ({error}); if the network between is safe, set `tls` to none"
            ) from None

    def _quit(self) -> None:
        with contextlib.suppress(ftplib.Error, OSError, EOFError):  # the work is done, whatever the reply
            self._open.quit()

    def _command(self, command: str) -> None:
        self._open.voidcmd(_one_line(command))

    def _list(self) -> Listing:
        if self.exact:
            return _listing(map(_of_facts, self._lines("MLSD")))
        read = [_of_line(line) for line in self._lines("LIST") if line and not line.startswith("total ")]
        if any(isinstance(each, _Unread) and not each.known for each in read):  # ask for the names alone
            return Listing([Listed(name, None, "") for name in self._lines("NLST") if name], [], [])
        return _listing(read)

    def _lines(self, command: str) -> Iterator[str]:
        data = self._begin(command)
        content = BytesIO()
        while chunk := data.recv(_CHUNK):
            content.write(chunk)
            if content.tell() > _LONGEST_LISTING:
                raise OSError(
                    f"the listing of a folder is longer than {_LONGEST_LISTING >> 20} MB. Move old files away"
                )
        self._end(data)
        for line in content.getvalue().split(b"\n"):
            yield line.removesuffix(b"\r").decode(_WIRE)

    def _state(self, name: str) -> State | None:
        try:
            if self.exact:
                answer = self._open.sendcmd(_one_line(f"MLST {name}")).splitlines()
                found = _of_facts(answer[1].lstrip()) if len(answer) > 1 else None
                return State(found.size, found.marker) if isinstance(found, Listed) else None
            size = self._ask("SIZE", name)
            return State(int(size) if size else None, self._ask("MDTM", name))
        except ftplib.error_perm as error:
            if str(error).startswith("550"):
                return None
            raise

    def _ask(self, command: str, name: str) -> str:
        """Ask for one property of a file; return "" where the server does not know the command."""
        try:
            return self._open.sendcmd(_one_line(f"{command} {name}")).partition(" ")[2].strip()
        except ftplib.error_perm as error:
            if str(error).startswith("550"):
                raise
            return ""

    def _read(self, name: str, size: int) -> bytes | None:
        data = self._begin(f"RETR {name}")
        chunks, length = [], 0
        while length <= size and (chunk := data.recv(_CHUNK)):
            chunks.append(chunk)
            length += len(chunk)
        if length > size:
            data.close()
            with contextlib.suppress(ftplib.error_temp):  # the server may object to the early end
                self._end(data)
            return None
        self._end(data)
        return b"".join(chunks) if length == size else None

    def _write(self, name: str, body: bytes) -> None:
        data = self._begin(f"STOR {name}")
        data.sendall(body)
        if isinstance(data, ssl.SSLSocket):
            with contextlib.suppress(OSError):  # some servers insist on a proper end, others ignore it
                data.unwrap()
        self._end(data)

    def _rename(self, name: str, new: str) -> None:
        self._open.rename(_one_line(name), _one_line(new))

    def _begin(self, command: str) -> socket.socket:
        self._data = self._open.transfercmd(_one_line(command))
        return self._data

    def _end(self, data: socket.socket) -> None:
        data.close()
        self._data = None
        self._open.voidresp()


# Replies about one file: it is busy, its folder is full, or something went wrong with it.
_BUSY = ("450", "451", "452")


def _one_line(command: str) -> str:
    if "\r" in command or "\n" in command:
        raise ftplib.error_perm("553 A name with a line break cannot be sent")
    return command


class _Tls(ftplib.FTP_TLS):
    """ftplib's FTPS with implicit TLS, and data connections that resume the control connection's session."""

    def __init__(self, context: ssl.SSLContext, *, implicit: bool) -> None:
        super().__init__(context=context, timeout=_CONNECT_SECONDS, encoding=_WIRE)
        self._implicit = implicit

    @override
    def connect(
        self,
        host: str = "",
        port: int = 0,
        timeout: float = -999,
        source_address: tuple[str, int] | None = None,
    ) -> str:
        if not self._implicit:
            return super().connect(host, port, timeout, source_address)
        self.host = host
        plain = socket.create_connection((host, port), self.timeout)
        self.af = plain.family
        self.sock = self.context.wrap_socket(plain, server_hostname=host)
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome

    @override
    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        plain, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        control = self.sock
        assert isinstance(control, ssl.SSLSocket)
        try:
            secure = self.context.wrap_socket(plain, server_hostname=self.host, session=control.session)
        except BaseException:
            plain.close()
            raise
        return secure, size


def _context(ca: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca:
        text = ca if "-----BEGIN" in ca else Path(ca).read_text("utf-8")
        context.load_verify_locations(cadata=text)
        # Private authorities rarely have every extension that the strict form of the standard asks for.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


# -- listings -----------------------------------------------------------------------------------------------


class _Folder(NamedTuple):
    name: str


class _Unread(NamedTuple):
    """A line that is no file or folder; `known` where its form is read, and it is a link or a device."""

    line: str
    known: bool


type _Entry = Listed | _Folder | _Unread | None


def _listing(entries: Iterable[_Entry]) -> Listing:
    listing = Listing([], [], [])
    for entry in entries:
        match entry:
            case Listed():
                listing.files.append(entry)
            case _Folder() if entry.name not in {".", ".."}:
                listing.folders.append(entry.name)
            case _Unread():
                listing.unread.append(entry.line)
    return listing


def _of_facts(line: str) -> _Entry:
    """Read a line of MLSD or MLST (RFC 3659): `type=file;size=12;modify=20261124064512; name`."""
    facts, blank, name = line.partition(" ")
    if not line:
        return None
    if not blank or not name:
        return _Unread(line, known=False)
    values = {
        key.lower(): value for key, _, value in (fact.partition("=") for fact in facts.split(";") if fact)
    }
    kind = values.get("type", "file").lower()
    if kind in {"cdir", "pdir"}:
        return None
    if kind == "dir":
        return _Folder(name)
    if kind != "file":
        return _Unread(line, known=True)
    size = values.get("size", "")
    return Listed(name, int(size) if size.isdigit() else None, values.get("modify", ""))


_UNIX = re.compile(
    r"(?P<kind>[-dlbcps])[-rwxsStTlL]{9}\S*\s+\d+\s+\S.*?\s(?P<size>\d+)\s+"
    r"(?P<time>\S{3,4}\.?\s+\d{1,2}\s+(?:\d{1,2}:\d\d|\d{4})|"
    r"\d{1,2}\.?\s+\S{3,4}\.?\s+(?:\d{1,2}:\d\d|\d{4})|\d{4}-\d\d-\d\d\s+\d\d:\d\d)"
    r"\s(?P<name>.+)"
)
_DOS = re.compile(
    r"(?P<time>\d{2,4}[-/.]\d\d[-/.]\d{2,4}\s+\d{1,2}:\d\d(?::\d\d)?\s*(?:[AP]M)?)\s+"
    r"(?:(?P<kind><[A-Z]+>)|(?P<size>[\d,.]+))\s(?P<name>.+)",
    re.IGNORECASE,
)


def _of_line(line: str) -> _Entry:
    """Read a line of LIST, which no standard describes: as Unix or as Windows writes it."""
    found = _UNIX.fullmatch(line) or _DOS.fullmatch(line)
    if found is None:
        return _Unread(line, known=False)
    kind, name, size = found["kind"] or "-", found["name"], found["size"]
    if kind.upper() in {"D", "<DIR>"}:
        return _Folder(name.lstrip() if size is None else name)
    if size is None or kind != "-":
        return _Unread(line, known=True)
    return Listed(name, int(re.sub(r"\D", "", size)), found["time"])
