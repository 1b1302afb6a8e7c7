"""What is remembered of an FTP server from one look to the next: a blob that one process has at a time."""

from datetime import UTC, datetime, timedelta
from typing import Self

from pydantic import BaseModel, Field, ValidationError

from handlers.problems import in_words
from handlers.stores import Held

_LONGEST_PAUSE = timedelta(minutes=15)
# The timer of the minute in which a pause ends may come a little early.
_EARLY = timedelta(seconds=10)


class NotRemembered(Exception):
    """Say that what was remembered cannot be read."""


class Seen(BaseModel):
    """Be a file as it was seen.

    `since` is when it was first seen so, and `stable` that it was seen so again. `taken` says that it is in
    custody though it still lies there, and `problem` holds the problem document if it was refused. `gone` is
    since when it was not listed.
    """

    size: int
    marker: str
    time: str
    since: datetime
    stable: bool = False
    taken: bool = False
    problem: str | None = None
    gone: datetime | None = None

    @property
    def quiet(self) -> timedelta:
        """How long it has not changed."""
        return datetime.now(UTC) - self.since


class Memory(BaseModel):
    """Be all that is remembered of one source: for each folder's path its files, by name."""

    folders: dict[str, dict[str, Seen]] = Field(default_factory=dict)
    failures: int = 0
    failing_since: datetime | None = None
    pause_until: datetime | None = None

    @classmethod
    async def recall(cls, held: Held) -> Self:
        """Read what was kept. Raises StorageFault, and NotRemembered where it cannot be read."""
        body = await held.read()
        if not body:
            return cls()
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            raise NotRemembered(f"what was remembered of it cannot be read: {in_words(error)}") from error

    @property
    def pausing(self) -> bool:
        return self.pause_until is not None and datetime.now(UTC) + _EARLY < self.pause_until

    def failed(self) -> str:
        """Note that the server could not be used, and pause for 1, 2, 4, 8, 15 minutes; tell it in words."""
        now = datetime.now(UTC)
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
