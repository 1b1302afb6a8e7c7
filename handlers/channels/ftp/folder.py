"""One folder of an FTP server: which of its files are whole, and how one is taken.

FTP has no If-Match, so a file is claimed before it is taken: renamed to `{name}.{id}.taking`. A newer file of
the same name is then another file, and a process that dies leaves a name that tells the next one what to do.
Where a server does not let us rename, and where the files are to stay, a file is taken where it lies and
remembered.
"""

import logging
import re
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import NamedTuple

from events import BodyTooLarge, Channel, Delivery, EmptyBody, EventError
from handlers.app import App
from handlers.channels.completeness import PATIENCE, is_complete, is_temporary
from handlers.channels.ftp.memory import Seen
from handlers.channels.ftp.session import FtpRefusal, FtpSession, Listed, shown, wire
from handlers.channels.ftp.sources import FtpSource
from handlers.ids import derived_id, time_of
from handlers.pipeline.receive import keep_refused, keep_unread, receive
from handlers.problems import ProblemDetails, problem_document

_log = logging.getLogger("printiq.ftp")

# A folder that looks empty may only be a disk that is not there today.
_FORGOTTEN_AFTER = timedelta(days=7)
# With an id of ours, of a time within some centuries: whatever else is called so is a file like any other.
_CLAIMED = re.compile(
    r"(?P<name>.+)\.(?P<id>0[0-9a-f]{7}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})\.taking",
    re.DOTALL,
)


