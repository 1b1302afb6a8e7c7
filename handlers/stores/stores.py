"""All stores of the app, opened together and closed together."""

from dataclasses import dataclass
from typing import Self

from handlers.settings import Settings
from handlers.stores.account import Account
from handlers.stores.blobs import Blobs
from handlers.stores.queues import Queues
from handlers.stores.service_bus import ServiceBus
from handlers.stores.tables import Tables


@dataclass(frozen=True)
class Stores:
    """The app's storage; `drops` and `drop_queues` are in the hot folder's own account."""

    blobs: Blobs
    queues: Queues
    tables: Tables
    drops: Blobs
    drop_queues: Queues
    service_bus: ServiceBus
    _accounts: tuple[Account, ...]

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Make the clients; nothing is sent yet."""
        main, drops = Account(settings.storage), Account(settings.hot_folder)
        service_bus = ServiceBus(
            settings.service_bus_namespace, settings.service_bus_client_id, is_local=settings.is_local
        )
        return cls(
            Blobs(main), Queues(main), Tables(main), Blobs(drops), Queues(drops), service_bus, (main, drops)
        )

    async def close(self) -> None:
        for account in self._accounts:
            await account.close()
        await self.service_bus.close()
