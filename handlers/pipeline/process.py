"""From an inbox message to all outputs: archive, result queues, ledger. Every step can be run again."""

import asyncio
import contextlib
import itertools
import logging
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic

from events import (
    BodyTooLarge,
    Channel,
    Delivery,
    Envelope,
    Event,
    EventError,
    Payload,
    cloud_event,
    timestamp,
)
from handlers import paths, telemetry
from handlers.app import App
from handlers.errors import NotFound, StorageFault, SubscriptionsError
from handlers.ids import time_of
from handlers.ledger import write
from handlers.ledger.write import Outcome, Status
from handlers.pipeline import duplicates, inbox
from handlers.pipeline.parsing import parse_delivery
from handlers.problems import ProblemDetails, problem_document
from handlers.stores import INBOX_POISON_QUEUE, BlobRef, ContainerName, Received, fits
from handlers.subscriptions import Subscription
from handlers.work import Message, Work

_log = logging.getLogger("printiq.process")

# Tried for ever: storage comes back, and subscriptions are mended by whoever wrote them.
_CAN_BE_MENDED = (StorageFault, SubscriptionsError)
# So many other errors end it.
MAX_ERRORS = 5
_FIRST_DELAY = 10
_LONGEST_DELAY = 3600
# Less than the time to the next heartbeat.
_BRINGING_BACK_SECONDS = 240
# Less than the function's time-out.
_PATIENCE_SECONDS = 480


def delay_after(attempt: int) -> int:
    """Return the seconds to wait after a failed attempt: 10, 20, 40, … up to an hour."""
    # a bounded power: after some weeks of tries the number would be too large for any
    return min(_FIRST_DELAY << min(attempt - 1, 10), _LONGEST_DELAY)


async def process(message: Message, app: App) -> None:
    """Work off one message of the inbox. Raises StorageFault only where not even a copy could be put back."""
    work = Work.read(message)
    try:
        await _work(work, app)
    except duplicates.NotSettled:
        await inbox.requeue(
            app.stores, work.model_copy(update={"settled": True}), delay=duplicates.SETTLE_SECONDS
        )
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the message must come back
        await _try_again(work, error, app)


async def bring_back(message: Message, app: App) -> None:
    """Put a message of the poison queue back: work on it ended, five times, before it could say why.

    A poison queue has none of its own: what its trigger fails on five times, ten minutes apart, is not handed
    out again. So storage faults are waited out here for minutes; then StorageFault is raised, and
    `bring_back_stranded` has to find the message.
    """
    deadline = monotonic() + _PATIENCE_SECONDS
    for attempt in itertools.count(1):
        try:
            await _crashed(message, app)
        except StorageFault:
            if monotonic() > deadline:
                raise
            await asyncio.sleep(min(2.0**attempt, 60))
        else:
            return


async def _crashed(message: Message, app: App) -> None:
    error = CrashedError("The process ended while working on this, five times.")
    await _try_again(Work.read(message), error, app)


async def bring_back_stranded(app: App) -> None:
    """Put back what the trigger of the poison queue could not. Raises StorageFault; the next run goes on."""
    deadline = monotonic() + _BRINGING_BACK_SECONDS
    async for batch in app.stores.queues.receive(INBOX_POISON_QUEUE):
        outcomes = await asyncio.gather(*(_bring_back(each, app) for each in batch), return_exceptions=True)
        for received, error in zip(batch, outcomes, strict=True):
            if isinstance(error, StorageFault) or (error and not isinstance(error, Exception)):
                raise error
            if error:
                _log.error("Message %s stays in %s for now", received.id, INBOX_POISON_QUEUE, exc_info=error)
        if monotonic() > deadline:
            return


async def _bring_back(received: Received, app: App) -> None:
    await _crashed(Message(received.id, received.inserted_at, received.text), app)
    await app.stores.queues.delete(INBOX_POISON_QUEUE, received)


class CrashedError(Exception):
    """Say that the process ended before it could say why."""


