"""A bound on the memory of the bodies that a process works on at once."""

import asyncio
import ctypes
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# Parsing a body may take ten times its size: an instance of 2 GB holds this with room to spare.
_MOST = 48 * 1024 * 1024
# Smaller bodies are not counted: two dozen of them take little.
_COUNTED_FROM = 1024 * 1024

# As <malloc.h> has it.
_M_MMAP_THRESHOLD = -3
_LARGE_BLOCK = 1024 * 1024


def return_large_blocks() -> None:
    """Have the C library return large blocks to the system once they are freed.

    glibc keeps more the larger the blocks are that it sees, up to 32 MB, in an arena for each thread: a body
    of 25 MB took up to 50 MB more.
    """
    if sys.platform == "linux":
        # another C library has no such function, or ignores it
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)


class Memory:
    """The bytes that large bodies hold; callers that ask for more than are free wait in turn."""

    def __init__(self) -> None:
        self._held = 0
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator["Holding"]:
        """Wait until `size` bytes are free, at most the whole bound, and hold them."""
        holding = Holding(self)
        await holding.resize(size)
        try:
            yield holding
        finally:
            holding.release()

    async def take(self, size: int) -> None:
        async with self._turn:  # else smaller ones could overtake a large one for ever
            while self._held + size > _MOST:
                self._freed.clear()
                await self._freed.wait()
            self._held += size

    def give_back(self, size: int) -> None:
        self._held -= size
        self._freed.set()


class Holding:
    """One body's share of the memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._counted = 0

    async def resize(self, size: int) -> None:
        """Hold `size` bytes instead; nothing is held while waiting for them."""
        counted = min(size, _MOST) if size >= _COUNTED_FROM else 0
        if counted == self._counted:
            return
        self.release()
        if counted:
            await self._memory.take(counted)
            self._counted = counted

    def release(self) -> None:
        self._memory.give_back(self._counted)
        self._counted = 0
