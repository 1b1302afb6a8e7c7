"""From an inbox message to all outputs: archive, subscriptions, ledger. Every step can be run again."""

import traceback
from dataclasses import replace

from events import BodyTooLarge, Delivery, Event, EventError, Payload, numbers_in, timestamp
from handlers import paths
from handlers.app import App
from handlers.errors import Erased
from handlers.ids import time_of
from handlers.ledger import write
from handlers.ledger.rows import MAX_TEXT, Outcome, Status
from handlers.pipeline import archive, duplicates, inbox, recording, results, retry
from handlers.pipeline.parsing import memory_of, parse_delivery
from handlers.problems import ProblemDetails
from handlers.stores import BlobRef, ContainerName
from handlers.work import Message, Work


async def process(message: Message, app: App) -> None:
    """Process one message of the inbox. Raises StorageFault only if it could not even be requeued.

    A message is delivered a second time when the process ended during the first attempt. Its body may be the
    cause, so it is requeued before it is parsed, to run apart from the messages that ran beside it.
    """
    work = Work.read(message)
    if message.dequeue_count > 1:
        await retry.try_again(work, retry.CrashedError(), app)
        return
    try:
        await _process(work, app)
    except Erased:
        await recording.drop(work, app)
    except Exception as error:  # noqa: BLE001 - whatever failed, the message must be retried
        _clear_frames(error)
        if isinstance(error, results.UnsentError):
            work = work.model_copy(update={"sent": error.sent.queues, "withheld": error.sent.withheld})
            await retry.try_again(work, error.cause, app)
        else:
            await retry.try_again(work, error, app)


def _clear_frames(error: BaseException | None) -> None:
    """Let go of the local variables in an error's frames: the body and the event, whose memory is free."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


async def _process(work: Work, app: App) -> None:
    await write.refuse_erased(app.stores.tables, work.id)
    if work.replay is not None:  # its bytes are the original's
        await write.refuse_erased(app.stores.tables, work.replay.of)
    if work.refusal is not None:
        await _quarantine(work, work.refusal, app)
    elif work.size > app.settings.max_body_bytes:
        too_large = BodyTooLarge.of(work.size, app.settings.max_body_bytes)
        await _quarantine(work, ProblemDetails.of(too_large), app)
    else:
        event: Event[Payload] | None = None
        try:
            async with app.memory.hold(work.size) as holding:
                delivery = await inbox.fetch(app.stores, work)
                await holding.resize(memory_of(delivery.body, app.settings))
                steps = {"begun": _now(app)}
                event = await _parsed(work, delivery, app)
                if event is not None:
                    await _send(work, delivery, event, steps, app)
        except Erased:
            # not before the memory is free: the state that is left is parsed, and waits for memory, too
            await recording.forget(work, event, app)
            raise


async def _parsed(work: Work, delivery: Delivery, app: App) -> Event[Payload] | None:
    """Return the event; None once a delivery that cannot be parsed is set aside."""
    try:
        return await parse_delivery(delivery, app.settings)
    except EventError as error:
        unread = work.model_copy(update={"numbers": numbers_in(delivery.body)})
        await _quarantine(unread, ProblemDetails.of(error), app)
        return None


async def _send(
    work: Work, delivery: Delivery, event: Event[Payload], steps: dict[str, str], app: App
) -> None:
    """Send an event to all outputs; `steps` are the times of those before."""
    raw = await archive.store_raw(work, delivery.body, ContainerName.ARCHIVE, event.format, app.stores)
    steps["archived"] = _now(app)
    verdict = duplicates.UNIQUE if work.replay else await duplicates.decide(event, app, settled=work.settled)
    if verdict is None:
        settled = work.model_copy(update={"settled": True})
        await inbox.requeue(app.stores, settled, delay=app.timings.settle)
        return
    for freed in verdict.freed:
        await _resend(freed, event, app)
    steps["decided"] = _now(app)
    in_row = len(event.data) <= MAX_TEXT
    data_ref = None
    if not (in_row and results.fit_whole(event, app)):
        data_ref = await archive.store_data(work, event, app.stores)
    sent = await results.send(work, event, verdict.duplicate_of, data_ref, app)
    steps["sent"] = _now(app)
    outcome = Outcome(
        status=Status.DUPLICATE if verdict.duplicate_of else Status.SENT,
        duplicate_of=verdict.duplicate_of,
        queues=sent.queues,
        withheld=sent.withheld,
        raw=raw,
        data_ref=data_ref,
        steps=steps,
    )
    await recording.record(work, outcome, app, event)
    if verdict.duplicate_of and await duplicates.was_freed(event, app.stores.tables):
        # it was sent again in the meantime, unmarked, and perhaps recorded before this slow write
        freed_outcome = replace(outcome, status=Status.SENT, duplicate_of=None)
        await recording.record(work, freed_outcome, app, event)
    app.drift.observe(event)


def _now(app: App) -> str:
    return timestamp(app.timings.now())


async def _quarantine(work: Work, problem: ProblemDetails, app: App) -> None:
    """Set the bytes of a delivery aside and record why."""
    raw = await archive.set_aside(work, app.stores)
    await archive.store_problem(work, raw, problem, app.stores)
    await recording.record(work, Outcome(status=Status.QUARANTINED, error=problem.detail, raw=raw), app)


async def _resend(freed: duplicates.Entry, event: Event[Payload], app: App) -> None:
    """Send a delivery again that turned out to be no duplicate."""
    path = paths.raw_path(event.type, freed.id, freed.extension)
    work = Work(
        id=freed.id,
        event=event.type,
        channel=freed.channel,
        received_at=time_of(freed.id),
        size=freed.size,
        blob=BlobRef(ContainerName.ARCHIVE, path),
    )
    # delayed, so that its row overwrites that of a first run that may still be under way
    await inbox.requeue(app.stores, work, delay=app.timings.settle)
