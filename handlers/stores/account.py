"""A storage account, reached by our own requests and by the SDKs' clients."""

from functools import cached_property
from typing import TYPE_CHECKING

from handlers.later import later
from handlers.settings import Connection
from handlers.stores.wire import Service, Wire, transport

if TYPE_CHECKING:
    from handlers.stores import clients, identity
else:
    clients, identity = later("handlers.stores.clients"), later("handlers.stores.identity")


class Account:
    """One storage account. Nothing is sent, and no SDK imported, before it is needed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._credential = None if connection.connection_string else identity.credential(connection.client_id)
        self._transport = transport()

    def wire(self, service: Service) -> Wire:
        return Wire.to_storage(service, self._connection, self._credential, self._transport)

    @cached_property
    def sdk(self) -> "clients.Clients":
        """The SDKs' clients."""
        return clients.Clients(self._connection, self._credential)

    async def close(self) -> None:
        if "sdk" in self.__dict__:
            await self.sdk.close()
        await self._transport.close()
        if self._credential is not None:
            await self._credential.close()
