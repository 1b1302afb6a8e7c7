"""Parsing with the app's settings, without blocking the event loop for a large body."""

import asyncio
from collections.abc import Callable

from events import Delivery, Event, Payload, parse
from handlers.settings import Settings

# Reading this much takes about a millisecond; a thread costs a tenth of that.
_THREAD_FROM_BYTES = 256 * 1024


async def parse_delivery(delivery: Delivery, settings: Settings) -> Event[Payload]:
    """Return the event. Raises EventError."""

    def parsed() -> Event[Payload]:
        return parse(delivery, date_order=settings.date_order, max_bytes=settings.max_body_bytes)

    return await off_loop(parsed, len(delivery.body))


async def off_loop[T](read: Callable[[], T], size: int) -> T:
    """Call `read`, which reads `size` bytes: in a thread if they are many."""
    return read() if size < _THREAD_FROM_BYTES else await asyncio.to_thread(read)
