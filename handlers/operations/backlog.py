"""The depth of each queue, and the age of its oldest message."""

import asyncio
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from handlers.app import App
from handlers.errors import SubscriptionsError
from handlers.stores import DROPS_POISON_QUEUE, INBOX_POISON_QUEUE, INBOX_QUEUE, NOTIFICATION_QUEUES, Queues

type Role = Literal["inbox", "notifications", "poison", "result"]


class Backlog(NamedTuple):
    """A queue's depth; `oldest_seconds` is None if no message is visible."""

    queue: str
    role: Role
    messages: int
    oldest_seconds: float | None


async def backlogs(app: App) -> list[Backlog]:
    """Measure every queue that the app writes to or is responsible for. Raises StorageFault.

    If the subscriptions are wrong, the result queues are unknown, and only the others are measured.
    """
    queues = app.stores.queues
    try:
        names = [each.name for each in app.subscriptions.all.values() if each.kind == "queue"]
    except SubscriptionsError:
        names = []
    notifications = [
        _measure(queues, name, "notifications") for name in await queues.starting_with(NOTIFICATION_QUEUES)
    ]
    results = [_measure(queues, name, "result") for name in names]
    return await asyncio.gather(
        _measure(queues, INBOX_QUEUE, "inbox"),
        _measure(queues, INBOX_POISON_QUEUE, "poison"),
        _measure(app.stores.drop_queues, DROPS_POISON_QUEUE, "poison"),
        *notifications,
        *results,
    )


async def _measure(queues: Queues, name: str, role: Role) -> Backlog:
    messages, oldest = await asyncio.gather(queues.depth(name), queues.oldest(name))
    age = max((datetime.now(UTC) - oldest).total_seconds(), 0.0) if oldest else None
    return Backlog(name, role, messages, age)
