"""One folder of an FTP server: which of its files are complete, and how one is taken.

FTP has no If-Match, so a file is claimed before it is taken: renamed to `{name}.{id}.taking`. A newer file of
the same name is then another file, and after a crash the name shows where to resume. Where a server does not
allow renaming, and where files are to stay, a file is taken where it is and remembered.
"""

import logging
import re
from datetime import timedelta
from pathlib import PurePosixPath
from typing import NamedTuple

from events import BodyTooLarge, Channel, Delivery, EmptyBody, EventError
from handlers.app import App
from handlers.channels.completeness import is_complete
from handlers.channels.ftp.memory import Seen, forget
from handlers.channels.ftp.session import FtpRefusal, FtpSession, Listed, shown, wire
from handlers.channels.ftp.sources import FtpSource
from handlers.channels.names import is_ignored, printable
from handlers.ids import derived_id, time_of
from handlers.pipeline.receive import keep_refused, keep_unread, receive
from handlers.problems import ProblemDetails, problem_document

_log = logging.getLogger("printiq.ftp")

# Only with an id of ours, whose time is plausible; any other name of this form is the drop's own.
_CLAIMED = re.compile(
    r"(?P<name>.+)\.(?P<id>0[0-9a-f]{7}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})\.taking",
    re.DOTALL,
)
_SHOWN = 5


