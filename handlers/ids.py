"""Delivery ids: UUIDv7 (RFC 9562), which sort by time and carry it."""

import secrets
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator

# Integers: a float of seconds can be off by a microsecond.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_RANDOM_BITS = 74
_ALL_BITS = (1 << 128) - 1
_LAST_SECOND = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
# A clock may be this much ahead.
_AHEAD = timedelta(days=1)
# A delivery's id is read some twenty times on its way, and those of a subject's history with each event.
_REMEMBERED = 1024


def new_id(now: datetime) -> str:
    """Return a new id for a delivery that arrives now."""
    return _uuid7(now, secrets.randbits(_RANDOM_BITS))


def derived_id(moment: datetime, *identity: str) -> str:
    """Return the same id for the same identity and time: a file seen twice is one delivery."""
    digest = blake2b("\0".join(identity).encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return _uuid7(moment, int.from_bytes(digest) >> (128 - _RANDOM_BITS))


@lru_cache(_REMEMBERED)
def time_of(delivery_id: str) -> datetime:
    """Return the time in an id, to the millisecond. Raises ValueError if it is not a UUIDv7."""
    value = UUID(delivery_id)
    milliseconds = value.int >> 80
    if value.version != 7 or milliseconds >= _LAST_SECOND * 1000:  # noqa: PLR2004 - RFC 9562's number
        raise ValueError(f"{delivery_id!r} is not a UUIDv7 with a valid time")
    return _EPOCH + milliseconds * _MILLISECOND


@lru_cache(_REMEMBERED)
def newest_first(delivery_id: str) -> str:
    """Return a row key that sorts in reverse, so that a table lists the newest first."""
    return f"{_ALL_BITS - UUID(delivery_id).int:032x}"


def _checked(text: str) -> str:
    time_of(text)
    return text


type DeliveryId = Annotated[str, AfterValidator(_checked)]


def is_plausible(moment: datetime, now: datetime) -> bool:
    """Return whether a message that was written now may claim this moment."""
    return _BEGINNING <= moment <= now + _AHEAD


def just_before(moment: datetime) -> str:
    """Return a `newest_first` key behind which only deliveries before this moment sort."""
    return f"{_ALL_BITS - (_milliseconds(moment) << 80):032x}"


def latest_behind(text: str) -> datetime:
    """Return the latest moment that sorts behind a `newest_first` key."""
    milliseconds = _ALL_BITS - int(text, 16) - 1 >> 80
    return datetime.fromtimestamp(min(milliseconds / 1000, _LAST_SECOND), UTC)


# What `ending_in_hash` adds.
HASH_LENGTH = 33


def ending_in_hash(start: str, text: str) -> str:
    """Return the start of a text that is too long for a key, and a hash of the whole behind it."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{start}~{digest}"


def _uuid7(moment: datetime, random: int) -> str:
    bits = (
        _milliseconds(moment) << 80 | 7 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & ((1 << 62) - 1)
    )
    return str(UUID(int=bits))


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND
