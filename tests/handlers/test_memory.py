"""Large bodies wait for each other; small ones for nobody."""

import asyncio
import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

import brotli
import pytest

from handlers.memory import Memory
from handlers.pipeline.parsing import memory_of
from handlers.settings import Settings

TESTS = Path(__file__).parents[1]

MB = 1024 * 1024


class Held:
    """What is held at once, at most."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def by(self, memory: Memory, size: int, *, grown: int | None = None) -> None:
        async with memory.hold(size) as holding:
            if grown is not None:
                await holding.resize(grown)
            self.now += grown or size
            self.most = max(self.most, self.now)
            await asyncio.sleep(0)
            self.now -= grown or size


@pytest.mark.parametrize(
    ("number", "size", "grown", "most"),
    [(24, 25, None, 25), (24, 10, None, 40), (24, 100, None, 100), (24, 0, 25, 25), (24, 10, 30, 30)],
)
async def test_no_more_is_held_at_once_than_fits(
    number: int, size: int, grown: int | None, most: int
) -> None:
    memory, held = Memory(), Held()
    large = grown * MB if grown else None
    async with asyncio.timeout(5):
        await asyncio.gather(*(held.by(memory, size * MB, grown=large) for _ in range(number)))
    assert held.most == most * MB


async def test_a_small_body_waits_for_nobody() -> None:
    memory = Memory()
    async with memory.hold(100 * MB), asyncio.timeout(5), memory.hold(MB - 1):
        pass


async def test_a_large_body_is_not_overtaken() -> None:
    memory, served = Memory(), list[int]()

    async def hold(size: int) -> None:
        async with memory.hold(size * MB):
            served.append(size)

    async with memory.hold(20 * MB):
        waiting = [asyncio.create_task(hold(size)) for size in (48, 20)]
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting)
    assert served == [48, 20]


async def test_who_gives_up_waiting_holds_nothing() -> None:
    memory = Memory()
    async with memory.hold(48 * MB):
        waiting = [asyncio.create_task(Held().by(memory, 48 * MB)) for _ in range(3)]
        await asyncio.sleep(0)
        for each in waiting[:2]:
            each.cancel()
    async with asyncio.timeout(5):
        await waiting[2]


async def test_what_fails_gives_back_what_it_held() -> None:
    memory = Memory()
    with pytest.raises(KeyError):
        async with memory.hold(100 * MB):
            raise KeyError
    async with asyncio.timeout(5), memory.hold(100 * MB):
        pass


def test_a_compressed_body_counts_as_what_it_may_unpack_to(new_settings: Callable[..., Settings]) -> None:
    settings = new_settings()
    for compressed in (gzip.compress(b"{}"), zlib.compress(b"{}"), brotli.compress(b"{}" * 100)):
        assert memory_of(compressed, settings) == settings.max_body_bytes
    for sample in (TESTS / "corpus").glob("[A-Z]*/*[ln]"):
        assert memory_of(sample.read_bytes(), settings) == sample.stat().st_size
