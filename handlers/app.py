"""The composition root: what every handler works with."""

import logging
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Self

from handlers.errors import SubscriptionsError
from handlers.later import later
from handlers.memory import Memory, return_large_blocks
from handlers.settings import SERVICE_BUS_NAMESPACE, Settings, named
from handlers.stores import Stores
from handlers.subscriptions import Subscriptions
from handlers.telemetry import escape_names
from handlers.timings import DEFAULTS, Timings

# A webhook's cold start does not wait for what the inbox and the API need.
if TYPE_CHECKING:
    from handlers import drift
    from handlers.ledger import last_seen, pauses, stats
    from handlers.push import lanes
else:
    drift, last_seen, pauses, stats, lanes = map(
        later,
        (
            "handlers.drift",
            "handlers.ledger.last_seen",
            "handlers.ledger.pauses",
            "handlers.ledger.stats",
            "handlers.push.lanes",
        ),
    )

_log = logging.getLogger("printiq.app")


@dataclass(frozen=True)
class App:
    """The app: settings, storage, subscriptions, timings, and the state that a process keeps."""

    settings: Settings
    stores: Stores
    timings: Timings = DEFAULTS
    memory: Memory = field(default_factory=Memory)

    @classmethod
    def start(cls, settings: Settings, timings: Timings = DEFAULTS) -> Self:
        """Connect to storage. Wrong subscriptions are logged, and do not keep the app from taking custody."""
        escape_names()
        return_large_blocks()
        app = cls(settings, Stores.connect(settings), timings)
        try:
            _ = app.subscriptions
        except SubscriptionsError as error:
            _log.error("%s Events are received, but not sent on until this is fixed.", error)
        return app

    @cached_property
    def drift(self) -> "drift.Drift":
        return drift.Drift(self.stores.tables)

    @cached_property
    def stats(self) -> "stats.Stats":
        return stats.Stats(self.stores.tables)

    @cached_property
    def last_seen(self) -> "last_seen.LastSeen":
        return last_seen.LastSeen(self.stores.tables)

    @cached_property
    def pauses(self) -> "pauses.Pauses":
        return pauses.Pauses(self.stores.tables)

    @cached_property
    def pushes(self) -> "lanes.Pushes":
        """The pushes in progress in this process."""
        return lanes.Pushes(self.settings, self.timings)

    @cached_property
    def subscriptions(self) -> Subscriptions:
        """The subscriptions in force. Raises SubscriptionsError."""
        found = Subscriptions.in_force(self.settings.subscriptions)
        own = {SERVICE_BUS_NAMESPACE: self.settings.service_bus_namespace}
        for setting, each in found.needed():
            if not (own.get(setting) or named(setting)):
                raise SubscriptionsError(
                    f"The subscription {each.name} ({each.kind}) needs the setting {setting}."
                )
        return found

    async def close(self) -> None:
        if "drift" in self.__dict__:
            await self.drift.close()
        if "pushes" in self.__dict__:
            await self.pushes.close()
        await self.stores.close()
