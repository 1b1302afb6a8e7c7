"""Subscriptions: the result queues, and the events that each of them gets."""

import tomllib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    StringConstraints,
    ValidationError,
    field_validator,
)

from events import EventType
from handlers.errors import SubscriptionsError
from handlers.problems import in_words
from handlers.stores import INBOX_POISON_QUEUE, INBOX_QUEUE


def _not_our_own(name: str) -> str:
    if name in {INBOX_QUEUE, INBOX_POISON_QUEUE}:
        raise ValueError("this queue is the app's own: results would come back in, in an endless loop")
    return name


# A queue's name as Azure allows it.
QueueName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9](-?[a-z0-9])*$", min_length=3, max_length=63),
    AfterValidator(_not_our_own),
]


class Subscription(BaseModel):
    """Which events a queue gets, and in which form."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    events: tuple[str, ...]
    title: Annotated[str, StringConstraints(min_length=1, max_length=60)] | None = None
    encoding: Literal["base64", "none"] = "base64"
    duplicates: Literal["send", "drop"] = "send"

    @field_validator("events")
    @classmethod
    def _each_matches(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if not any(fnmatchcase(event.lower(), pattern.lower()) for event in EventType):
                raise ValueError(f"{pattern!r} matches none of printIQ's events")
        return patterns

    def wants(self, event: EventType) -> bool:
        return any(fnmatchcase(event.lower(), pattern.lower()) for pattern in self.events)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    queues: dict[QueueName, Subscription]


class Subscriptions:
    """The subscriptions in force, by queue and by event."""

    def __init__(self, queues: dict[str, Subscription]) -> None:
        self.queues = queues
        self._by_event = {
            event: tuple((name, queue) for name, queue in queues.items() if queue.wants(event))
            for event in EventType
        }

    @classmethod
    def read(cls, text: str) -> "Subscriptions":
        """Read the TOML text. Raises SubscriptionsError, which names what is wrong and where."""
        try:
            return cls(dict(_File.model_validate(tomllib.loads(text)).queues))
        except tomllib.TOMLDecodeError as error:
            raise SubscriptionsError(f"The subscriptions are not valid TOML: {error}") from error
        except ValidationError as error:
            raise SubscriptionsError(f"The subscriptions are wrong: {in_words(error)}") from error

    def titles(self, queues: Iterable[str]) -> list[str]:
        """Return what people call these queues: a subscription's title, else the queue's name."""
        return [
            subscription.title if (subscription := self.queues.get(name)) and subscription.title else name
            for name in queues
        ]

    def of(self, event: EventType) -> tuple[tuple[str, Subscription], ...]:
        return self._by_event[event]
