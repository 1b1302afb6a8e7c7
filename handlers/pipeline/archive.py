"""The blobs of a delivery: its raw bytes, its normalised data, and why it was refused."""

from collections.abc import AsyncIterator

from events import Delivery, Event, Payload
from handlers import paths
from handlers.app import App
from handlers.ids import time_of
from handlers.ledger.rows import DeliveryRow
from handlers.pipeline import inbox
from handlers.pipeline.parsing import memory_of, parse_delivery
from handlers.problems import ProblemDetails, problem_document
from handlers.stores import BlobRef, ContainerName, Stores
from handlers.work import Work

_IN_ONE_PIECE = 1024 * 1024


def _is_set_aside(work: Work) -> bool:
    """Return whether the bytes are in quarantine already, under the delivery's own id."""
    return (
        work.blob is not None
        and work.blob.container is ContainerName.QUARANTINE
        and work.blob.name.rpartition("/")[2].startswith(work.id)
    )


async def store_raw(
    work: Work, body: bytes, container: ContainerName, extension: str, stores: Stores
) -> BlobRef:
    """Store the bytes as received, unless they are there already. Raises StorageFault."""
    raw = BlobRef(container, paths.raw_path(work.event, work.id, extension))
    if work.blob != raw:
        await stores.blobs.put(*raw, body, paths.content_type(raw.name))
    return raw


async def set_aside(work: Work, stores: Stores) -> BlobRef | None:
    """Store the bytes in quarantine, which no lifecycle rule empties, unless there are none.

    Never holds more than a piece of a large body. Raises StorageFault, and NotFound if its blob is gone.
    """
    if _is_set_aside(work) or not work.size:
        return work.blob
    if work.size <= _IN_ONE_PIECE:
        body = (await inbox.fetch(stores, work)).body
        return await store_raw(work, body, ContainerName.QUARANTINE, paths.extension(body), stores)
    chunks = inbox.stream(stores, work)
    first = await anext(chunks)
    path = paths.raw_path(work.event, work.id, paths.extension_by_start(first))
    raw = BlobRef(ContainerName.QUARANTINE, path)
    await stores.blobs.put_stream(*raw, _joined(first, chunks), paths.content_type(path))
    return raw


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


async def store_problem(work: Work, raw: BlobRef | None, problem: ProblemDetails, stores: Stores) -> None:
    """Store why a delivery was refused, beside its bytes. Raises StorageFault."""
    await stores.blobs.put(
        ContainerName.QUARANTINE,
        paths.problem_path(work.event, work.id),
        problem_document(
            problem, id=work.id, event=work.event, file=work.file, raw=str(raw) if raw else None
        ),
        "application/problem+json",
    )


async def store_data(work: Work, event: Event[Payload], stores: Stores) -> str:
    """Store the normalised data and return its URL. Raises StorageFault."""
    path = paths.data_path(event.type, work.id)
    await stores.blobs.put(ContainerName.ARCHIVE, path, event.data, "application/json")
    return stores.blobs.url(ContainerName.ARCHIVE, path)


async def parse_kept(row: DeliveryRow, place: BlobRef, app: App) -> Event[Payload]:
    """Parse the kept bytes of a delivery again. Raises NotFound, EventError and StorageFault."""
    async with app.memory.hold(row.size) as holding:
        body = await app.stores.blobs.get(*place)
        await holding.resize(memory_of(body, app.settings))
        delivery = Delivery(
            id=row.id,
            event=row.event,
            body=body,
            channel=row.channel,
            received_at=time_of(row.id),
            content_type=row.content_type,
        )
        return await parse_delivery(delivery, app.settings)
