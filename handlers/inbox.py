"""The inbox: the queue of work that waits, and the message that carries a delivery through it.

A message is the line `printiq/1` and then JSON. (A bare JSON object would have its keys copied over the
trigger's metadata by the Functions host.) The raw bytes travel inside, compressed; what does not fit lies in
a blob already, and the message names it (claim check).
"""

import base64
import threading
from collections.abc import AsyncIterator
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

from events import Channel, Delivery, Problem
from handlers import archive
from handlers.ids import derived_id, time_of
from handlers.problems import Refusal, in_words
from handlers.settings import LARGEST_BODY
from handlers.stores import ContainerName, Stores
from handlers.stores.queues import fits

QUEUE = "printiq-inbox"
POISON_QUEUE = "printiq-inbox-poison"

_VERSION = b"printiq/1\n"
_MAX_NAME = 200
_MAX_CONTENT_TYPE = 200
# The longest name of a blob.
_MAX_FILE = 1024
# What a message may grow by while it is put back: that it is settled, and digits that count tries.
_ROOM = 100


class Message(NamedTuple):
    """Hold a queue message as the trigger hands it over."""

    id: str
    inserted_at: datetime
    text: str


class Place(NamedTuple):
    """Name a blob."""

    container: ContainerName
    name: str

    def __str__(self) -> str:
        return f"{self.container}/{self.name}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what `str` writes."""
        container, _, name = text.partition("/")
        return cls(ContainerName(container), name)


class Replay(BaseModel):
    """Say what a replay repeats: the delivery, its CloudEvents id, and the queues that get it."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    of: str
    origin: str
    queues: tuple[str, ...] | None = None


class _Compression(threading.local):
    """Hold what compresses and unpacks, kept for the next body; neither may serve two threads at once."""

    def __init__(self) -> None:
        # Level 1 takes 0.1 ms for a Job XML of 58 KB; higher levels save little of what a thumbnail leaves.
        self.compressor = zstandard.ZstdCompressor(1)
        self.decompressor = zstandard.ZstdDecompressor()


_zstd = _Compression()


def _pack(body: bytes) -> str:
    return base64.b64encode(_zstd.compressor.compress(body)).decode()


def _unpack(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        packed = base64.b64decode(text, validate=True)
        size = zstandard.frame_content_size(packed)
        body = _zstd.decompressor.decompress(packed) if size <= LARGEST_BODY else None
    except (ValueError, zstandard.ZstdError) as error:
        raise ValueError("no bytes, compressed and in base64") from error
    if body is None:
        raise ValueError(f"{size:,} bytes are more than any body has")
    return body


def _is_delivery_id(text: str) -> str:
    time_of(text)
    return text


class Work(BaseModel):
    """Be one message of the inbox: a delivery, why it was refused if it was, and what was tried so far."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: Annotated[str, AfterValidator(_is_delivery_id)]
    event: str
    channel: Channel
    received_at: AwareDatetime
    content_type: str | None = None
    file: str | None = None
    size: int
    body: Annotated[bytes, BeforeValidator(_unpack), PlainSerializer(_pack, return_type=str)] | None = None
    blob: Place | None = None
    refusal: Refusal | None = None
    attempt: int = Field(1, ge=1)
    # of the attempts before, those that failed for a reason that time does not mend
    errors: int = Field(0, ge=0)
    settled: bool = False
    replay: Replay | None = None

    @model_validator(mode="after")
    def _has_bytes(self) -> Self:
        if (self.body is None) == (self.blob is None):
            raise ValueError("the bytes have to be either in the message or in a blob")
        return self

    @classmethod
    def of(cls, delivery: Delivery, *, refusal: Refusal | None = None, blob: Place | None = None) -> Self:
        """Make the message for a delivery, with its bytes inside unless they lie in `blob`."""
        return cls(
            id=delivery.id,
            event=_shown(delivery.event, _MAX_NAME),
            channel=delivery.channel,
            received_at=delivery.received_at,
            content_type=delivery.content_type[:_MAX_CONTENT_TYPE] if delivery.content_type else None,
            file=_shown(delivery.file, _MAX_FILE) if delivery.file else None,
            size=len(delivery.body),
            body=delivery.body if blob is None else None,
            blob=blob,
            refusal=refusal,
        )

    def encode(self) -> bytes:
        # in ASCII: queues carry messages in XML, which has no way to write some characters
        return _VERSION + self.model_dump_json(exclude_defaults=True, ensure_ascii=True).encode()

    @classmethod
    def read(cls, message: Message) -> Self:
        """Read a message; one that is none of ours becomes work too: a refused delivery of its text."""
        if not message.text.startswith(_VERSION.decode()):
            return cls._foreign(message, f"It does not begin with the line {_VERSION.decode().strip()!r}.")
        try:
            return cls.model_validate_json(message.text[len(_VERSION) :])
        except ValidationError as error:
            return cls._foreign(message, in_words(error))

    @classmethod
    def _foreign(cls, message: Message, why: str) -> Self:
        problem = Problem("", f"Somebody else wrote this message to {QUEUE}. {why}")
        delivery = Delivery(
            id=derived_id(message.inserted_at, QUEUE, message.id),
            event=archive.UNKNOWN_EVENT,
            body=message.text.encode("utf-8", "replace"),
            channel=Channel.INBOX,
            received_at=message.inserted_at,
        )
        return cls.of(
            delivery, refusal=Refusal(status=422, title="Unreadable inbox message", errors=(problem,))
        )

    async def delivery(self, stores: Stores) -> Delivery:
        """Put the delivery together again, fetching its bytes where they lie in a blob. Raises NotFound."""
        if self.blob is not None:
            body = await stores.blobs.get(self.blob.container, self.blob.name)
        else:
            assert self.body is not None
            body = self.body
        return Delivery(
            id=self.id,
            event=self.event,
            body=body,
            channel=self.channel,
            received_at=self.received_at,
            content_type=self.content_type,
            file=self.file,
        )


