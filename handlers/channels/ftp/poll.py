"""FTP: every minute, look into the folders of each configured server and take what is complete."""

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from posixpath import join, normpath

from events import EventError, EventType
from handlers import telemetry
from handlers.app import App
from handlers.channels.ftp.folder import Folder
from handlers.channels.ftp.memory import Memory, NotRemembered
from handlers.channels.ftp.session import FtpRefusal, FtpSession, FtpTrouble, shown
from handlers.channels.ftp.sources import FtpSource, SourcesError, read_sources
from handlers.channels.names import printable
from handlers.errors import Conflict, NoCustody, StorageFault
from handlers.settings import named
from handlers.stores import ContainerName, Held

_log = logging.getLogger("printiq.ftp")

# A server that breaks off at one file is connected to again, and that file left for the next run.
_CONNECTIONS = 3
_FILES_PER_CONNECTION = 20
_SAVE_EVERY_SECONDS = 10
_MOST_FOLDERS = 500


async def poll(app: App) -> None:
    """Poll all sources at the same time. One that fails or is slow does not stop the others."""
    try:
        sources = read_sources(app.settings.ftp_sources.get_secret_value())
    except SourcesError as error:
        _log.error("No FTP source is polled, because the setting FTP_SOURCES is wrong: %s", error)
        return
    await asyncio.gather(*(_poll(source, app) for source in sources))


async def _poll(source: FtpSource, app: App) -> None:
    blob = f"{source.name}.json"
    reachable = False
    try:
        source = source.with_password(named)
        async with app.stores.blobs.hold(ContainerName.FTP, blob) as held:
            memory = await Memory.recall(held)
            if not memory.is_pausing(app.timings):
                await _Run(source, app, held, memory).run()
            reachable = not memory.failures
    except Conflict:
        _log.info("FTP source %s: another instance is polling it", source.name)
        return  # which reports on it
    except SourcesError as error:
        _log.error("FTP source %s is not polled: %s", source.name, error)
    except NotRemembered as error:
        hint = f"Delete the blob {ContainerName.FTP}/{blob} to begin anew"
        _log.error("FTP source %s is not polled: %s. %s.", source.name, error, hint)
    except (StorageFault, NoCustody) as error:
        _log.error("FTP source %s: %s. It goes on in a minute.", source.name, error)
    except Exception:  # noqa: BLE001 - the other sources go on
        _log.exception("FTP source %s: an error of the app itself", source.name)
    telemetry.ftp(source.name, reachable=reachable)


