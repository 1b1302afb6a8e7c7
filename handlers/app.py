"""The composition root: what every handler works with."""

import logging
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

from handlers.drift import Drift
from handlers.errors import SubscriptionsError
from handlers.ledger.last_seen import LastSeen
from handlers.ledger.stats import Stats
from handlers.memory import Memory
from handlers.settings import SERVICE_BUS_NAMESPACE, Settings, named
from handlers.stores import Stores
from handlers.subscriptions import Subscriptions
from handlers.telemetry import escape_names
from handlers.timings import DEFAULTS, Timings

_log = logging.getLogger("printiq.app")


@dataclass(frozen=True)
class App:
    """The app: settings, storage, subscriptions, timings, and the state that a process keeps."""

    settings: Settings
    stores: Stores
    drift: Drift
    stats: Stats
    last_seen: LastSeen
    timings: Timings = DEFAULTS
    memory: Memory = field(default_factory=Memory)

    @classmethod
    def start(cls, settings: Settings, timings: Timings = DEFAULTS) -> Self:
        """Connect to storage. Wrong subscriptions are logged, and do not keep the app from taking custody."""
        escape_names()
        stores = Stores.connect(settings)
        app = replace(cls.on(stores, settings), timings=timings)
        try:
            _ = app.subscriptions
        except SubscriptionsError as error:
            _log.error("%s. Events are received, but not sent on until this is fixed.", error)
        return app

    @classmethod
    def on(cls, stores: Stores, settings: Settings) -> Self:
        """Make an app on these stores, with no state yet."""
        tables = stores.tables
        return cls(settings, stores, Drift(tables), Stats(tables), LastSeen(tables))

    @cached_property
    def subscriptions(self) -> Subscriptions:
        """The subscriptions in force. Raises SubscriptionsError."""
        found = Subscriptions.read(self.settings.subscriptions_text())
        own = {SERVICE_BUS_NAMESPACE: self.settings.service_bus_namespace}
        for setting, each in found.needed():
            if not (own.get(setting) or named(setting)):
                raise SubscriptionsError(
                    f"The subscription {each.name} ({each.kind}) needs the setting {setting}"
                )
        return found

    async def close(self) -> None:
        await self.drift.close()
        await self.stores.close()
