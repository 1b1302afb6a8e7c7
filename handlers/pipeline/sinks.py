"""Sinks: where result messages go. The pipeline knows no other detail of an output."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from events import EventType
from handlers.app import App
from handlers.ids import HASH_LENGTH, ending_in_hash
from handlers.pushes import Push
from handlers.stores import MAX_SESSION_ID, PUSH_QUEUE, BrokerProperties, Queues, ServiceBus, fits
from handlers.subscriptions import (
    HttpsSubscription,
    QueueSubscription,
    ServiceBusSubscription,
    Subscription,
)


class Context(NamedTuple):
    """What a destination needs to know of a message without reading it."""

    # the CloudEvents id and type
    id: str
    type: str
    # the delivery's own id, which differs in a replay
    delivery: str
    kind: str
    key: str | None
    is_duplicate: bool = False
    is_replay: bool = False


class Sink(Protocol):
    """A destination of result messages; `name` is its subscription's."""

    @property
    def name(self) -> str: ...

    @property
    def takes_duplicates(self) -> bool: ...

    def fits(self, size: int) -> bool:
        """Return whether a message may have this many bytes."""

    async def send(self, message: bytes, context: Context) -> None:
        """Send a CloudEvents message; one with the same `id` may come again.

        Raises StorageFault, DestinationFault, and DestinationRefusal for a message that is never taken.
        """


class QueueSink:
    """A queue of Azure Storage."""

    def __init__(self, subscription: QueueSubscription, queues: Queues) -> None:
        self.name = subscription.name
        self.takes_duplicates = subscription.duplicates == "send"
        self._encoding = subscription.encoding
        self._queues = queues

    def fits(self, size: int) -> bool:
        return fits(size, self._encoding)

    async def send(self, message: bytes, context: Context) -> None:  # noqa: ARG002 - a queue has no properties
        await self._queues.send(self.name, message, encoding=self._encoding)


# https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas
_MOST_BYTES: Mapping[str, int] = {"standard": 256 * 1024, "premium": 1024 * 1024}
# Headroom for a message's properties and what the broker adds to them.
_PROPERTIES = 4096


class ServiceBusSink:
    """A queue or topic of Service Bus: each subject has a session, and each message an id."""

    def __init__(self, subscription: ServiceBusSubscription, service_bus: ServiceBus) -> None:
        self.name = subscription.name
        self.takes_duplicates = subscription.duplicates == "send"
        self._most_bytes = _MOST_BYTES[subscription.tier]
        self._service_bus = service_bus

    def fits(self, size: int) -> bool:
        return size + _PROPERTIES <= self._most_bytes

    async def send(self, message: bytes, context: Context) -> None:
        properties = BrokerProperties(_message_id(context), _session_id(context), context.type)
        await self._service_bus.send(self.name, message, properties)


def _message_id(context: Context) -> str:
    """Return the event's id, with what makes it another message where the broker must not drop it."""
    # an event that was sent as a duplicate and then turned out to be none is sent again, unmarked
    duplicate = ";duplicate" if context.is_duplicate else ""
    replay = f";replay={context.delivery}" if context.is_replay else ""
    return f"{context.id}{duplicate}{replay}"


def _session_id(context: Context) -> str:
    """Return the session of the subject; an event without one has a session of its own."""
    session = f"{context.kind}|{context.key or context.id}"
    if len(session.encode("utf-16-le")) // 2 <= MAX_SESSION_ID:
        return session
    # a character takes two units at most
    return ending_in_hash(session[: (MAX_SESSION_ID - HASH_LENGTH) // 2], session)


class HttpsSink:
    """An https address, by way of the push queue: one that does not respond delays no other subscription."""

    def __init__(self, subscription: HttpsSubscription, queues: Queues) -> None:
        self.name = subscription.name
        self.takes_duplicates = subscription.duplicates == "send"
        self._queues = queues

    def fits(self, size: int) -> bool:
        return fits(Push.most_bytes(size), "none")

    async def send(self, message: bytes, context: Context) -> None:  # noqa: ARG002 - the message names all
        await self._queues.send(PUSH_QUEUE, Push.of(self.name, message).encode())


def sink_of(subscription: Subscription, app: App) -> Sink:
    """Return the sink that a subscription describes."""
    match subscription:
        case QueueSubscription():
            return QueueSink(subscription, app.stores.queues)
        case ServiceBusSubscription():
            return ServiceBusSink(subscription, app.stores.service_bus)
        case HttpsSubscription():
            return HttpsSink(subscription, app.stores.queues)


def sinks_of(event: EventType, app: App) -> list[Sink]:
    """Return the sinks that subscribe to an event. Raises SubscriptionsError."""
    return [sink_of(subscription, app) for subscription in app.subscriptions.of(event)]
