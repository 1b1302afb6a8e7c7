"""Parse a delivery with the app's settings, without holding up the event loop for a large one."""

import asyncio

from events import Delivery, Event, Payload, parse
from handlers.settings import Settings

# Parsing this much takes about a millisecond; a thread costs a tenth of that.
_THREAD_FROM_BYTES = 256 * 1024


async def parse_delivery(delivery: Delivery, settings: Settings) -> Event[Payload]:
    """Return the event. Raises EventError."""
    if len(delivery.body) < _THREAD_FROM_BYTES:
        return _parse(delivery, settings)
    return await asyncio.to_thread(_parse, delivery, settings)


def _parse(delivery: Delivery, settings: Settings) -> Event[Payload]:
    return parse(delivery, date_order=settings.date_order, max_bytes=settings.max_body_bytes)