async def _work(work: Work, app: App) -> None:
    if work.refusal is not None:
        # what lies in a blob lies in quarantine already, and may be more than memory holds
        body = b"" if work.blob else (await inbox.fetch(app.stores, work)).body
        await _quarantine(work, body, work.refusal, app)
        return
    if _is_set_aside(work) and work.size > app.settings.max_body_bytes:
        too_large = BodyTooLarge.of(work.size, app.settings.max_body_bytes)
        await _quarantine(work, b"", ProblemDetails.of(too_large), app)
        return
    steps = {"begun": _now()}
    delivery = await inbox.fetch(app.stores, work)
    try:
        event = await parse_delivery(delivery, app.settings)
    except EventError as error:
        await _quarantine(work, delivery.body, ProblemDetails.of(error), app)
        return
    raw = await _store_raw(work, delivery.body, ContainerName.ARCHIVE, event.format, app)
    steps["archived"] = _now()
    verdict = duplicates.Verdict()
    if work.replay is None:
        verdict = await duplicates.verdict(
            event,
            app.stores.tables,
            window_seconds=app.settings.duplicate_window_seconds,
            settled=work.settled,
        )
    for freed in verdict.freed:
        await _send_again(freed, event, app)
    steps["decided"] = _now()
    data_ref = await _data_blob(work, event, app)
    queues = await _send(work, event, verdict.duplicate_of, data_ref, app)
    steps["sent"] = _now()
    outcome = Outcome(
        status=Status.DUPLICATE if verdict.duplicate_of else Status.SENT,
        duplicate_of=verdict.duplicate_of,
        queues=queues,
        raw=raw,
        data_ref=data_ref,
        steps=steps,
    )
    await _record(work, outcome, app, event)
    app.drift.observe(event)


def _is_set_aside(work: Work) -> bool:
    """Tell whether its bytes lie in quarantine: there may be more of them than memory holds."""
    return work.blob is not None and work.blob.container is ContainerName.QUARANTINE


def _now() -> str:
    return timestamp(datetime.now(UTC))


async def _quarantine(work: Work, body: bytes, refusal: ProblemDetails, app: App) -> None:
    """Set the bytes aside, unless there are none or they lie in quarantine already."""
    raw = work.blob
    if body:
        raw = await _store_raw(work, body, ContainerName.QUARANTINE, paths.extension(body), app)
    await app.stores.blobs.put(
        ContainerName.QUARANTINE,
        paths.problem_path(work.event, work.id),
        problem_document(
            refusal, id=work.id, event=work.event, file=work.file, raw=str(raw) if raw else None
        ),
        "application/problem+json",
    )
    outcome = Outcome(status=Status.QUARANTINED, error=refusal.detail, raw=raw)
    await _record(work, outcome, app)


async def _store_raw(work: Work, body: bytes, container: ContainerName, extension: str, app: App) -> BlobRef:
    raw = BlobRef(container, paths.raw_path(work.event, work.id, extension))
    if work.blob != raw:
        await app.stores.blobs.put(*raw, body, paths.content_type(raw.name))
    return raw


async def _data_blob(work: Work, event: Event[Payload], app: App) -> str | None:
    """Store the normalised data where it is too large for a row or for a message to some queue."""
    in_row = len(event.data) <= write.MAX_TEXT
    if in_row and all(_whole_fits(event, queue) for _, queue in app.subscriptions.of(event.type)):
        return None
    path = paths.data_path(event.type, work.id)
    await app.stores.blobs.put(ContainerName.ARCHIVE, path, event.data, "application/json")
    return app.stores.blobs.url(ContainerName.ARCHIVE, path)


# The attributes around the data take less than this, but for the subject, whose characters are escaped.
_ATTRIBUTES = 2048
_ESCAPED = len(r"\ufffe")


def _whole_fits(event: Event[Payload], queue: Subscription) -> bool:
    subject = len(event.subject.key) * _ESCAPED if event.subject else 0
    return fits(len(event.data) + _ATTRIBUTES + subject, queue.encoding)


