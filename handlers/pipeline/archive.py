"""The blobs of a delivery: its raw bytes, its normalised data, and why it was refused."""

from events import Event, Payload
from handlers import paths
from handlers.problems import ProblemDetails, problem_document
from handlers.stores import BlobRef, ContainerName, Stores
from handlers.work import Work


def is_set_aside(work: Work) -> bool:
    """Return whether the bytes are in quarantine already; they may be more than fit into memory."""
    return work.blob is not None and work.blob.container is ContainerName.QUARANTINE


async def store_raw(
    work: Work, body: bytes, container: ContainerName, extension: str, stores: Stores
) -> BlobRef:
    """Store the bytes as received, unless they are there already. Raises StorageFault."""
    raw = BlobRef(container, paths.raw_path(work.event, work.id, extension))
    if work.blob != raw:
        await stores.blobs.put(*raw, body, paths.content_type(raw.name))
    return raw


async def set_aside(work: Work, body: bytes, stores: Stores) -> BlobRef:
    """Store bytes that could not be processed in quarantine, which no lifecycle rule empties."""
    return await store_raw(work, body, ContainerName.QUARANTINE, paths.extension(body), stores)


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
