"""Whether a file that was dropped is meant to be taken, and whole."""

import re
from datetime import timedelta

from events import EmptyBody, Malformed, NotJsonOrXml
from events.formats import read
from handlers.pipeline.parsing import off_loop

# A file that is not whole this long after its last change will not become so.
PATIENCE = timedelta(minutes=5)
# Its last change must lie this far back: whoever writes it may only be taking a breath.
STABLE = timedelta(seconds=5)

# What file transfer programs and editors call a file while they write it.
_TEMPORARY = re.compile(r"\..*|~.*|.*~|.*\.(tmp|temp|part|partial|filepart)", re.IGNORECASE | re.DOTALL)


def is_temporary(path: str) -> bool:
    """Tell whether the file's own name says that it is not meant for anybody yet."""
    return _TEMPORARY.fullmatch(path.rpartition("/")[2]) is not None


async def closes(body: bytes) -> bool:
    """Tell whether this is a document from its beginning to its end.

    Whatever else it is might still become one: empty so far, cut off, or with gaps that are yet to be filled.
    """
    return await off_loop(lambda: _reads(body), len(body))


def _reads(body: bytes) -> bool:
    try:
        read(body)
    except (EmptyBody, Malformed, NotJsonOrXml):
        return False
    return True
