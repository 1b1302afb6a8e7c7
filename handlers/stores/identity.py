"""The app's identity, for storage accounts that take no keys."""

from azure.core.credentials_async import AsyncTokenCredential
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

from handlers.settings import Connection


def credential(connection: Connection) -> AsyncTokenCredential:
    """Return the identity that the settings name, else the one that the machine offers."""
    if connection.client_id:
        return ManagedIdentityCredential(client_id=connection.client_id)
    return DefaultAzureCredential()