@dataclass
class _Run:
    """One run of one source."""

    source: FtpSource
    app: App
    held: Held
    memory: Memory
    started: datetime = field(init=False)
    saved: bytes = b""
    saved_at: float = field(default_factory=time.monotonic)
    left: set[str] = field(default_factory=set)
    taken: int = 0

    def __post_init__(self) -> None:
        self.started = self.app.timings.now()
        self.saved = self.memory.model_dump_json().encode()

    async def run(self) -> None:
        try:
            async with asyncio.timeout(self.source.timeout):
                await self._connect_and_work()
        except TimeoutError:
            self._note_failure(f"a run took longer than its `timeout` of {self.source.timeout} s")
        finally:
            if self.taken:
                _log.info("FTP source %s: %d files taken", self.source.name, self.taken)
            await self._save()

    async def _connect_and_work(self) -> None:
        for connection in range(1, _CONNECTIONS + 1):
            connected = False
            try:
                async with FtpSession.open(self.source) as session:
                    connected = True
                    await self._work(session)
            except FtpTrouble as trouble:
                if not connected or connection == _CONNECTIONS:
                    self._note_failure(str(trouble))
                    return
                _log.info("FTP source %s: connecting again", self.source.name)
            else:
                break
        if self.memory.failures:
            _log.info("FTP source %s can be polled again", self.source.name)
            self.memory.recovered()

    def _note_failure(self, reason: str) -> None:
        _log.error(
            "FTP source %s cannot be polled at %s: %s (%s)",
            self.source.name,
            self.source.address,
            reason,
            self.memory.failed(self.app.timings.now()),
        )

    async def _work(self, session: FtpSession) -> None:
        folders, fresh = await self._look_into_all(session)
        self.memory.keep_folders({folder.path for folder in folders}, self.app.timings.now())
        await self._save()
        if fresh:
            await asyncio.sleep(self.app.timings.ftp_look)
        for folder in folders:
            if folder in fresh:
                await self._look(session, folder)
            if waiting := folder.waiting():
                await self._take_from(session, folder, waiting)

    async def _look_into_all(self, session: FtpSession) -> tuple[list[Folder], list[Folder]]:
        """Look into the events' folders and those below; return all, and those with new files."""
        if self.source.folders:
            roots = list(self.source.folders.items())
        else:
            roots = await self._folders_of_events(session)
        found: list[Folder] = []
        fresh: list[Folder] = []
        # with each folder: how deep to go from there, and the paths that files are moved to
        waiting = deque((self._folder(*root), self.source.depth, frozenset[str]()) for root in roots)
        while waiting and len(found) < _MOST_FOLDERS:
            folder, depth, targets = waiting.popleft()
            found.append(folder)
            if await self._look(session, folder):
                fresh.append(folder)
            here = session.absolute(folder.path)
            targets |= {normpath(join(here, name)) for name in (self.source.processed, self.source.failed)}
            for name in folder.folders:
                if depth and normpath(join(here, name)) not in targets:
                    path = f"{folder.path.rstrip('/')}/{name}"
                    waiting.append((self._folder(path, folder.event), depth - 1, targets))
        if waiting:
            _log.warning(
                "FTP source %s has more than %d folders: the others are left alone",
                self.source.name,
                _MOST_FOLDERS,
            )
        return found, fresh

    def _folder(self, path: str, event: str) -> Folder:
        files = self.memory.folders.setdefault(path, {})
        return Folder(path, EventType.named(event), files, self.source, self.app)

    async def _folders_of_events(self, session: FtpSession) -> list[tuple[str, str]]:
        found, ignored = [], []
        try:
            home = await session.enter(self.source.folder)
            listing = await session.listing()
        except FtpRefusal as refusal:
            raise FtpTrouble(
                f"the folder {self.source.folder or 'after login'} cannot be listed: {refusal}"
            ) from None
        for name in map(shown, listing.folders):
            try:
                EventType.named(name)
            except EventError:
                ignored.append(name)
            else:
                found.append((f"{home.rstrip('/')}/{name}", name))
        if ignored:
            names = printable(", ".join(sorted(ignored)[:10]))
            _log.warning("FTP source %s: folders of no event are left alone: %s", self.source.name, names)
        return found

    async def _look(self, session: FtpSession, folder: Folder) -> bool:
        try:
            await session.enter(folder.path)
            return await folder.look(session)
        except FtpRefusal as refusal:
            _log.error(
                "FTP source %s: the folder %s cannot be looked at: %s", self.source.name, folder.path, refusal
            )
            return False

    async def _take_from(self, session: FtpSession, folder: Folder, waiting: list[str]) -> None:
        try:
            await session.enter(folder.path)
        except FtpRefusal as refusal:
            # the look logged it as an error
            _log.info("FTP source %s: nothing is taken from %s: %s", self.source.name, folder.path, refusal)
            return
        await self._take(session, folder, waiting)

    async def _take(self, session: FtpSession, folder: Folder, waiting: list[str]) -> None:
        """Take the files one by one while there is time, over more connections if there are many."""
        names = deque(waiting)
        more = min(self.source.connections - 1, len(names) // _FILES_PER_CONNECTION)
        helpers = [asyncio.create_task(self._help(folder, names)) for _ in range(more)]
        try:
            await self._take_each(session, folder, names)
            await asyncio.gather(*helpers)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        if names:
            _log.info(
                "FTP source %s: %d files wait in %s for the next run",
                self.source.name,
                len(names),
                folder.path,
            )

    async def _help(self, folder: Folder, names: deque[str]) -> None:
        try:
            async with FtpSession.open(self.source) as session:
                await session.enter(folder.path)
                await self._take_each(session, folder, names)
        except (FtpTrouble, FtpRefusal) as trouble:
            _log.info("FTP source %s: going on with one connection fewer: %s", self.source.name, trouble)

    async def _take_each(self, session: FtpSession, folder: Folder, names: deque[str]) -> None:
        while names and not self._over:
            name = names.popleft()
            place = printable(f"{folder.path}/{shown(name)}")
            if place in self.left:
                continue
            try:
                taken = await folder.take(session, name)
            except FtpRefusal as refusal:
                _log.warning(
                    "FTP source %s: %s could not be taken: %s. The next run tries again.",
                    self.source.name,
                    place,
                    refusal,
                )
            except FtpTrouble as trouble:
                self.left.add(place)
                _log.warning(
                    "FTP source %s: the connection broke at %s: %s", self.source.name, place, trouble
                )
                raise
            else:
                self._count(taken=taken, waiting=len(names))
            await self._save(every=_SAVE_EVERY_SECONDS)

    @property
    def _over(self) -> bool:
        return self._seconds > self.app.timings.ftp_run or self.held.lost

    @property
    def _seconds(self) -> float:
        """How long the run has lasted."""
        return (self.app.timings.now() - self.started).total_seconds()

    def _count(self, *, taken: bool, waiting: int) -> None:
        self.taken += taken
        if taken and self.taken % self.app.timings.ftp_progress == 0:
            rate = self.taken / (self._seconds or 1)
            _log.info(
                "FTP source %s: %d files taken, %.0f a second; %d more wait",
                self.source.name,
                self.taken,
                rate,
                waiting,
            )

    async def _save(self, *, every: float = 0) -> None:
        """Write the memory if it changed, at most once in `every` seconds."""
        now = time.monotonic()
        if now - self.saved_at < every:
            return
        self.saved_at = now
        body = self.memory.model_dump_json().encode()
        if body != self.saved:
            await self.held.write(body)
            self.saved = body
