"""One request to an endpoint: bounded in time and in what is read, to an allowed address, unredirected."""

import asyncio
import contextlib
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property

import aiohttp
from yarl import URL

from handlers.errors import DestinationFault
from handlers.push.addresses import Guard
from handlers.push.answers import Answer
from handlers.push.authorization import Authorizer, setting
from handlers.pushes import Form
from handlers.settings import LOOPBACK
from handlers.subscriptions import HttpsSubscription, secure_url

# Of a response's body this much is read, and this much shown.
_READ = 4096
_SHOWN = 1000
_HIDDEN = "•••"
# Hiding anything shorter would hide words.
_SHORTEST_SECRET = 8
# Shorter than any server's own, so that none closes the connection that a request is just sent on.
_KEEP_ALIVE = 3
_HEADERS = {"User-Agent": "printiq-event-receiver", "Accept-Encoding": "identity"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Destination:
    """An address to push to, which addresses it may resolve to, and what in it must not be shown."""

    url: URL
    guard: Guard
    secrets: tuple[str, ...] = ()

    @classmethod
    def of(cls, subscription: HttpsSubscription, *, is_local: bool) -> "Destination":
        """Return a subscription's destination. Raises DestinationFault."""
        name = subscription.url_setting
        text = setting(name) if name else str(subscription.url)
        try:
            secure_url(text)
            # as it is: some services sign their addresses to the letter
            url = URL(text, encoded=text.isascii())
            scheme, host = url.scheme, url.host or ""
        except ValueError as error:  # its message may hold the address
            where = f"The setting {name}" if name else "`url`"
            raise DestinationFault(f"{where} is not an address that begins with https://.") from error
        if scheme != "https" and not (is_local and host in LOOPBACK):
            raise DestinationFault("Events are pushed over https only, except on a developer's own machine.")
        guard = Guard(subscription.allow_private, loopback=is_local)
        return cls(url, guard, _secrets_in(url) if name else ())


def _secrets_in(url: URL) -> tuple[str, ...]:
    """Return what of an address an endpoint may repeat: all, its path, its query, or a value in that."""
    parts = (url.raw_path, url.path, url.raw_query_string, url.query_string, *url.query.values())
    return (str(url), *(part for part in parts if len(part) >= _SHORTEST_SECRET))


class Client:
    """Sends pushes; `seconds` bounds each one, from the name's lookup to the end of the response."""

    def __init__(self, client_id: str, *, is_local: bool, seconds: float) -> None:
        self._authorizer = Authorizer(client_id)
        self._is_local = is_local
        self._seconds = seconds
        self._sessions: dict[Guard, aiohttp.ClientSession] = {}

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    async def post(
        self, subscription: HttpsSubscription, push_id: str, form: Form, moment: datetime
    ) -> Answer:
        """Push a message once. Raises DestinationFault where no response comes in time."""
        try:
            async with asyncio.timeout(self._seconds) as timer:
                destination = Destination.of(subscription, is_local=self._is_local)
                authorization = await self._authorizer.authorize(subscription, push_id, moment, form.body)
                headers = {**_HEADERS, **form.headers, **authorization.headers}
                hidden = (*destination.secrets, *authorization.secrets)
                return await self._post(destination, headers, form.body, hidden, timer)
        except TimeoutError as error:
            raise DestinationFault(f"No response came within {self._seconds:g} seconds.") from error
        except aiohttp.ClientError as error:
            raise DestinationFault(_in_words(error)) from error
        except OSError as error:
            raise DestinationFault(f"The connection failed: {_reason(error)}.") from error

    async def _post(
        self,
        destination: Destination,
        headers: Mapping[str, str],
        body: bytes,
        hidden: tuple[str, ...],
        timer: asyncio.Timeout,
    ) -> Answer:
        response = await self._session(destination.guard).post(
            destination.url, data=body, headers=headers, allow_redirects=False
        )
        # the status decides; a body that drips, breaks off or never ends changes nothing
        deadline = timer.when()
        timer.reschedule(None)
        read = b""
        try:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with asyncio.timeout_at(deadline):
                    while len(read) < _READ and (chunk := await response.content.read(_READ - len(read))):
                        read += chunk
        finally:
            if not response.content.at_eof():
                _abort(response)
            response.release()
        return Answer(
            response.status, _shown(read, hidden), _retry_after(response.headers.get("Retry-After"))
        )

    def _session(self, guard: Guard) -> aiohttp.ClientSession:
        session = self._sessions.get(guard)
        if session is None:
            connector = aiohttp.TCPConnector(
                ssl=self._tls, limit=0, keepalive_timeout=_KEEP_ALIVE, socket_factory=guard.socket
            )
            session = self._sessions[guard] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return session

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()
        await self._authorizer.close()


def _abort(response: aiohttp.ClientResponse) -> None:
    """Drop the connection and what is still to come; a gentle close would first read on for half a minute."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
    response.close()


def _in_words(error: aiohttp.ClientError) -> str:
    """Say what went wrong. The library's own messages hold the address, which may be a secret."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "") or "it is not valid"
            words = f"Its certificate is not trusted: {reason.rstrip('.')}."
        case aiohttp.ClientConnectorDNSError():
            words = "Its name cannot be resolved."
        case aiohttp.ClientConnectorSSLError():
            words = f"TLS failed: {getattr(error.os_error, 'reason', None) or 'no reason given'}."
        case aiohttp.ClientConnectorError():
            words = f"No connection: {_reason(error.os_error)}."
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            words = "The connection was closed before a response came."
        case aiohttp.ClientResponseError():
            words = "Its response is not HTTP."
        case _:
            words = f"The request failed ({type(error).__name__})."
    return words


# An error, or those of a name's addresses as aiohappyeyeballs joins them.
_SEVERAL = "Multiple exceptions: "
_ONE_OF_THEM = re.compile(r"\[Errno (\d+)\] (.+?)(?=, \[Errno |$)")
# asyncio's words, which repeat the address.
_NOT_CONNECTED = "Connect call failed"


def _reason(error: OSError) -> str:
    """Return why no address could be connected to: in the system's words, or in the guard's."""
    found = _ONE_OF_THEM.findall(str(error).rpartition(_SEVERAL)[2])
    reasons = [
        os.strerror(int(number)) if words.startswith(_NOT_CONNECTED) else words for number, words in found
    ]
    return "; ".join(dict.fromkeys(reasons)) or str(error) or type(error).__name__


def _shown(body: bytes, hidden: tuple[str, ...]) -> str:
    """Return the start of a body for the operator, without control characters and secrets."""
    text = body.decode("utf-8", "replace")
    for secret in hidden:
        text = re.sub("".join(map(_in_any_spelling, secret)), _HIDDEN, text)
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)[:_SHOWN]


def _in_any_spelling(character: str) -> str:
    """Return an expression for a character as it is, and as JSON may escape it."""
    units = character.encode("utf-16-be").hex()
    escaped = "".join(rf"\\u(?i:{units[start : start + 4]})" for start in range(0, len(units), 4))
    return rf"(?:\\?{re.escape(character)}|{escaped})"


def _retry_after(value: str | None) -> float | None:
    """Return the seconds that a Retry-After asks for, which may also be a date."""
    if value is None:
        return None
    if re.fullmatch(r"\d{1,9}", value.strip(), re.ASCII):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)
