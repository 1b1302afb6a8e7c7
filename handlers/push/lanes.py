"""How many pushes run at once: a subscription whose endpoint hangs or fails must take no place from others.

Each subscription has a lane of its own in a process: a few requests at once, none for a while after several
failures in a row. The platform has few places for the messages of a queue; a push that takes long leaves its
place, and goes on as a task that is kept here.
"""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any

from handlers.push.answers import Answer
from handlers.push.client import Client
from handlers.settings import Settings
from handlers.timings import Timings

_AT_ONCE = 4
# An endpoint rests after this many failures in a row, for a time that doubles with each further one.
_FAILURES = 3
_FIRST_REST = 5.0
_LONGEST_REST = 60.0
# How soon a place may be free where all are taken by requests without a response.
_STUCK = 5.0


class Lane:
    """The requests of one subscription in this process."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._slow = 0
        self._failures = 0
        self._rests_until = 0.0

    @property
    def rest(self) -> float:
        """For how many seconds nothing should be sent; 0 if something may."""
        left = self._rests_until - monotonic()
        if left > 0:
            return left
        return _STUCK if self._slow >= _AT_ONCE else 0.0

    async def take_turn(self, patience: float) -> bool:
        """Take a turn, which `leave` gives back; return False if none is free in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                return await self._turns.acquire()
        return False

    def leave(self, answer: Answer | None, longest: float) -> None:
        """Give the turn back, with the response that came; after a failure the endpoint may rest."""
        self._turns.release()
        if answer is not None and not answer.is_trouble:
            self._failures, self._rests_until = 0, 0.0
            return
        self._failures += 1
        rest = 0.0
        if answer is not None and answer.retry_after is not None:
            rest = min(answer.retry_after, longest)
        elif self._failures >= _FAILURES:
            # the power is bounded: no number of failures is too large
            rest = min(_FIRST_REST * 2 ** min(self._failures - _FAILURES, 10), _LONGEST_REST)
        self._rests_until = max(self._rests_until, monotonic() + rest)

    @contextmanager
    def slow(self) -> Iterator[None]:
        """Count a request that takes long."""
        self._slow += 1
        try:
            yield
        finally:
            self._slow -= 1


class Pushes:
    """The pushes in progress in this process."""

    def __init__(self, settings: Settings, timings: Timings) -> None:
        self.client = Client(settings.storage_client_id, is_local=settings.is_local, seconds=timings.push)
        self._lanes: defaultdict[str, Lane] = defaultdict(Lane)
        self._going_on: set[asyncio.Task[None]] = set()

    def lane(self, subscription: str) -> Lane:
        return self._lanes[subscription]

    def go_on(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work that no message's place waits for."""
        task = asyncio.create_task(work)
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)

    async def close(self) -> None:
        """Cut off what goes on: the copies of its messages are the next attempts."""
        for task in self._going_on:
            task.cancel()
        await asyncio.gather(*self._going_on, return_exceptions=True)
        await self.client.close()
