"""What every handler works with: settings, storage, subscriptions, the watch over fields."""

import logging
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from handlers.drift import Drift
from handlers.errors import SubscriptionsError
from handlers.settings import Settings
from handlers.stores import Stores
from handlers.subscriptions import Subscriptions

_log = logging.getLogger("printiq.app")


@dataclass(frozen=True)
class App:
    settings: Settings
    stores: Stores
    drift: Drift

    @classmethod
    def start(cls, settings: Settings) -> Self:
        """Put the app together; wrong subscriptions keep nobody from taking custody, and are logged."""
        stores = Stores.connect(settings)
        app = cls(settings, stores, Drift(stores.tables))
        try:
            _ = app.subscriptions
        except SubscriptionsError as error:
            _log.error("%s. Events are received, but not sent on until this is mended.", error)
        return app

    @cached_property
    def subscriptions(self) -> Subscriptions:
        """The subscriptions in force. Raises SubscriptionsError."""
        return Subscriptions.read(self.settings.subscriptions_text())

    async def close(self) -> None:
        await self.drift.close()
        await self.stores.close()