async def _send(
    work: Work, event: Event[Payload], duplicate_of: str | None, data_ref: str | None, app: App
) -> tuple[str, ...]:
    """Send the event to every queue that is to get it; return their names."""
    origin = work.replay.origin if work.replay else work.id
    envelope = Envelope(
        id=origin,
        time=time_of(origin),
        source=f"/printiq/{app.settings.printiq_site}",
        data_schema=f"{app.settings.url}/api/schemas/{event.type}",
        duplicate_of=duplicate_of,
        replay_of=work.replay.of if work.replay else None,
    )
    chosen = work.replay.queues if work.replay else None
    targets = [
        (name, queue)
        for name, queue in app.subscriptions.of(event.type)
        if (chosen is None or name in chosen) and not (duplicate_of and queue.duplicates == "drop")
    ]
    whole = cloud_event(event, envelope)
    referring = cloud_event(event, replace(envelope, data_ref=data_ref)) if data_ref else whole
    await asyncio.gather(
        *(
            app.stores.queues.send(
                name, whole if _whole_fits(event, queue) else referring, encoding=queue.encoding
            )
            for name, queue in targets
        )
    )
    return tuple(name for name, _ in targets)


async def _send_again(freed: duplicates.Entry, event: Event[Payload], app: App) -> None:
    path = paths.raw_path(event.type, freed.id, freed.extension)
    work = Work(
        id=freed.id,
        event=event.type,
        channel=Channel(freed.channel),
        received_at=time_of(freed.id),
        size=freed.size,
        blob=BlobRef(ContainerName.ARCHIVE, path),
    )
    # later than a first run of it that may still be under way, whose row is to be overwritten
    await inbox.requeue(app.stores, work, delay=duplicates.SETTLE_SECONDS)


async def _try_again(work: Work, error: Exception, app: App) -> None:
    """Note the error on the ledger and put the message back with a growing delay, or give up if due."""
    lasting = not isinstance(error, _CAN_BE_MENDED)
    said = f"{type(error).__name__}: {error}" if lasting else str(error)
    _log.error("%s attempt %d failed: %s", work.id, work.attempt, said, exc_info=error if lasting else None)
    errors = work.errors + lasting
    if errors >= MAX_ERRORS:
        await _give_up(work, said, app)
        return
    with contextlib.suppress(StorageFault):  # the message tells it too, and the next try writes again
        await write.record(app.stores.tables, work, Outcome(status=Status.FAILING, error=said))
    _tell(work, Status.FAILING)
    again = work.model_copy(update={"attempt": work.attempt + 1, "errors": errors})
    await inbox.requeue(app.stores, again, delay=delay_after(work.attempt))


async def _give_up(work: Work, said: str, app: App) -> None:
    """Leave a failed delivery in the open, with its bytes one replay away.

    They lie in quarantine, where no lifecycle rule removes them.
    """
    raw, event = work.blob, None
    if not _is_set_aside(work) or work.size <= app.settings.max_body_bytes:
        with contextlib.suppress(NotFound):
            delivery = await inbox.fetch(app.stores, work)
            raw = await _store_raw(
                work, delivery.body, ContainerName.QUARANTINE, paths.extension(delivery.body), app
            )
            event = await _understood(delivery, app)
    await _record(work, Outcome(status=Status.FAILED, error=said, raw=raw), app, event)


async def _understood(delivery: Delivery, app: App) -> Event[Payload] | None:
    """Return the event if it can be had, so that what failed is found by its subjects."""
    try:
        return await parse_delivery(delivery, app.settings)
    except Exception:  # noqa: BLE001 - perhaps the very error that it failed of
        return None


async def _record(work: Work, outcome: Outcome, app: App, event: Event[Payload] | None = None) -> None:
    """Write to the ledger what came of a delivery, and tell it."""
    await write.record(app.stores.tables, work, outcome, event)
    await app.last_seen.note(work)
    _tell(work, outcome.status)


def _tell(work: Work, status: Status) -> None:
    took = datetime.now(UTC) - work.received_at
    telemetry.delivery(work.id, work.event, work.channel, status, seconds=took.total_seconds())
