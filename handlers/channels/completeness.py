"""Whether a dropped file is complete."""

from events import BodyTooLarge, EmptyBody, Malformed, NotJsonOrXml
from events.formats import read
from handlers.pipeline.parsing import memory_of, off_loop
from handlers.settings import Settings


async def is_complete(body: bytes, settings: Settings) -> bool:
    """Return whether this is a document from its beginning to its end.

    Anything else might still become one: it is empty, cut off, or has gaps that are still to be filled.
    """
    return await off_loop(lambda: _reads(body, settings.max_body_bytes), memory_of(body, settings))


def _reads(body: bytes, most: int) -> bool:
    try:
        read(body, max_bytes=most)
    except BodyTooLarge:
        return True  # once decompressed, which only a complete body can be
    except (EmptyBody, Malformed, NotJsonOrXml):
        return False
    return True
