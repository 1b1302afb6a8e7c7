"""Whether a dropped file is complete."""

from events import BodyTooLarge, EmptyBody, Malformed, NotJsonOrXml
from events.formats import read
from handlers.pipeline.parsing import off_loop


async def is_complete(body: bytes) -> bool:
    """Return whether this is a document from its beginning to its end.

    Anything else might still become one: it is empty, cut off, or has gaps that are still to be filled.
    """
    return await off_loop(lambda: _reads(body), len(body))


def _reads(body: bytes) -> bool:
    try:
        read(body)
    except BodyTooLarge:
        return True  # once decompressed, which only a complete body can be
    except (EmptyBody, Malformed, NotJsonOrXml):
        return False
    return True