def _shown(text: str, length: int) -> str:
    """Bound what a sender named, and replace what is no text."""
    return text[:length].encode("utf-8", "replace").decode()


async def put(stores: Stores, delivery: Delivery, *, refusal: Refusal | None = None) -> None:
    """Take custody: one storage write where the bytes fit into the message, else two. Raises StorageFault."""
    message = Work.of(delivery, refusal=refusal).encode()
    if not fits(len(message) + _ROOM, "none"):
        container = ContainerName.ARCHIVE if refusal is None else ContainerName.QUARANTINE
        path = archive.raw_path(delivery.event, delivery.id, archive.extension(delivery.body))
        await stores.blobs.put(container, path, delivery.body, archive.content_type(path))
        message = Work.of(delivery, refusal=refusal, blob=Place(container, path)).encode()
    await stores.queues.send(QUEUE, message)


async def put_unread(
    stores: Stores, delivery: Delivery, content: AsyncIterator[bytes], size: int, *, refusal: Refusal
) -> None:
    """Take custody of what is refused unread: `content` flows to quarantine. Raises StorageFault."""
    first = await anext(content, b"")
    path = archive.raw_path(delivery.event, delivery.id, archive.extension_by_start(first))
    place = Place(ContainerName.QUARANTINE, path)
    await stores.blobs.put_stream(*place, _all(first, content), archive.content_type(path))
    work = Work.of(delivery, refusal=refusal, blob=place).model_copy(update={"size": size})
    await stores.queues.send(QUEUE, work.encode())


async def _all(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for each in rest:
        yield each


async def put_back(stores: Stores, work: Work, *, delay: int) -> None:
    """Send a message again, to be seen after `delay` seconds. Raises StorageFault."""
    await stores.queues.send(QUEUE, work.encode(), delay=delay)
