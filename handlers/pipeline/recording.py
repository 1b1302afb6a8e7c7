"""Recording the outcome of a delivery: in the ledger, in last seen, and for the alerts."""

from events import Event, Payload
from handlers import telemetry
from handlers.app import App
from handlers.ledger import write
from handlers.ledger.write import Outcome, Status
from handlers.work import Work


async def record(work: Work, outcome: Outcome, app: App, event: Event[Payload] | None = None) -> None:
    """Write the outcome of a delivery to the ledger, and emit it. Raises StorageFault."""
    await write.record(app.stores.tables, work, outcome, event)
    await app.last_seen.note(work)
    emit(work, outcome.status, app)


def emit(work: Work, status: Status, app: App) -> None:
    took = app.timings.now() - work.received_at
    telemetry.delivery(work.id, work.event, work.channel, status, seconds=took.total_seconds())
