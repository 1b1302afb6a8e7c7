"""Result messages: a CloudEvents message to each sink that subscribes to the event."""

import asyncio
from dataclasses import replace

from events import Envelope, Event, Payload, cloud_event
from handlers.app import App
from handlers.errors import HEALED_BY_TIME
from handlers.ids import time_of
from handlers.pipeline.sinks import Context, sinks_of
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


class UnsentError(Exception):
    """A subscription that did not get its message: `sent` are those that did, `cause` is what kept it."""

    def __init__(self, sent: tuple[str, ...], cause: Exception) -> None:
        super().__init__(str(cause))
        self.sent = sent
        self.cause = cause


async def send(
    work: Work, event: Event[Payload], duplicate_of: str | None, data_ref: str | None, app: App
) -> tuple[str, ...]:
    """Send the event to each sink that subscribes to it and has not got it, and return all their names.

    Raises UnsentError once every sink was tried.
    """
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
        sink
        for sink in sinks_of(event.type, app)
        if (chosen is None or sink.name in chosen) and (not duplicate_of or sink.takes_duplicates)
    ]
    whole = cloud_event(event, envelope)
    referring = cloud_event(event, replace(envelope, data_ref=data_ref)) if data_ref else whole
    context = Context(
        id=origin,
        type=event.type.message_type,
        delivery=work.id,
        kind=event.subject.kind if event.subject else event.type.kind,
        key=event.subject.key if event.subject else None,
        is_duplicate=duplicate_of is not None,
        is_replay=work.replay is not None,
    )
    size = _most_bytes(event)
    missing = [sink for sink in targets if sink.name not in work.sent]
    outcomes = await asyncio.gather(
        *(sink.send(whole if sink.fits(size) else referring, context) for sink in missing),
        return_exceptions=True,
    )
    failed: dict[str, Exception] = {}
    for sink, error in zip(missing, outcomes, strict=True):
        if isinstance(error, Exception):
            failed[sink.name] = error
        elif error is not None:  # the process is about to end
            raise error
    names = tuple(sink.name for sink in targets)
    if failed:
        # first one that waiting heals: until then, the delivery must not be given up
        cause = min(failed.values(), key=lambda error: not isinstance(error, HEALED_BY_TIME))
        raise UnsentError(tuple(name for name in names if name not in failed), cause)
    return names
