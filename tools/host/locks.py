"""Lets one of several hosts on the same state do what only one may do: run a timer, list a container.

The genuine hosts lease blobs for 60 s, so that another one takes over 90 s after a crash. Here they hold
locks of the operating system, which end with their process: nobody waits that long on a laptop.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from filelock import FileLock, Timeout

_RETRY_SECONDS = 1


@contextlib.asynccontextmanager
async def singleton(path: Path, stopping: asyncio.Event) -> AsyncIterator[None]:
    """Wait until no other process holds the lock at `path`, or until this one stops; hold it for the body."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    while not lock.is_locked and not stopping.is_set():
        with contextlib.suppress(Timeout):
            lock.acquire(blocking=False)
            break
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _RETRY_SECONDS)
    try:
        yield
    finally:
        lock.release()
