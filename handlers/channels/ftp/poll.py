"""FTP: every minute the folders of each configured server are looked at, and what is whole is taken."""

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass, field

from events import EventError, EventType
from handlers import telemetry
from handlers.app import App
from handlers.channels.ftp.folder import Folder
from handlers.channels.ftp.memory import Memory, NotRemembered
from handlers.channels.ftp.session import FtpRefusal, FtpSession, FtpTrouble, shown
from handlers.channels.ftp.sources import FtpSource, SourcesError, read_sources
from handlers.errors import Conflict, NoCustody, StorageFault
from handlers.settings import named
from handlers.stores import ContainerName, Held

_log = logging.getLogger("printiq.ftp")

# Between the two looks that show whether a file still changes.
LOOK_SECONDS = 5
# A run begins nothing new after this, so that the next minute's can begin: no source waits for another.
_RUN_SECONDS = 50
# One large file may take longer. The function itself ends after ten minutes.
_LONGEST_RUN_SECONDS = 540
# A server that breaks off at one file is connected to again, and that file left for the next run.
_CONNECTIONS = 3
_FILES_PER_CONNECTION = 20
_SAVE_EVERY_SECONDS = 10
_PROGRESS_EVERY = 500


async def poll(app: App) -> None:
    """Poll every source. One that fails is no hindrance to the others."""
    try:
        sources = read_sources(app.settings.ftp_sources.get_secret_value(), named)
    except SourcesError as error:
        _log.error("No FTP source is polled, because the setting FTP_SOURCES is wrong: %s", error)
        return
    await asyncio.gather(*(_poll(source, app) for source in sources))


async def _poll(source: FtpSource, app: App) -> None:
    blob = f"{source.name}.json"
    reachable = False
    try:
        async with app.stores.blobs.hold(ContainerName.FTP, blob) as held:
            memory = await Memory.recall(held)
            if not memory.pausing:
                async with asyncio.timeout(_LONGEST_RUN_SECONDS):
                    await _Run(source, app, held, memory).run()
            reachable = not memory.failures
    except Conflict:
        _log.info("FTP source %s: another instance is polling it", source.name)
        return  # and tells of it
    except NotRemembered as error:
        said = f"{error}. Delete the blob {ContainerName.FTP}/{blob} to begin anew"
        _log.error("FTP source %s is not polled: %s.", source.name, said)
    except (StorageFault, NoCustody) as error:
        _log.error("FTP source %s: %s. It goes on in a minute.", source.name, error)
    except TimeoutError:
        _log.error("FTP source %s: given up after %d s", source.name, _LONGEST_RUN_SECONDS)
    except Exception:  # noqa: BLE001 - the other sources go on
        _log.exception("FTP source %s: an error of the app itself", source.name)
    telemetry.ftp(source.name, reachable=reachable)


