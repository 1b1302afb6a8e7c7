"""What every handler works with: settings, storage, subscriptions."""

from dataclasses import dataclass
from typing import Self

from handlers.settings import Settings
from handlers.stores import Stores
from handlers.subscriptions import Subscriptions


@dataclass(frozen=True)
class App:
    settings: Settings
    stores: Stores
    subscriptions: Subscriptions

    @classmethod
    def start(cls, settings: Settings) -> Self:
        """Put the app together. Raises SubscriptionsError."""
        return cls(settings, Stores.connect(settings), Subscriptions.read(settings.subscriptions_text()))

    async def close(self) -> None:
        await self.stores.close()
