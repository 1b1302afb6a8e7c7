"""What is remembered of an FTP server between two runs: a blob that one process holds at a time."""

from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Self

from pydantic import BaseModel, Field, ValidationError

from handlers.problems import in_words
from handlers.stores import Held
from handlers.timings import Timings

_LONGEST_PAUSE = timedelta(minutes=15)
# A folder that looks empty may be a disk that is not mounted.
_FORGOTTEN_AFTER = timedelta(days=7)


class NotRemembered(Exception):
    """A memory that cannot be read."""


class Seen(BaseModel):
    """A file in the state in which it was last seen.

    `since` is when it was first seen in this state; `stable`: it was seen in it again; `taken`: it is in
    custody, though still on the server; `problem` is the problem document if it was refused; `gone` is since
    when it has not been listed.
    """

    size: int
    marker: str
    time: str
    since: datetime
    stable: bool = False
    taken: bool = False
    problem: str | None = None
    gone: datetime | None = None


def forget(files: dict[str, Seen], listed: AbstractSet[str], now: datetime) -> None:
    """Forget what is no longer listed; what was taken and left there only after a while: it may come back."""
    for name in files.keys() - listed:
        seen = files[name]
        seen.gone = seen.gone or now
        if not seen.taken or now - seen.gone > _FORGOTTEN_AFTER:
            del files[name]


class Memory(BaseModel):
    """What is remembered of one source: for each folder's path its files, by name."""

    folders: dict[str, dict[str, Seen]] = Field(default_factory=dict)
    failures: int = 0
    failing_since: datetime | None = None
    pause_until: datetime | None = None

    @classmethod
    async def recall(cls, held: Held) -> Self:
        """Read the memory, or begin one. Raises StorageFault and NotRemembered."""
        body = await held.read()
        if not body:
            return cls()
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            raise NotRemembered(f"what is remembered of it cannot be read: {in_words(error)}") from error

    def keep_folders(self, paths: AbstractSet[str], now: datetime) -> None:
        """Forget the folders that are no longer on the server, and in time their files."""
        for path in self.folders.keys() - paths:
            forget(self.folders[path], set(), now)
            if not self.folders[path]:
                del self.folders[path]

    def is_pausing(self, timings: Timings) -> bool:
        return (
            self.pause_until is not None
            and timings.now() + timedelta(seconds=timings.ftp_early) < self.pause_until
        )

    def failed(self, now: datetime) -> str:
        """Note that the server could not be used; pause for 1, 2, 4, 8, 15 minutes. Return it in words."""
        self.failures += 1
        self.failing_since = self.failing_since or now
        self.pause_until = now + min(timedelta(minutes=2 ** min(self.failures - 1, 10)), _LONGEST_PAUSE)
        return (
            f"failed {'once' if self.failures == 1 else f'{self.failures} times'} "
            f"since {self.failing_since:%Y-%m-%d %H:%M} UTC, "
            f"tried again at {self.pause_until:%H:%M}"
        )

    def recovered(self) -> None:
        self.failures, self.failing_since, self.pause_until = 0, None, None