class Folder:
    """A folder of a source and the files in it.

    `files` is what is remembered of them; `folders` are the names of the sub-folders, once it was looked at.
    Sessions must have entered the folder. Every method raises FtpTrouble.
    """

    def __init__(self, path: str, event: str, files: dict[str, Seen], source: FtpSource, app: App) -> None:
        self.path = path
        self.event = event
        self.folders: list[str] = []
        self._files = files
        self._source = source
        self._app = app
        self._claims = source.after != "keep"

    # -- looking ------------------------------------------------------------------------------------------

    async def look(self, session: FtpSession) -> bool:
        """Note what is new and forget what is gone; return whether anything is new. Raises FtpRefusal."""
        listing = await session.listing()
        self.folders = [shown(name) for name in listing.folders]
        if listing.unread:
            _log.warning(
                "%s: %d entries are left alone, since the listing does not show them as files or folders: %s",
                self._place(""),
                len(listing.unread),
                ", ".join(printable(shown(line)) for line in listing.unread[:_SHOWN]),
            )
        listed = {each.name: each for each in listing.files if not is_ignored(each.name)}
        forget(self._files, listed.keys(), self._app.timings.now())
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
                # the same time, shown in another form
                before.marker, before.time = now.marker, now.time
            before.stable, before.gone = True, None
        self._remember(new)
        return bool(new)

    async def _look_closer(self, session: FtpSession, listed: Listed) -> Seen | None:
        size, at = listed.size, listed.marker
        if not session.exact or size is None or not at:
            try:
                state = await session.state(listed.name)
            except FtpRefusal as refusal:  # perhaps it is being written
                _log.warning(
                    "%s is left alone for now: the server does not show its state: %s",
                    self._place(listed.name),
                    refusal,
                )
                return None
            if state is None:
                _log.warning(
                    "%s is left alone for now: the server lists it and knows no file of that name",
                    self._place(listed.name),
                )
                return None
            size, at = state.size if state.size is not None else size, state.time or at
        if size is None:
            _log.warning("%s is left alone: the server does not show its size", self._place(listed.name))
            return None
        return Seen(size=size, marker=listed.marker, time=at, since=self._app.timings.now())

    def _remember(self, new: list[tuple[str, Seen]]) -> None:
        """Stamp what is new with the current time, a millisecond apart in the order of the server's times."""
        new.sort(key=lambda each: (each[1].time, each[0]))
        now = self._app.timings.now()
        for younger, (name, seen) in enumerate(reversed(new)):
            seen.since = now - timedelta(milliseconds=younger)
            self._files[name] = seen

    def waiting(self) -> list[str]:
        """Return the names of files that two looks saw unchanged and that are still to do, oldest first."""
        ready = [
            (seen.since, name)
            for name, seen in self._files.items()
            if seen.stable and not seen.gone and (not seen.taken or self._claims or _CLAIMED.fullmatch(name))
        ]
        return [name for _, name in sorted(ready)]

    def _place(self, name: str) -> str:
        return printable(f"{self._source.name}:{self.path.rstrip('/')}/{shown(name)}")

    # -- taking -------------------------------------------------------------------------------------------

    async def take(self, session: FtpSession, name: str) -> bool:
        """Take a waiting file and put it away; return whether it came into custody now.

        A file that is incomplete or changed is left. Raises FtpRefusal, NoCustody.
        """
        file = self._file(name)
        body = b""
        if not file.seen.taken:
            complete = await self._read_complete(session, file)
            if complete is None:
                return False
            body = complete
        if self._claims and not file.claimed:
            file = await self._claim(session, file)
        fresh = not file.seen.taken
        if fresh:
            if not await self._is_what_was_read(session, file, body):
                del self._files[file.name]  # replaced at the last moment: the next look finds the newer file
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

    async def _read_complete(self, session: FtpSession, file: "_File") -> bytes | None:
        """Read a file, None if it is not complete yet; one that is empty or too large is not read."""
        seen, timings = file.seen, self._app.timings
        given_up = (timings.now() - seen.since).total_seconds() >= timings.patience
        if not seen.size or self._too_large(seen):
            return b"" if given_up else None
        body = await session.read(file.name, seen.size)
        if body is None:
            del self._files[file.name]  # its size changed: the next look begins anew
            return None
        return body if given_up or await is_complete(body, self._app.settings) else None

    async def _is_what_was_read(self, session: FtpSession, file: "_File", body: bytes) -> bool:
        state, seen = await session.state(file.name), file.seen
        if state is None:
            return False
        if state.size is not None and state.time:
            return (state.size, state.time) == (seen.size, seen.time)
        # where a server shows too little of a file, only reading it again shows that it is the same
        return self._too_large(seen) or await session.read(file.name, seen.size) == body

    def _too_large(self, seen: Seen) -> bool:
        return seen.size > self._app.settings.max_body_bytes

    async def _claim(self, session: FtpSession, file: "_File") -> "_File":
        """Rename a file so that it is ours, if the server allows it."""
        name = f"{file.own_name}.{file.id}.taking"
        try:
            await session.rename(file.name, name)
        except FtpRefusal as refusal:
            if await session.state(file.name) is None:
                raise  # another program took it
            self._claims = False
            _log.error(
                "%s cannot be renamed: %s. The files in this folder are taken, left there and remembered. "
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
            event=self.event,
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
        """Remove a claimed file that is in custody, or move it where the source wants it."""
        try:
            if file.seen.problem is not None:
                await self._move(session, file, wire(self._source.failed))
            elif self._source.after == "move":
                await self._move(session, file, wire(self._source.processed))
            else:
                await session.delete(file.name)
        except FtpRefusal as refusal:
            _log.error(
                "%s is in custody as %s, but could not be put away: %s. The next run tries again.",
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
    """A file being taken: `name` is its current name, `own_name` the one that it came with."""

    name: str
    own_name: str
    id: str
    seen: Seen

    @property
    def claimed(self) -> bool:
        return self.name != self.own_name


def _is_same_time(before: str, now: str) -> bool:
    """Return whether a file's time is the same.

    Once a file is half a year old, LIST shows the year in place of its time of day: `Aug 16 14:23` becomes
    `Aug 16  2026`. A time of day that comes back belongs to a newer file.
    """
    day, _, clock = before.rpartition(" ")
    day_now, _, year = now.rpartition(" ")
    return before == now or (":" in clock and year.isdigit() and day.rstrip() == day_now.rstrip())


async def _move_to(session: FtpSession, file: _File, target: str) -> None:
    if file.seen.problem is not None:
        await session.write(f"{target}.problem.json", file.seen.problem.encode())
    await session.rename(file.name, target)
