"""The headers by which an endpoint knows that a push is this app's."""

from base64 import b64decode
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
# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
_SHORTEST_KEY, _LONGEST_KEY = 24, 64
MAKING_ONE = (
    """python3 -c "import base64, os; print('whsec_' + base64.b64encode(os.urandom(32)).decode())\""""
)


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
        keys = [_key(secret) for secret in secrets]
    except ValueError as error:  # its message may hold the secret
        raise DestinationFault(
            f"The setting {name} holds no secret of Standard Webhooks: whsec_ and 24 to 64 bytes in base64. "
            f"Make one: {MAKING_ONE}"
        ) from error
    signatures = [standardwebhooks.Webhook(key).sign(push_id, moment, text) for key in keys]
    return {
        "webhook-id": push_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _key(secret: str) -> bytes:
    """Return the key that a secret holds. Raises ValueError."""
    text = secret.removeprefix(_PREFIX).rstrip("=")
    key = b64decode(text + "=" * (-len(text) % 4), validate=True)
    if not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        raise ValueError("it is too short or too long")
    return key


def _header(value: str, subscription: HttpsSubscription) -> str:
    if not (value.isascii() and value.isprintable()):
        raise DestinationFault(
            f"The setting {subscription.value_setting} cannot be the header {subscription.header}: it has "
            "characters that no header may have."
        )
    return value
