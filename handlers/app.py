"""What every handler works with: settings, storage, subscriptions, the watch over fields."""

from dataclasses import dataclass
from typing import Self

from handlers.drift import Drift
from handlers.settings import Settings
from handlers.stores import Stores
from handlers.subscriptions import Subscriptions


@dataclass(frozen=True)
class App:
    settings: Settings
    stores: Stores
    subscriptions: Subscriptions
    drift: Drift

    @classmethod
    def start(cls, settings: Settings) -> Self:
        """Put the app together. Raises SubscriptionsError."""
        stores = Stores.connect(settings)
        subscriptions = Subscriptions.read(settings.subscriptions_text())
        return cls(settings, stores, subscriptions, Drift(stores.tables))

    async def close(self) -> None:
        await self.drift.close()
        await self.stores.close()
