"""The app's identity, for services that take no keys."""

from azure.core.credentials_async import AsyncTokenCredential
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential


def credential(client_id: str) -> AsyncTokenCredential:
    """Return the identity with this id, else the one that the machine offers."""
    if client_id:
        return ManagedIdentityCredential(client_id=client_id)
    return DefaultAzureCredential()
