"""Result messages: a CloudEvents message to each sink that subscribes to the event."""

import asyncio
from dataclasses import replace
from typing import NamedTuple

from events import Envelope, Event, Payload, cloud_event
from handlers.app import App
from handlers.errors import HEALED_BY_TIME, Erased
from handlers.ids import time_of
from handlers.ledger import sends
from handlers.pipeline.sinks import Context, Sink, sinks_of
from handlers.work import Work

# The attributes around the data take less than this, apart from printIQ's texts, which may be escaped.
_ATTRIBUTES = 2048
_ESCAPED = len(r"\ufffe")


def fit_whole(event: Event[Payload], app: App) -> bool:
    """Return whether the data fits into the message to every subscriber. Raises SubscriptionsError."""
    return all(sink.fits(_most_bytes(event)) for sink in sinks_of(event.type, app))


def _most_bytes(event: Event[Payload]) -> int:
    """Return a bound of the size of a message that contains the data."""
    texts = [event.subject.key if event.subject else "", *(fact or "" for fact in event.facts)]
    return len(event.data) + _ATTRIBUTES + sum(map(len, texts)) * _ESCAPED


class Sent(NamedTuple):
    """The subscriptions that got an event, and the paused ones from which it was withheld."""

    queues: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()


class UnsentError(Exception):
    """A subscription that did not get its message, by its `cause`; `sent` is what the others got."""

    def __init__(self, sent: Sent, cause: Exception) -> None:
        super().__init__(str(cause))
        self.sent = sent
        self.cause = cause


async def send(
    work: Work, event: Event[Payload], duplicate_of: str | None, data_ref: str | None, app: App
) -> Sent:
    """Send the event to each sink that subscribes to it, but for those that an earlier attempt dealt with.

    What is withheld from a paused subscription is noted, so that it can be replayed. Raises UnsentError or
    Erased once every sink was tried, and StorageFault.
    """
    chosen = work.replay.queues if work.replay else None
    targets = [
        sink
        for sink in sinks_of(event.type, app)
        if (chosen is None or sink.name in chosen) and (not duplicate_of or sink.takes_duplicates)
    ]
    if not targets:
        return Sent()
    envelope = envelope_of(
        event,
        app,
        origin=work.replay.origin if work.replay else work.id,
        duplicate_of=duplicate_of,
        replay_of=work.replay.of if work.replay else None,
    )
    whole = cloud_event(event, envelope)
    referring = cloud_event(event, replace(envelope, data_ref=data_ref)) if data_ref else whole
    context, size = _context(work, event, envelope), _most_bytes(event)
    pauses = await app.pauses.all()

    async def deliver(sink: Sink) -> None:
        message = whole if sink.fits(size) else referring
        if pause := pauses.get(sink.name):
            await sends.withhold(app.stores.tables, sink.name, message, pause.reason, app.timings.now())
        else:
            await sink.send(message, context)

    missing = [sink for sink in targets if sink.name not in {*work.sent, *work.withheld}]
    outcomes = await asyncio.gather(*map(deliver, missing), return_exceptions=True)
    failed: dict[str, Exception] = {}
    for sink, error in zip(missing, outcomes, strict=True):
        if isinstance(error, Exception) and not isinstance(error, Erased):
            failed[sink.name] = error
        elif error is not None:  # nothing may be done with it any more, or the process is about to end
            raise error
    withheld = {*work.withheld, *(sink.name for sink in missing if sink.name in pauses)}
    done = [sink.name for sink in targets if sink.name not in failed]
    sent = Sent(
        tuple(name for name in done if name not in withheld), tuple(name for name in done if name in withheld)
    )
    if failed:
        # first one that waiting heals: until then, the delivery must not be given up
        cause = min(failed.values(), key=lambda error: not isinstance(error, HEALED_BY_TIME))
        raise UnsentError(sent, cause) from cause
    return sent


def envelope_of(
    event: Event[Payload], app: App, *, origin: str, duplicate_of: str | None, replay_of: str | None
) -> Envelope:
    """Return the envelope of a delivery's message; `origin` is the id of its first delivery."""
    return Envelope(
        id=origin,
        time=time_of(origin),
        source=source(app),
        data_schema=f"{app.settings.url}/api/schemas/{event.type}",
        duplicate_of=duplicate_of,
        replay_of=replay_of,
    )


def source(app: App) -> str:
    """Return the CloudEvents source of this app's messages."""
    return f"/printiq/{app.settings.printiq_site}"


def _context(work: Work, event: Event[Payload], envelope: Envelope) -> Context:
    return Context(
        id=envelope.id,
        type=event.type.message_type,
        delivery=work.id,
        kind=event.subject.kind if event.subject else event.type.kind,
        key=event.subject.key if event.subject else None,
        is_duplicate=envelope.duplicate_of is not None,
        is_replay=envelope.replay_of is not None,
    )
