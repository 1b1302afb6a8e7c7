"""Whether a file that was dropped is meant to be taken, and whole."""

import asyncio
import re
from datetime import timedelta

from events import EmptyBody, Malformed, NotJsonOrXml
from events.formats import read

# A file that is not whole this long after its last change will not become so.
PATIENCE = timedelta(minutes=5)
# Its last change must lie this far back: whoever writes it may only be taking a breath.
STABLE = timedelta(seconds=5)

# What file transfer programs and editors call a file while they write it.
_TEMPORARY = re.compile(r"\..*|~.*|.*~|.*\.(tmp|temp|part|partial|filepart)", re.IGNORECASE | re.DOTALL)

# Reading this much takes about a millisecond; a thread costs a tenth of that.
_THREAD_FROM_BYTES = 256 * 1024


def is_temporary(path: str) -> bool:
    """Tell whether the file's own name says that it is not meant for anybody yet."""
    return _TEMPORARY.fullmatch(path.rpartition("/")[2]) is not None


async def closes(body: bytes) -> bool:
    """Tell whether this is a document from its beginning to its end.

    Whatever else it is might still become one: empty so far, cut off, or with gaps that are yet to be filled.
    """
    if len(body) < _THREAD_FROM_BYTES:
        return _reads(body)
    return await asyncio.to_thread(_reads, body)


def _reads(body: bytes) -> bool:
    try:
        read(body)
    except (EmptyBody, Malformed, NotJsonOrXml):
        return False
    return True