@dataclass
class _Run:
    """Be one run of one source."""

    source: FtpSource
    app: App
    held: Held
    memory: Memory
    started: float = field(default_factory=time.monotonic)
    saved: bytes = b""
    saved_at: float = field(default_factory=time.monotonic)
    left: set[str] = field(default_factory=set)
    taken: int = 0

    async def run(self) -> None:
        self.saved = self.memory.model_dump_json().encode()
        try:
            await self._connect_and_work()
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
                    _log.error(
                        "FTP source %s cannot be polled at %s: %s (%s)",
                        self.source.name,
                        self.source.address,
                        trouble,
                        self.memory.failed(),
                    )
                    return
                _log.info("FTP source %s: connecting again", self.source.name)
            else:
                break
        if self.memory.failures:
            _log.info("FTP source %s can be polled again", self.source.name)
            self.memory.recovered()

    async def _work(self, session: FtpSession) -> None:
        folders = await self._folders(session)
        fresh = [folder for folder in folders if await self._look(session, folder)]
        await self._save()
        if fresh:
            await asyncio.sleep(LOOK_SECONDS)
        for folder in folders:
            if folder in fresh:
                await self._look(session, folder)
            if waiting := folder.waiting():
                await self._take_from(session, folder, waiting)

    async def _folders(self, session: FtpSession) -> list[Folder]:
        if self.source.folders:
            named = [(path, event) for path, event in self.source.folders.items()]
        else:
            named = await self._folders_of_events(session)
        return [
            Folder(
                path,
                EventType.named(event),
                self.memory.folders.setdefault(path, {}),
                self.source,
                self.app,
            )
            for path, event in named
        ]

    async def _folders_of_events(self, session: FtpSession) -> list[tuple[str, str]]:
        found, ignored = [], []
        try:
            home = await session.enter(self.source.folder)
            listed = await session.listing()
        except FtpRefusal as refusal:
            raise FtpTrouble(
                f"the folder {self.source.folder or 'after login'} cannot be listed: {refusal}"
            ) from None
        for name in [shown(each.name) for each in listed if each.folder]:
            try:
                EventType.named(name)
            except EventError:
                ignored.append(name)
            else:
                found.append((f"{home.rstrip('/')}/{name}", name))
        if ignored:
            names = ", ".join(sorted(ignored)[:10])
            _log.warning("FTP source %s: folders of no event are left alone: %s", self.source.name, names)
        return found

    async def _look(self, session: FtpSession, folder: Folder) -> bool:
        try:
            await session.enter(folder.path)
            return await folder.look(session)
        except FtpRefusal as refusal:
            said = f"the folder {folder.path} cannot be looked at: {refusal}"
            _log.error("FTP source %s: %s", self.source.name, said)
            return False

    async def _take_from(self, session: FtpSession, folder: Folder, waiting: list[str]) -> None:
        try:
            await session.enter(folder.path)
        except FtpRefusal as refusal:
            # the look says so as an error
            _log.info("FTP source %s: nothing is taken from %s: %s", self.source.name, folder.path, refusal)
            return
        await self._take(session, folder, waiting)

    async def _take(self, session: FtpSession, folder: Folder, waiting: list[str]) -> None:
        """Take one file after the other, over more connections if there are many, while there is time."""
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
            left = len(names)
            _log.info(
                "FTP source %s: %d files wait in %s for the next run", self.source.name, left, folder.path
            )

    async def _help(self, folder: Folder, names: deque[str]) -> None:
        try:
            async with FtpSession.open(self.source) as session:
                await session.enter(folder.path)
                await self._take_each(session, folder, names)
        except (FtpTrouble, FtpRefusal) as trouble:
            _log.info("FTP source %s: one connection less: %s", self.source.name, trouble)

    async def _take_each(self, session: FtpSession, folder: Folder, names: deque[str]) -> None:
        while names and not self._over:
            name = names.popleft()
            place = f"{folder.path}/{shown(name)}"
            if place in self.left:
                continue
            try:
                taken = await folder.take(session, name)
            except FtpRefusal as refusal:
                said = f"{place} could not be taken: {refusal}. It is tried again in a minute"
                _log.warning("FTP source %s: %s.", self.source.name, said)
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
        return time.monotonic() - self.started > _RUN_SECONDS or self.held.lost

    def _count(self, *, taken: bool, waiting: int) -> None:
        self.taken += taken
        if taken and self.taken % _PROGRESS_EVERY == 0:
            rate = self.taken / (time.monotonic() - self.started)
            _log.info(
                "FTP source %s: %d files taken, %.0f a second; %d more wait",
                self.source.name,
                self.taken,
                rate,
                waiting,
            )

    async def _save(self, *, every: float = 0) -> None:
        """Keep what is remembered, if it changed; with `every`, at most once in so many seconds."""
        now = time.monotonic()
        if now - self.saved_at < every:
            return
        self.saved_at = now
        body = self.memory.model_dump_json().encode()
        if body != self.saved:
            await self.held.write(body)
            self.saved = body
