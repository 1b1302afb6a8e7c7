"""The headers by which an endpoint knows that a push is this app's."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from handlers.errors import DestinationFault
from handlers.later import later
from handlers.settings import named
from handlers.subscriptions import HttpsSubscription

# Only a subscription that needs them has them loaded.
if TYPE_CHECKING:
    import standardwebhooks

    from handlers.stores import identity
else:
    standardwebhooks, identity = later("standardwebhooks"), later("handlers.stores.identity")

# What App Service leaves of a reference to a Key Vault secret that it could not read.
_UNRESOLVED = "@Microsoft.KeyVault("
# What the secret of a signature begins with. It is no part of the key.
_PREFIX = "whsec_"


@dataclass(frozen=True)
class Authorization:
    """Headers, and the secrets behind them that must not be shown if the endpoint repeats them."""

    headers: dict[str, str]
    secrets: tuple[str, ...] = ()


class Authorizer:
    """Makes the headers of a push; `client_id` is the app's identity, empty for the one that there is."""

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id

    @cached_property
    def _identity(self) -> "identity.Identity":
        return identity.Identity(self._client_id)

    async def authorize(
        self, subscription: HttpsSubscription, push_id: str, moment: datetime, body: bytes
    ) -> Authorization:
        """Return the headers. Raises DestinationFault where a setting or a token is missing."""
        match subscription.auth:
            case "signature":
                secrets = setting(str(subscription.secret_setting)).split()
                headers = _signed(str(subscription.secret_setting), secrets, push_id, moment, body)
                return Authorization(headers, tuple(each.removeprefix(_PREFIX) for each in secrets))
            case "header":
                value = setting(str(subscription.value_setting))
                headers = {str(subscription.header): _header(value, subscription)}
                return Authorization(headers, (value, value.rpartition(" ")[2]))
            case "entra":
                token = await self._identity.token(str(subscription.audience))
                return Authorization({"Authorization": f"Bearer {token}"}, (token,))
            case "none":
                return Authorization({})

    async def close(self) -> None:
        if "_identity" in self.__dict__:
            await self._identity.close()


def setting(name: str) -> str:
    """Return a setting's value. Raises DestinationFault if it has none."""
    value = (named(name) or "").strip()
    if not value:
        raise DestinationFault(f"The setting {name} is not set.")
    if value.startswith(_UNRESOLVED):
        raise DestinationFault(f"The setting {name} refers to a Key Vault secret that cannot be read.")
    return value


def _signed(name: str, secrets: Iterable[str], push_id: str, moment: datetime, body: bytes) -> dict[str, str]:
    """Sign as https://www.standardwebhooks.com asks; during a rotation, with two secrets."""
    text = body.decode()
    try:
        signatures = [standardwebhooks.Webhook(secret).sign(push_id, moment, text) for secret in secrets]
    except Exception as error:  # no base64, or empty; its message may hold the secret
        raise DestinationFault(
            f"The setting {name} holds no secret of Standard Webhooks: whsec_ and base64."
        ) from error
    return {
        "webhook-id": push_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _header(value: str, subscription: HttpsSubscription) -> str:
    if not (value.isascii() and value.isprintable()):
        raise DestinationFault(
            f"The setting {subscription.value_setting} cannot be the header {subscription.header}: it has "
            "characters that no header may have."
        )
    return value
