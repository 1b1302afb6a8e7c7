"""The depth of each queue, and the age of its oldest message."""

import asyncio
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from handlers.app import App
from handlers.errors import SubscriptionsError
from handlers.ledger import sends
from handlers.stores import (
    DROPS_POISON_QUEUE,
    INBOX_POISON_QUEUE,
    INBOX_QUEUE,
    NOTIFICATION_QUEUES,
    PUSH_POISON_QUEUE,
    PUSH_QUEUE,
    Queues,
)
from handlers.subscriptions import Subscription

type Role = Literal["inbox", "notifications", "poison", "push", "result"]


class Backlog(NamedTuple):
    """The depth of a queue, or of an https subscription; `oldest_seconds` is None if nothing is visible."""

    queue: str
    role: Role
    messages: int
    oldest_seconds: float | None


async def backlogs(app: App) -> list[Backlog]:
    """Measure every queue that the app writes to or is responsible for, and what waits to be pushed.

    If the subscriptions are wrong, they are unknown, and only the others are measured. Raises StorageFault.
    """
    queues = app.stores.queues
    try:
        subscriptions = list(app.subscriptions.all.values())
    except SubscriptionsError:
        subscriptions = []
    notifications = [
        _measure(queues, name, "notifications") for name in await queues.starting_with(NOTIFICATION_QUEUES)
    ]
    own: list[tuple[str, Role]] = [(INBOX_QUEUE, "inbox"), (INBOX_POISON_QUEUE, "poison")]
    if any(each.kind == "https" for each in subscriptions):
        own += [(PUSH_QUEUE, "push"), (PUSH_POISON_QUEUE, "poison")]
    found = await asyncio.gather(
        *(_measure(queues, name, role) for name, role in own),
        _measure(app.stores.drop_queues, DROPS_POISON_QUEUE, "poison"),
        *notifications,
        *(measure(each, app) for each in subscriptions),
    )
    return [each for each in found if each is not None]


async def measure(subscription: Subscription, app: App) -> Backlog | None:
    """Measure what waits for a subscription. None for Service Bus, of which the app knows nothing."""
    name = subscription.name
    match subscription.kind:
        case "queue":
            return await _measure(app.stores.queues, name, "result")
        case "https":
            kept = await sends.backlog(app.stores.tables, name)
            return _backlog(name, "result", kept.waiting, kept.oldest)
        case "service-bus":
            return None


async def _measure(queues: Queues, name: str, role: Role) -> Backlog:
    messages, oldest = await asyncio.gather(queues.depth(name), queues.oldest(name))
    return _backlog(name, role, messages, oldest)


def _backlog(name: str, role: Role, messages: int, oldest: datetime | None) -> Backlog:
    age = max((datetime.now(UTC) - oldest).total_seconds(), 0.0) if oldest else None
    return Backlog(name, role, messages, age)
