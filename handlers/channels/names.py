"""What a dropped file's name shows: whether it is a drop, of which event, and what is wrong with it."""

import re

from events import EventError, EventType

# The names that file transfer programs and editors give a file while they write it, and the files that
# Windows and macOS leave in folders (`.DS_Store` and `._*` begin with a dot).
_IGNORED = re.compile(
    r"\..*|~.*|.*~|.*\.(tmp|temp|part|partial|filepart)|thumbs\.db|desktop\.ini", re.IGNORECASE | re.DOTALL
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def is_ignored(path: str) -> bool:
    """Return whether a file's own name marks it as unfinished, or as no drop at all."""
    return _IGNORED.fullmatch(path.rpartition("/")[2]) is not None


def event_of(path: str) -> str:
    """Return the first folder of a path that names an event, else the first one; "" for a file in none."""
    folders = [name for name in path.split("/")[:-1] if name]
    return next(filter(_is_event, folders), folders[0] if folders else "")


def _is_event(name: str) -> bool:
    try:
        EventType.named(name)
    except EventError:
        return False
    return True


def flaw_of(path: str) -> str | None:
    """Return what keeps a path from naming one file for every program that reads it; one `/` may lead it."""
    if control := _CONTROL.search(path):
        return f"a control character ({printable(control[0])})"
    segments = path.removeprefix("/").split("/")
    if not {".", ".."}.isdisjoint(segments):
        return "a dot segment (a folder called . or ..)"
    return "an empty segment (two slashes in a row)" if "" in segments else None


def printable(name: str) -> str:
    """Return a name for a log or a row, its control characters escaped."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", name)
