"""Recording the outcome of a delivery: in the ledger, in last seen, and for the alerts."""

import logging

from events import Event, Payload
from handlers import telemetry
from handlers.app import App
from handlers.ledger import write
from handlers.ledger.rows import Outcome, Status
from handlers.pipeline import duplicates, removal
from handlers.work import Work

_log = logging.getLogger("printiq.recording")


async def record(work: Work, outcome: Outcome, app: App, event: Event[Payload] | None = None) -> None:
    """Write the outcome of a delivery to the ledger, and emit it. Raises StorageFault, and Erased."""
    await write.record(app.stores.tables, work, outcome, event)
    await app.last_seen.note(work)
    emit(work, outcome.status, app)


async def forget(work: Work, event: Event[Payload] | None, app: App) -> None:
    """Remove what an attempt that did not know of the erasure has written of the event's subject.

    Waits for memory, so the caller must hold none.
    """
    if event is not None and event.subject is not None:
        await duplicates.forget(app.stores.tables, event.subject, event.type, work.id)
        await removal.restore_record(app, event.subject, work.id)


async def drop(work: Work, app: App) -> None:
    """End the work on an erased delivery, and remove what was stored of it since."""
    await removal.remove_bytes(app.stores, work.event, work.id)
    _log.info("%s was erased: its message is dropped.", work.id)


def emit(work: Work, status: Status, app: App) -> None:
    took = app.timings.now() - work.received_at
    telemetry.delivery(work.id, work.event, work.channel, status, seconds=took.total_seconds())
