"""The inbox: taking custody of a delivery, requeueing it, and fetching its bytes."""

from collections.abc import AsyncIterator
from urllib.parse import quote

from events import Delivery
from handlers import paths
from handlers.problems import ProblemDetails
from handlers.stores import INBOX_QUEUE, BlobRef, ContainerName, Stores, fits
from handlers.work import Work

# The metadata of a blob whose message is not written yet; the file is percent-encoded.
CHANNEL = "channel"
FILE = "file"
# Headroom for the fields added on requeue: `settled`, and the digits of the counters.
_HEADROOM = 100


async def put(stores: Stores, delivery: Delivery, *, refusal: ProblemDetails | None = None) -> None:
    """Take custody: one storage write if the bytes fit into the message, else two. Raises StorageFault."""
    work = Work.of(delivery, refusal=refusal)
    assert work.body is not None
    # only what may fit is encoded: that of 25 MB takes a fifth of a second
    message = work.encode() if fits(len(work.body.data), "base64") else None
    if message is None or not fits(len(message) + _HEADROOM, "none"):
        container = ContainerName.ARCHIVE if refusal is None else ContainerName.QUARANTINE
        path = paths.raw_path(delivery.event, delivery.id, paths.extension(delivery.body))
        await stores.blobs.put(
            container, path, delivery.body, paths.content_type(path), metadata=_origin(delivery)
        )
        message = work.model_copy(update={"body": None, "blob": BlobRef(container, path)}).encode()
    await stores.queues.send(INBOX_QUEUE, message)


async def put_unread(
    stores: Stores, delivery: Delivery, content: AsyncIterator[bytes], *, refusal: ProblemDetails
) -> None:
    """Take custody of a body that is refused unread: `content` streams to quarantine. Raises StorageFault."""
    first = await anext(content, b"")
    size = len(first)

    async def counted() -> AsyncIterator[bytes]:
        nonlocal size
        yield first
        async for chunk in content:
            size += len(chunk)
            yield chunk

    path = paths.raw_path(delivery.event, delivery.id, paths.extension_by_start(first))
    blob = BlobRef(ContainerName.QUARANTINE, path)
    await stores.blobs.put_stream(*blob, counted(), paths.content_type(path), metadata=_origin(delivery))
    work = Work.of(delivery, refusal=refusal, blob=blob).model_copy(update={"size": size})
    await stores.queues.send(INBOX_QUEUE, work.encode())


def _origin(delivery: Delivery) -> dict[str, str]:
    """Return what the bytes alone do not show, in case the message is never written."""
    file = {FILE: quote(delivery.file)} if delivery.file else {}
    return {CHANNEL: delivery.channel.value, **file}


async def requeue(stores: Stores, work: Work, *, delay: int) -> None:
    """Send a message again, to become visible after `delay` seconds. Raises StorageFault."""
    await stores.queues.send(INBOX_QUEUE, work.encode(), delay=delay)


async def fetch(stores: Stores, work: Work) -> Delivery:
    """Return the delivery of a message, with its bytes from the blob if they are in one. Raises NotFound."""
    if work.blob is not None:
        return work.delivery(await stores.blobs.get(*work.blob))
    assert work.body is not None
    return work.delivery(work.body.unpack())


async def stream(stores: Stores, work: Work) -> AsyncIterator[bytes]:
    """Yield the bytes of a message piece by piece. Raises NotFound."""
    if work.blob is not None:
        async for chunk in (await stores.blobs.open(*work.blob)).chunks():
            yield chunk
    elif work.body is not None:
        for chunk in work.body.chunks():
            yield chunk
