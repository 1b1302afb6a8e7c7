"""What every handler works with: settings, storage, subscriptions, and the state that a process keeps."""

import logging
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from handlers.drift import Drift
from handlers.errors import SubscriptionsError
from handlers.ledger.last_seen import LastSeen
from handlers.ledger.stats import Stats
from handlers.settings import Settings
from handlers.stores import Stores
from handlers.subscriptions import Subscriptions

_log = logging.getLogger("printiq.app")


@dataclass(frozen=True)
class App:
    settings: Settings
    stores: Stores
    drift: Drift
    stats: Stats
    last_seen: LastSeen

    @classmethod
    def start(cls, settings: Settings) -> Self:
        """Connect to storage. Wrong subscriptions are logged, and do not keep the app from taking custody."""
        stores = Stores.connect(settings)
        app = cls.on(stores, settings)
        try:
            _ = app.subscriptions
        except SubscriptionsError as error:
            _log.error("%s. Events are received, but not sent on until this is mended.", error)
        return app

    @classmethod
    def on(cls, stores: Stores, settings: Settings) -> Self:
        """Make an app on these stores, with nothing remembered yet."""
        tables = stores.tables
        return cls(settings, stores, Drift(tables), Stats(tables), LastSeen(tables))

    @cached_property
    def subscriptions(self) -> Subscriptions:
        """The subscriptions in force. Raises SubscriptionsError."""
        return Subscriptions.read(self.settings.subscriptions_text())

    async def close(self) -> None:
        await self.drift.close()
        await self.stores.close()
