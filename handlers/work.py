"""The inbox message: a delivery on its way through the pipeline, and the message's codec.

A message is the line `printiq/1` and then JSON. (A bare JSON object would have its keys copied over the
trigger's metadata by the Functions host.) The raw bytes travel inside, compressed; bytes that do not fit are
in a blob, which the message names (claim check).
"""

import base64
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, NamedTuple, Self

import zstandard
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from events import Channel, Delivery, Problem, Term, numbers_in
from handlers import paths
from handlers.ids import DeliveryId, derived_id, is_plausible, time_of
from handlers.problems import ProblemDetails, in_words
from handlers.settings import LARGEST_BODY
from handlers.stores import INBOX_QUEUE, BlobRef
from handlers.timings import MAX_ATTEMPTS

_VERSION = b"printiq/1\n"
_MAX_NAME = 200
_MAX_CONTENT_TYPE = 200
# The longest name of a blob.
_MAX_FILE = 1024


class Message(NamedTuple):
    """A queue message as the trigger delivers it, for the first time or again."""

    id: str
    inserted_at: datetime
    text: str
    dequeue_count: int = 1


class _Compression(threading.local):
    """A compressor and a decompressor for each thread: neither is safe to share."""

    def __init__(self) -> None:
        # Level 1 takes 0.1 ms for a Job XML of 58 KB; higher levels save little of what a thumbnail leaves.
        self.compressor = zstandard.ZstdCompressor(1)
        self.decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)


_WINDOW = 8 * 1024 * 1024
_CHUNK = 1024 * 1024
_zstd = _Compression()


class Packed(NamedTuple):
    """The bytes of a body, compressed, and how many they are."""

    data: bytes
    size: int

    @classmethod
    def of(cls, body: bytes) -> Self:
        return cls(_zstd.compressor.compress(body), len(body))

    @classmethod
    def read(cls, text: object) -> object:
        """Read what `str` writes, and check that it can be unpacked, without holding the body."""
        if not isinstance(text, str):
            return text
        try:
            packed = base64.b64decode(text, validate=True)
            size = zstandard.frame_content_size(packed)
            if size > LARGEST_BODY:
                raise ValueError(f"{size:,} bytes are more than any body may have")
            found = sum(map(len, cls(packed, size).chunks()))
        except zstandard.ZstdError as error:
            raise ValueError("not zstd-compressed bytes in base64") from error
        if found != size:
            raise ValueError(f"{found:,} bytes, not {size:,} as declared")
        return cls(packed, size)

    def __str__(self) -> str:
        return base64.b64encode(self.data).decode()

    def chunks(self) -> Iterator[bytes]:
        """Unpack piece by piece, up to one piece more than the size."""
        unpacked = 0
        with _zstd.decompressor.stream_reader(self.data) as reader:
            while unpacked <= self.size and (chunk := reader.read(_CHUNK)):
                unpacked += len(chunk)
                yield chunk

    def unpack(self) -> bytes:
        return b"".join(self.chunks())


class Replay(BaseModel):
    """What a replay sends again: the delivery, its CloudEvents id, and the queues that get it."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    of: DeliveryId
    origin: DeliveryId
    queues: tuple[str, ...] | None = None


class Work(BaseModel):
    """A message of the inbox: a delivery, why it was refused if it was, and the attempts so far."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: DeliveryId
    event: str = Field(max_length=_MAX_NAME)
    channel: Channel
    received_at: AwareDatetime
    content_type: str | None = Field(None, max_length=_MAX_CONTENT_TYPE)
    file: str | None = Field(None, max_length=_MAX_FILE)
    size: int = Field(ge=0, lt=2**63)
    body: Annotated[Packed, BeforeValidator(Packed.read), PlainSerializer(str, return_type=str)] | None = None
    blob: Annotated[BlobRef, AfterValidator(BlobRef.checked)] | None = None
    refusal: ProblemDetails | None = None
    # in a body that could not be read
    numbers: tuple[Term, ...] = ()
    attempt: int = Field(1, ge=1, le=MAX_ATTEMPTS)
    # how many earlier attempts failed for a reason that time does not heal
    errors: int = Field(0, ge=0, le=MAX_ATTEMPTS)
    settled: bool = False
    # the subscriptions that an earlier attempt sent it to, and the paused ones that it withheld it from
    sent: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    replay: Replay | None = None

    @model_validator(mode="after")
    def _has_bytes(self) -> Self:
        if (self.body is None) == (self.blob is None):
            raise ValueError("the bytes must be either in the message or in a blob")
        if self.body is not None and self.body.size != self.size:
            raise ValueError(f"the body has {self.body.size:,} bytes, not {self.size:,}")
        return self

    @classmethod
    def of(
        cls, delivery: Delivery, *, refusal: ProblemDetails | None = None, blob: BlobRef | None = None
    ) -> Self:
        """Return the message for a delivery, which contains its bytes unless they are in `blob`."""
        return cls(
            id=delivery.id,
            event=_bounded(delivery.event, _MAX_NAME),
            channel=delivery.channel,
            received_at=delivery.received_at,
            content_type=delivery.content_type[:_MAX_CONTENT_TYPE] if delivery.content_type else None,
            file=_bounded(delivery.file, _MAX_FILE) if delivery.file else None,
            size=len(delivery.body),
            body=Packed.of(delivery.body) if blob is None else None,
            blob=blob,
            refusal=refusal,
            numbers=numbers_in(delivery.body) if refusal is not None else (),
        )

    def encode(self) -> bytes:
        # ASCII: queues carry messages in XML, which cannot write some characters
        return _VERSION + self.model_dump_json(exclude_defaults=True, ensure_ascii=True).encode()

    @classmethod
    def read(cls, message: Message) -> Self:
        """Read a message; a foreign one becomes a refused delivery of its text."""
        if not message.text.startswith(_VERSION.decode()):
            return cls.foreign(message, INBOX_QUEUE, f"Its first line is not {_VERSION.decode().strip()!r}.")
        try:
            work = cls.model_validate_json(message.text[len(_VERSION) :])
        except ValidationError as error:
            return cls.foreign(message, INBOX_QUEUE, in_words(error))
        if not all(is_plausible(each, message.inserted_at) for each in (time_of(work.id), work.received_at)):
            return cls.foreign(message, INBOX_QUEUE, "Its time of receipt is impossible.")
        return work

    @classmethod
    def foreign(cls, message: Message, queue: str, why: str) -> Self:
        """Return the refused delivery of a message that another program put into one of the app's queues."""
        problem = Problem("", f"This message in {queue} is not from this app. {why}")
        delivery = Delivery(
            id=derived_id(message.inserted_at, queue, message.id),
            event=paths.UNKNOWN_EVENT,
            body=message.text.encode("utf-8", "replace"),
            channel=Channel.INBOX,
            received_at=message.inserted_at,
        )
        return cls.of(
            delivery, refusal=ProblemDetails(status=422, title="Unreadable inbox message", errors=(problem,))
        )

    def delivery(self, body: bytes) -> Delivery:
        """Return the delivery, with the bytes from the message or the blob."""
        return Delivery(
            id=self.id,
            event=self.event,
            body=body,
            channel=self.channel,
            received_at=self.received_at,
            content_type=self.content_type,
            file=self.file,
        )


def _bounded(text: str, length: int) -> str:
    """Shorten a sender's text, and replace lone surrogates."""
    return text[:length].encode("utf-8", "replace").decode()
