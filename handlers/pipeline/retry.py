"""Retry: a failed attempt comes back later, and is given up after a few errors that time does not heal.

The platform's own retries are immediate, lose the error, and end in a poison queue whose messages expire. So
host.json never lets it move a message: the app counts. An attempt that fails records its error and requeues
the message. One that ends its process can do neither, and is recognised when the message is delivered again.
"""

import asyncio
import logging
import random
from time import monotonic

from events import Event, Payload
from handlers.app import App
from handlers.errors import HEALED_BY_TIME, Erased, NotFound, StorageFault
from handlers.ledger import write
from handlers.ledger.rows import Outcome, Status
from handlers.memory import Holding
from handlers.pipeline import archive, inbox, recording
from handlers.pipeline.parsing import memory_of, parse_delivery
from handlers.stores import INBOX_POISON_QUEUE, INBOX_QUEUE, PUSH_POISON_QUEUE, PUSH_QUEUE, fits
from handlers.work import Work

_log = logging.getLogger("printiq.retry")

_LONGEST_PAUSE = 10
# Only one of the deliveries in a process ends it: a random delay keeps it from the others the next time.
_SPREAD = 6


class CrashedError(Exception):
    """The end of the process, or of its instance, during an attempt."""

    def __init__(self) -> None:
        super().__init__("The process ended while working on this.")


async def try_again(work: Work, error: Exception, app: App) -> None:
    """Record a failed attempt and requeue the message with a growing delay, or give the delivery up.

    Raises StorageFault only if the message could not be requeued.
    """
    lasting = not isinstance(error, HEALED_BY_TIME)
    description = f"{type(error).__name__}: {error}" if lasting else str(error)
    errors = work.errors + lasting
    _log.log(
        logging.ERROR if lasting or work.attempt >= app.timings.max_errors else logging.WARNING,
        "%s attempt %d failed: %s",
        work.id,
        work.attempt,
        description,
        exc_info=error if lasting else None,
    )
    is_given_up = errors >= app.timings.max_errors
    try:
        await _record(
            work, description, app, is_given_up=is_given_up, unparsed=isinstance(error, CrashedError)
        )
    except Erased:
        await recording.drop(work, app)
        return
    except Exception as failure:  # noqa: BLE001 - the message counts attempts too, and the next one records again
        trace = None if isinstance(failure, StorageFault) else failure
        _log.warning("%s attempt %d was not recorded: %s", work.id, work.attempt, failure, exc_info=trace)
    else:
        if is_given_up:
            return
    recording.emit(work, Status.FAILING, app)
    delay = app.timings.delay_after(work.attempt)
    if isinstance(error, CrashedError):  # deliveries that ended together must not run together again
        delay = int(delay * random.uniform(1, _SPREAD))
    again = work.model_copy(update={"attempt": work.attempt + 1, "errors": errors})
    if not fits(len(again.encode()), "none"):  # then every subscription gets it again
        again = again.model_copy(update={"sent": (), "withheld": ()})
    await _requeue(again, delay, app)


async def _record(work: Work, description: str, app: App, *, is_given_up: bool, unparsed: bool) -> None:
    """Record a failed attempt under the event's subjects, if it can be parsed. Raises Erased.

    The event ends with this call: the message may wait a minute to be requeued.
    """
    unparsed = unparsed or work.refusal is not None or work.size > app.settings.max_body_bytes
    event: Event[Payload] | None = None
    try:
        async with app.memory.hold(0 if unparsed else work.size) as holding:
            if not unparsed:
                event = await _event(work, holding, app)
            if is_given_up:
                await _give_up(work, description, event, app)
                return
            outcome = Outcome(
                status=Status.FAILING, error=description, queues=work.sent, withheld=work.withheld
            )
            await write.record(app.stores.tables, work, outcome, event)
    except Erased:
        # not before the memory is free: the state that is left is parsed, and waits for memory, too
        await recording.forget(work, event, app)
        raise


async def _requeue(work: Work, delay: int, app: App) -> None:
    """Requeue a message, waiting out a short storage fault: the platform's retry would count as a crash."""
    deadline, pause = monotonic() + app.timings.requeue, 1
    while True:
        try:
            await inbox.requeue(app.stores, work, delay=delay)
        except StorageFault:
            if monotonic() + pause > deadline:
                raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        else:
            return


async def _give_up(work: Work, description: str, event: Event[Payload] | None, app: App) -> None:
    """Record a delivery as failed and open, with its bytes in quarantine, one replay away."""
    try:
        raw = await archive.set_aside(work, app.stores)
    except NotFound:
        raw = work.blob  # it is gone: the error names it
    outcome = Outcome(
        status=Status.FAILED, error=description, queues=work.sent, withheld=work.withheld, raw=raw
    )
    await recording.record(work, outcome, app, event)


async def _event(work: Work, holding: Holding, app: App) -> Event[Payload] | None:
    """Return the event if it can be parsed, so that the delivery can be found by its subjects."""
    try:
        delivery = await inbox.fetch(app.stores, work)
        await holding.resize(memory_of(delivery.body, app.settings))
        return await parse_delivery(delivery, app.settings)
    except Exception:  # noqa: BLE001 - it may be the error that failed the delivery
        return None


async def recover_poison(app: App) -> None:
    """Move messages from the poison queues back to their queues. Raises StorageFault.

    There are none unless a setting overrides `maxDequeueCount`: they would expire after seven days.
    """
    queues = app.stores.queues
    for poison, queue in (INBOX_POISON_QUEUE, INBOX_QUEUE), (PUSH_POISON_QUEUE, PUSH_QUEUE):
        async for batch in queues.receive(poison):
            for received in batch:
                await queues.send(queue, received.text.encode())
                await queues.delete(poison, received)
