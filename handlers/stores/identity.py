"""The app's identity, for services that take no keys."""

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

from handlers.errors import DestinationFault


def credential(client_id: str) -> AsyncTokenCredential:
    """Return the identity with this id, else the one that the machine offers."""
    if client_id:
        return ManagedIdentityCredential(client_id=client_id)
    return DefaultAzureCredential()


class Identity:
    """The app's identity towards APIs that a subscription names."""

    def __init__(self, client_id: str) -> None:
        self._credential = credential(client_id)

    async def token(self, audience: str) -> str:
        """Return a token, which the library keeps until it expires. Raises DestinationFault."""
        try:
            return (await self._credential.get_token(f"{audience}/.default")).token
        except (AzureError, ValueError) as error:  # its message names tenants and addresses
            reason = type(error).__name__
            raise DestinationFault(f"The app's identity got no token for {audience} ({reason}).") from error

    async def close(self) -> None:
        await self._credential.close()
