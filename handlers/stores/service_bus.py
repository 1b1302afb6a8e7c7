"""Service Bus, by its documented REST send: a message is one request with the app's identity.

https://learn.microsoft.com/rest/api/servicebus/send-message-to-queue
"""

import asyncio
import json
import re
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy, SansIOHTTPPolicy
from azure.core.pipeline.transport import AioHttpTransport, AsyncHttpResponse, HttpRequest

from handlers.errors import DestinationFault, DestinationRefusal
from handlers.later import later
from handlers.settings import LOOPBACK, SERVICE_BUS_NAMESPACE
from handlers.stores.wire import Wire, transport

if TYPE_CHECKING:
    from handlers.stores import identity
else:
    identity = later("handlers.stores.identity")

# https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas
MAX_SESSION_ID: Final = 128

# All tries of one send. It holds a place in the inbox meanwhile.
_SEND_SECONDS: Final = 15
# A namespace that did not respond is left alone this long, so that the inbox goes on for the others.
_REST_SECONDS: Final = 30
_SCOPE: Final = "https://servicebus.azure.net/.default"
_SHOWN = 300
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?")
_DETAIL = re.compile(r"<Detail>(.*?)</Detail>", re.DOTALL)
# What an operator can do about a status that waiting alone does not heal.
_REMEDIES: Final = {
    401: "It does not accept the app's identity: is the namespace in another tenant?",
    403: (
        "The app's identity needs the role Azure Service Bus Data Sender; or the entity is full, or the "
        "message larger than the tier allows."
    ),
    404: "There is no such queue or topic in the namespace.",
    410: "There is no such queue or topic in the namespace.",
}
_REFUSED: Final = frozenset({400, 413})


class BrokerProperties(NamedTuple):
    """What the broker reads of a message: duplicates have one `message_id`, a session one `session_id`."""

    message_id: str
    session_id: str
    label: str

    def header(self) -> str:
        # ASCII, as headers are
        return json.dumps({"MessageId": self.message_id, "SessionId": self.session_id, "Label": self.label})


class ServiceBus:
    """The queues and topics of a namespace. Nothing is imported or sent before the first message."""

    def __init__(self, namespace: str, client_id: str, *, is_local: bool) -> None:
        self._namespace, self._client_id = namespace, client_id
        # Only on a developer's machine, and only on that machine: in Azure every request is https.
        self._is_stand_in = is_local and namespace.partition(":")[0] in LOOPBACK
        self._is_failing = False
        self._rests_until = 0.0

    @cached_property
    def _credential(self) -> AsyncTokenCredential:
        return identity.credential(self._client_id)

    @cached_property
    def _transport(self) -> AioHttpTransport:
        return transport()

    @cached_property
    def _wire(self) -> Wire:
        if self._is_stand_in:
            return Wire(f"http://{self._namespace}", self._transport, _LocalToken())
        policy = AsyncBearerTokenCredentialPolicy(self._credential, _SCOPE)
        return Wire(f"https://{self._namespace}", self._transport, policy)

    async def send(self, entity: str, message: bytes, properties: BrokerProperties) -> None:
        """Send a CloudEvents message. Raises DestinationFault, and DestinationRefusal for good."""
        if not _HOST.fullmatch(self._namespace):
            raise DestinationFault(
                f"Service Bus: the setting {SERVICE_BUS_NAMESPACE} must be a host name, such as "
                f"NAME.servicebus.windows.net, not {self._namespace!r}"
            )
        where = f"{entity} of {self._namespace}"
        headers = {
            "BrokerProperties": properties.header(),
            "Content-Type": "application/cloudevents+json; charset=utf-8",
        }
        if monotonic() < self._rests_until:
            raise DestinationFault(f"Service Bus: could not send to {where}: it did not respond a moment ago")
        if self._is_failing:
            self._rest()  # one tries for all
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self._wire.call("POST", f"/{entity}/messages", headers=headers, body=message)
        except HttpResponseError as error:
            if error.status_code is not None:
                self._wake()
                raise _answered(where, error.status_code, error) from error
            self._rest()  # there was no token
            raise _unsent(where, error) from error
        except (AzureError, OSError) as error:  # a time-out is an OSError
            self._rest()
            raise _unsent(where, error) from error
        self._wake()

    def _rest(self) -> None:
        self._is_failing, self._rests_until = True, monotonic() + _REST_SECONDS

    def _wake(self) -> None:
        self._is_failing, self._rests_until = False, 0.0

    async def close(self) -> None:
        if "_transport" in self.__dict__:
            await self._transport.close()
        if "_credential" in self.__dict__:
            await self._credential.close()


def _unsent(where: str, error: Exception) -> DestinationFault:
    return DestinationFault(f"Service Bus: could not send to {where}: {type(error).__name__}")


def _answered(where: str, status: int, error: HttpResponseError) -> DestinationFault | DestinationRefusal:
    said = [f"it answered {status}.", _REMEDIES.get(status, ""), _detail(error)]
    text = f"Service Bus: could not send to {where}: {' '.join(filter(None, said))}"
    return DestinationRefusal(text) if status in _REFUSED else DestinationFault(text)


def _detail(error: HttpResponseError) -> str:
    """Return what the service says about an error, bounded."""
    response = error.response
    if not isinstance(response, AsyncHttpResponse):
        return ""
    found = _DETAIL.search(response.body().decode(errors="replace"))
    return " ".join(found[1].split())[:_SHOWN] if found else ""


class _LocalToken(SansIOHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """A made-up token: a real one never goes out over http."""

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        request.http_request.headers["Authorization"] = "Bearer local"
