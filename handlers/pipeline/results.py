"""Result messages: a CloudEvents message to each queue that subscribes to the event."""

import asyncio
from dataclasses import replace

from events import Envelope, Event, Payload, cloud_event
from handlers.app import App
from handlers.ids import time_of
from handlers.stores import fits
from handlers.subscriptions import Subscription
from handlers.work import Work

# The attributes around the data take less than this, apart from the subject, whose characters are escaped.
_ATTRIBUTES = 2048
_ESCAPED = len(r"\ufffe")


def fit_whole(event: Event[Payload], app: App) -> bool:
    """Return whether the data fits into the message to every subscriber. Raises SubscriptionsError."""
    return all(_fits_whole(event, queue) for _, queue in app.subscriptions.of(event.type))


def _fits_whole(event: Event[Payload], queue: Subscription) -> bool:
    subject = len(event.subject.key) * _ESCAPED if event.subject else 0
    return fits(len(event.data) + _ATTRIBUTES + subject, queue.encoding)


async def send(
    work: Work, event: Event[Payload], duplicate_of: str | None, data_ref: str | None, app: App
) -> tuple[str, ...]:
    """Send the event to each queue that subscribes to it, and return their names. Raises StorageFault."""
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
                name, whole if _fits_whole(event, queue) else referring, encoding=queue.encoding
            )
            for name, queue in targets
        )
    )
    return tuple(name for name, _ in targets)
