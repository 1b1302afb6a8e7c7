"""Parsing with the app's settings, without blocking the event loop for a large body."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakKeyDictionary

from events import Delivery, Event, Payload, parse
from handlers.settings import Settings

# Reading this much takes about a millisecond; a thread costs a tenth of that.
_THREAD_FROM_BYTES = 256 * 1024
# One thread for an event loop: each thread has a heap of its own, and only the next parse there can use what
# one frees. In two threads, a body that is read twice takes its memory twice, and as long: they take turns in
# the interpreter.
_threads = WeakKeyDictionary[asyncio.AbstractEventLoop, ThreadPoolExecutor]()
# How JSON and XML begin, in any encoding, with a byte order mark or blanks before them.
_TEXT = {bytes([each]) for each in b'{["< \t\r\n\x00\xef\xfe\xff\xc3'} | {b""}


async def parse_delivery(delivery: Delivery, settings: Settings) -> Event[Payload]:
    """Return the event. Raises EventError."""

    def parsed() -> Event[Payload]:
        return parse(delivery, date_order=settings.date_order, max_bytes=settings.max_body_bytes)

    return await off_loop(parsed, memory_of(delivery.body, settings))


def memory_of(body: bytes, settings: Settings) -> int:
    """Return how many bytes parsing may unpack a body to: a compressed one begins with no text."""
    return len(body) if body[:1] in _TEXT else settings.max_body_bytes


async def off_loop[T](read: Callable[[], T], size: int) -> T:
    """Call `read`, which reads `size` bytes, unpacked: in the thread if they are many."""
    if size < _THREAD_FROM_BYTES:
        return read()
    loop = asyncio.get_running_loop()
    if (thread := _threads.get(loop)) is None:
        thread = _threads[loop] = ThreadPoolExecutor(1, "parsing")
    return await loop.run_in_executor(thread, read)
