"""Sinks: where result messages go. The pipeline knows no other detail of an output."""

from typing import Protocol

from events import EventType
from handlers.app import App
from handlers.stores import Queues, fits
from handlers.subscriptions import Subscription


class Sink(Protocol):
    """A destination of result messages; `name` is its subscription's."""

    @property
    def name(self) -> str: ...

    @property
    def takes_duplicates(self) -> bool: ...

    def fits(self, size: int) -> bool:
        """Return whether a message may have this many bytes."""

    async def send(self, message: bytes) -> None:
        """Send a CloudEvents message; one with the same `id` may come again. Raises StorageFault."""


class QueueSink:
    """A queue of Azure Storage."""

    def __init__(self, name: str, subscription: Subscription, queues: Queues) -> None:
        self.name = name
        self.takes_duplicates = subscription.duplicates == "send"
        self._encoding = subscription.encoding
        self._queues = queues

    def fits(self, size: int) -> bool:
        return fits(size, self._encoding)

    async def send(self, message: bytes) -> None:
        await self._queues.send(self.name, message, encoding=self._encoding)


def sinks_of(event: EventType, app: App) -> list[Sink]:
    """Return the sinks that subscribe to an event. Raises SubscriptionsError."""
    queues = app.stores.queues
    return [QueueSink(name, subscription, queues) for name, subscription in app.subscriptions.of(event)]