class Folder:
    """Look at one folder, and take what lies in it.

    `files` is what is remembered of it. Sessions must have entered it. Every method raises FtpTrouble.
    """

    def __init__(self, path: str, event: str, files: dict[str, Seen], source: FtpSource, app: App) -> None:
        self.path = path
        self._event = event
        self._files = files
        self._source = source
        self._app = app
        self._claims = source.after != "keep"

    # -- looking ------------------------------------------------------------------------------------------

    async def look(self, session: FtpSession) -> bool:
        """Note what is new and forget what is gone; tell whether anything is new. Raises FtpRefusal."""
        listed = {
            each.name: each
            for each in await session.listing()
            if not each.folder and not is_temporary(each.name)
        }
        self._forget(listed.keys())
        new: list[tuple[str, Seen]] = []
        for name, each in listed.items():
            before = self._files.get(name)
            if before is None or (before.size, before.marker) != (each.size, each.marker):
                now = await self._look_closer(session, each)
                if now is None:
                    continue
                if before is None or before.size != now.size or not _is_same_time(before.time, now.time):
                    new.append((name, now))
                    continue
                # the same time, which the server only shows in another way
                before.marker, before.time = now.marker, now.time
            before.stable, before.gone = True, None
        self._remember(new)
        return bool(new)

    def _forget(self, listed: AbstractSet[str]) -> None:
        """Forget what is gone, but what was taken and left there only after a while: it may come back."""
        now = datetime.now(UTC)
        for name in self._files.keys() - listed:
            seen = self._files[name]
            seen.gone = seen.gone or now
            if not seen.taken or now - seen.gone > _FORGOTTEN_AFTER:
                del self._files[name]

    async def _look_closer(self, session: FtpSession, listed: Listed) -> Seen | None:
        size, at = listed.size, listed.marker
        if not session.exact or size is None or not at:
            try:
                state = await session.state(listed.name)
            except FtpRefusal as refusal:  # perhaps somebody is writing it
                said = f"the server does not tell its state: {refusal}"
                _log.warning("%s is left alone for now: %s", self._place(listed.name), said)
                return None
            if state is None:
                return None  # gone meanwhile
            size, at = state.size if state.size is not None else size, state.time or at
        if size is None:
            _log.warning("%s is left alone: the server does not tell its size", self._place(listed.name))
            return None
        return Seen(size=size, marker=listed.marker, time=at, since=datetime.now(UTC))

    def _remember(self, new: list[tuple[str, Seen]]) -> None:
        """Stamp what is new with this moment, a millisecond apart in the order of the server's own times."""
        new.sort(key=lambda each: (each[1].time, each[0]))
        now = datetime.now(UTC)
        for younger, (name, seen) in enumerate(reversed(new)):
            seen.since = now - timedelta(milliseconds=younger)
            self._files[name] = seen

    def waiting(self) -> list[str]:
        """Name the files that did not change between two looks, and are not done with; the oldest first."""
        ready = [
            (seen.since, name)
            for name, seen in self._files.items()
            if seen.stable and not seen.gone and (not seen.taken or self._claims or _CLAIMED.fullmatch(name))
        ]
        return [name for _, name in sorted(ready)]

    def _place(self, name: str) -> str:
        return f"{self._source.name}:{self.path.rstrip('/')}/{shown(name)}"

    # -- taking -------------------------------------------------------------------------------------------

    async def take(self, session: FtpSession, name: str) -> bool:
        """Take a file that waits, and put it away; tell whether it came into custody now.

        A file that is not whole is left, and so is one that changed. Raises FtpRefusal, NoCustody.
        """
        file = self._file(name)
        body = b""
        if not file.seen.taken:
            whole = await self._read_whole(session, file)
            if whole is None:
                return False
            body = whole
        if self._claims and not file.claimed:
            file = await self._claim(session, file)
        fresh = not file.seen.taken
        if fresh:
            if not await self._is_what_was_read(session, file, body):
                del self._files[file.name]  # replaced at the last moment: the next look finds the newer one
                return False
            await self._receive(session, file, body)
        if file.claimed:
            await self._put_away(session, file)
        return fresh

    def _file(self, name: str) -> "_File":
        seen = self._files[name]
        if claimed := _CLAIMED.fullmatch(name):
            return _File(name, claimed["name"], claimed["id"], seen)
        identity = (Channel.FTP, self._source.name, f"{self.path}/{name}", str(seen.size), seen.time)
        return _File(name, name, derived_id(seen.since, *identity), seen)

    async def _read_whole(self, session: FtpSession, file: "_File") -> bytes | None:
        """Read a file, None if it is not whole yet; nothing is read of one that is empty or too large."""
        seen, given_up = file.seen, file.seen.quiet >= PATIENCE
        if not seen.size or self._too_large(seen):
            return b"" if given_up else None
        body = await session.read(file.name, seen.size)
        if body is None:
            del self._files[file.name]  # it grew or shrank meanwhile: the next look begins anew
            return None
        return body if given_up or await is_complete(body) else None

    async def _is_what_was_read(self, session: FtpSession, file: "_File", body: bytes) -> bool:
        state, seen = await session.state(file.name), file.seen
        if state is None:
            return False
        if state.size is not None and state.time:
            return (state.size, state.time) == (seen.size, seen.time)
        # a server that tells little of a file: only reading it again shows that it is the same
        return self._too_large(seen) or await session.read(file.name, seen.size) == body

    def _too_large(self, seen: Seen) -> bool:
        return seen.size > self._app.settings.max_body_bytes

    async def _claim(self, session: FtpSession, file: "_File") -> "_File":
        """Rename a file so that it is ours, if the server lets us."""
        name = f"{file.own_name}.{file.id}.taking"
        try:
            await session.rename(file.name, name)
        except FtpRefusal as refusal:
            if await session.state(file.name) is None:
                raise  # somebody else took it, or took it away
            self._claims = False
            _log.error(
                "%s cannot be renamed: %s. What lies in this folder is taken, left there and remembered. "
                "Allow the user to rename files, or set `after` to keep.",
                self._place(file.name),
                refusal,
            )
            return file
        self._files[name] = self._files.pop(file.name)
        return file._replace(name=name)

    async def _receive(self, session: FtpSession, file: "_File", body: bytes) -> None:
        delivery = Delivery(
            id=file.id,
            event=self._event,
            body=body,
            channel=Channel.FTP,
            received_at=time_of(file.id),
            file=self._place(file.own_name),
        )
        try:
            await self._take_custody(session, file, delivery)
        except EventError as error:
            document = problem_document(
                ProblemDetails.of(error), id=delivery.id, event=delivery.event, file=delivery.file
            )
            file.seen.problem = document.decode()
            _log.warning(
                "%s was refused and set aside in quarantine as %s: %s",
                delivery.file,
                delivery.id,
                error.title,
            )
        file.seen.taken = True

    async def _take_custody(self, session: FtpSession, file: "_File", delivery: Delivery) -> None:
        if self._too_large(file.seen):
            error = BodyTooLarge.of(file.seen.size, self._app.settings.max_body_bytes)
            await keep_unread(delivery, session.stream(file.name), error, self._app)
            raise error
        try:
            await receive(delivery, self._app)
        except EmptyBody as error:
            await keep_refused(delivery, error, self._app)
            raise

    async def _put_away(self, session: FtpSession, file: "_File") -> None:
        """Remove a claimed file that is in custody, or move it to where the source wants it."""
        try:
            if file.seen.problem is not None:
                await self._move(session, file, wire(self._source.failed))
            elif self._source.after == "move":
                await self._move(session, file, wire(self._source.processed))
            else:
                await session.delete(file.name)
        except FtpRefusal as refusal:
            _log.error(
                "%s is in custody as %s, but could not be put away: %s. It is tried again in a minute.",
                self._place(file.own_name),
                file.id,
                refusal,
            )
            return
        del self._files[file.name]

    async def _move(self, session: FtpSession, file: "_File", folder: str) -> None:
        target = f"{folder}/{file.own_name}"
        if await session.state(target) is not None:
            own = PurePosixPath(file.own_name)
            target = f"{folder}/{own.stem}.{file.id}{own.suffix}"
        try:
            await _move_to(session, file, target)
        except FtpRefusal:
            await session.make_folder(folder)
            await _move_to(session, file, target)


class _File(NamedTuple):
    """Be a file on its way: `name` is what it is called now, `own_name` what it was called when it came."""

    name: str
    own_name: str
    id: str
    seen: Seen

    @property
    def claimed(self) -> bool:
        return self.name != self.own_name


def _is_same_time(before: str, now: str) -> bool:
    """Tell whether a file's time is what it was.

    Once a file is half a year old, LIST shows the year in place of its time of day: `Aug 16 14:23` becomes
    `Aug 16  2026`. A time of day that comes back is taken for a newer file's.
    """
    day, _, clock = before.rpartition(" ")
    day_now, _, year = now.rpartition(" ")
    return before == now or (":" in clock and year.isdigit() and day.rstrip() == day_now.rstrip())


async def _move_to(session: FtpSession, file: _File, target: str) -> None:
    if file.seen.problem is not None:
        await session.write(f"{target}.problem.json", file.seen.problem.encode())
    await session.rename(file.name, target)
