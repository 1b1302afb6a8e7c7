"""Whether a dropped file is meant to be taken, and complete."""

import re
from datetime import timedelta

from events import BodyTooLarge, EmptyBody, Malformed, NotJsonOrXml
from events.formats import read
from handlers.pipeline.parsing import off_loop

# A file that is incomplete this long after its last change stays so.
PATIENCE = timedelta(minutes=5)
# A writer may pause between two writes.
STABLE = timedelta(seconds=5)

# The names that file transfer programs and editors give a file while they write it.
_TEMPORARY = re.compile(r"\..*|~.*|.*~|.*\.(tmp|temp|part|partial|filepart)", re.IGNORECASE | re.DOTALL)


def is_temporary(path: str) -> bool:
    """Return whether the file's own name marks it as unfinished."""
    return _TEMPORARY.fullmatch(path.rpartition("/")[2]) is not None


async def is_complete(body: bytes) -> bool:
    """Return whether this is a document from its beginning to its end.

    Anything else might still become one: it is empty so far, cut off, or has gaps that are yet to be filled.
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
