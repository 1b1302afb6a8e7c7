"""All stores of the app, opened together and closed together."""

from dataclasses import dataclass
from typing import Self

from handlers.settings import Settings
from handlers.stores.blobs import Blobs
from handlers.stores.clients import Clients
from handlers.stores.queues import Queues
from handlers.stores.tables import Tables


@dataclass(frozen=True)
class Stores:
    """Hold the app's storage; `drops` and `drop_queues` are in the hot folder's own account."""

    blobs: Blobs
    queues: Queues
    tables: Tables
    drops: Blobs
    drop_queues: Queues
    _clients: tuple[Clients, ...]

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Make the clients; nothing is sent yet."""
        main, drops = Clients(settings.storage), Clients(settings.hot_folder)
        return cls(
            Blobs(main.blobs()),
            Queues(main.queues()),
            Tables(main.tables()),
            Blobs(drops.blobs()),
            Queues(drops.queues()),
            (main, drops),
        )

    async def close(self) -> None:
        for clients in self._clients:
            await clients.close()
