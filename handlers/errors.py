"""What can go wrong where the event itself is fine: the exceptions of `handlers`, each with its HTTP status.

::

    HandlerError
    ├── StorageFault              503  a storage call failed; trying again later may help
    │   └── NoCustody             503  a delivery was not stored: the sender has to send it again
    ├── DestinationFault          503  a subscription's destination failed; trying again later may help
    ├── DestinationRefusal        502  a subscription's destination will never take the message
    ├── NotFound                  404  storage: the blob, row or message is not there
    ├── Conflict                  409  storage: it exists already, or changed since it was read
    ├── BadRequest                400  a malformed request
    │   └── BadCursor             400  a cursor that this app did not issue
    ├── MethodNotAllowed          405  the address takes another method
    ├── Missing                   404  what was asked for does not exist
    │   ├── UnknownDelivery       404  no delivery has this id, so far
    │   └── NothingKept           404  the bytes of a delivery are not kept anywhere
    └── NotPossible               409  the current state does not allow it
        ├── Erased                409  the delivery was erased: nothing more may be done with it
        ├── NotReplayable         409  the delivery can be neither replayed nor dismissed
        └── SubscriptionsError    409  subscriptions.toml or the setting SUBSCRIPTIONS is wrong

What is wrong with an event is an `events.EventError`, which has `status`, `title` and `problems` too.
"""

from collections.abc import Mapping
from typing import ClassVar

from events import Problem


class HandlerError(Exception):
    """An error with an HTTP status; `problems` is what a caller may read of it, and never empty."""

    status: ClassVar[int]
    title: ClassVar[str]
    headers: ClassVar[Mapping[str, str]] = {}

    @property
    def problems(self) -> tuple[Problem, ...]:
        return (Problem("", str(self)),)


class StorageFault(HandlerError):
    """A storage call that failed. The message names internals: it is for the log and the ledger."""

    status = 503
    title = "Storage unavailable"
    # how long the sender should wait before it tries again, in seconds
    headers: ClassVar = {"Retry-After": "30"}

    @property
    def problems(self) -> tuple[Problem, ...]:
        return (Problem("", "Storage does not respond. Try again later."),)


class NoCustody(StorageFault):
    """A delivery that storage did not take: it was not received."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        return (
            Problem("", "The event was not received, because storage does not respond. Send it again later."),
        )


class DestinationFault(HandlerError):
    """A destination that did not take a message; the message names it, and what an operator can do."""

    status = 503
    title = "Destination unavailable"
    headers: ClassVar = {"Retry-After": "30"}


class DestinationRefusal(HandlerError):
    """A message that its destination will not take however often it is sent."""

    status = 502
    title = "Destination refused"


class NotFound(HandlerError):
    status = 404
    title = "Not found"


class Conflict(HandlerError):
    status = 409
    title = "Not possible"


class BadRequest(HandlerError):
    status = 400
    title = "Bad request"

    def __init__(self, message: str, *, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self._problems = problems or (Problem("", message),)

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self._problems


class BadCursor(BadRequest):
    """A cursor that this app did not issue."""


class MethodNotAllowed(HandlerError):
    status = 405
    title = "Method not allowed"
    headers: ClassVar = {"Allow": "POST"}


class Missing(HandlerError):
    status = 404
    title = "Not found"


class UnknownDelivery(Missing):
    title = "Unknown delivery"


class NothingKept(Missing):
    """A delivery without bytes: erased, never arrived, or still in the inbox."""


class NotPossible(HandlerError):
    status = 409
    title = "Not possible"


class Erased(NotPossible):
    """A delivery that was erased: work still in progress on it must leave nothing of it behind."""


class NotReplayable(NotPossible):
    """A delivery that can be neither replayed nor dismissed; the message explains why, and what to do."""


class SubscriptionsError(NotPossible):
    """Subscriptions that cannot be read; the message names the mistake and its place."""


# What is tried again for ever: storage and destinations recover, and somebody corrects the subscriptions.
HEALED_BY_TIME = (StorageFault, DestinationFault, SubscriptionsError)
