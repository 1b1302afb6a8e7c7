"""The requests on an event's path, sent through azure-core's public pipeline.

Credentials, retries and transport are Microsoft's; addresses, bodies and Shared Key signatures are ours. The
storage SDKs' generated clients take three times the processor time for the same request, and half of a cold
start: they serve the rare calls (listings, streams, leases).
"""

import base64
import contextlib
import hmac
import json
import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any, Final, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from azure.core.credentials import AzureSasCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.core.pipeline import AsyncPipeline, PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import (
    AsyncBearerTokenCredentialPolicy,
    AsyncHTTPPolicy,
    AsyncRetryPolicy,
    AzureSasCredentialPolicy,
    SansIOHTTPPolicy,
)
from azure.core.pipeline.transport import AioHttpTransport, AsyncHttpResponse, HttpRequest
from azure.core.utils import parse_connection_string
from yarl import URL

from handlers.settings import Connection

type Policy = AsyncHTTPPolicy[Any, Any] | SansIOHTTPPolicy[Any, Any]
type Service = Literal["blob", "queue", "table"]

CONNECT_SECONDS: Final = 3
READ_SECONDS: Final = 5

_VERSION: Final = "2023-11-03"
_SCOPE: Final = "https://storage.azure.com/.default"
# Azurite's account, published for everybody: no secret
# (https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key).
_DEVELOPMENT: Final = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1"
)
# Every request may be sent again: it is conditional or idempotent, and a message sent twice is within the
# at-least-once that the app promises.
_RETRIED: Final = frozenset({"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"})
_LONGEST_PAUSE: Final = 2
_ERRORS: Final[Mapping[int, type[HttpResponseError]]] = {
    404: ResourceNotFoundError,
    409: ResourceExistsError,
    412: ResourceModifiedError,
}
FIRST_ERROR: Final = 300


def transport() -> AioHttpTransport:
    """Return a transport; reading proxies and netrc anew on every call would cost a third of it."""
    return AioHttpTransport(
        use_env_settings=False, connection_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS
    )


class Wire:
    """Requests to one service at an address; each try of one passes the policies."""

    def __init__(self, address: str, transport: AioHttpTransport, *policies: Policy) -> None:
        self.address = address
        retries = _Retries(retry_total=2, retry_backoff_factor=0.3, retry_backoff_max=_LONGEST_PAUSE)
        self._pipeline: AsyncPipeline[HttpRequest, AsyncHttpResponse] = AsyncPipeline(
            transport, [retries, *policies]
        )

    @classmethod
    def to_storage(
        cls,
        service: Service,
        connection: Connection,
        credential: AsyncTokenCredential | None,
        transport: AioHttpTransport,
    ) -> Self:
        """Return the wire to one service of a storage account."""
        authorization: Policy
        if credential is not None:
            address = str(getattr(connection, service)).rstrip("/")
            authorization = AsyncBearerTokenCredentialPolicy(credential, _SCOPE)
        else:
            address, authorization = _from_connection_string(connection.connection_string, service)
        return cls(address, transport, _Dated(), authorization)

    async def call(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncHttpResponse:
        """Send a request and read the response whole.

        `path` begins with a slash, is percent-encoded, and may end in a query. Raises azure-core's
        exceptions for a status that is no 2xx. The caller bounds the time.
        """
        # The pipeline's own kind of request: azure.core.rest's, and its response, act as one by a look-up for
        # each attribute, which costs a quarter of a call's processor time.
        request = HttpRequest(method, self.address + path, headers)
        if body is not None:
            request.set_bytes_body(body)
        run = await self._pipeline.run(request, retry_on_methods=_RETRIED)
        response = run.http_response
        if response.status_code >= FIRST_ERROR:
            raise response_error(
                response.status_code, response.body(), response, response.headers.get("x-ms-error-code")
            )
        return response


def _from_connection_string(text: str, service: Service) -> tuple[str, SansIOHTTPPolicy[Any, Any]]:
    """Return the service's address and what authorizes a request. Raises ValueError.

    https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string
    """
    development = text.strip().rstrip(";").lower() == "usedevelopmentstorage=true"
    parts = parse_connection_string(_DEVELOPMENT if development else text)
    address = parts.get(f"{service}endpoint")
    if not address:
        protocol = parts.get("defaultendpointsprotocol", "https")
        suffix = parts.get("endpointsuffix", "core.windows.net")
        address = f"{protocol}://{parts['accountname']}.{service}.{suffix}"
    if signature := parts.get("sharedaccesssignature"):
        return address.rstrip("/"), AzureSasCredentialPolicy(AzureSasCredential(signature))
    signed = _Signed(parts["accountname"], parts["accountkey"], lite=service == "table")
    return address.rstrip("/"), signed


class _Retries(AsyncRetryPolicy[HttpRequest, AsyncHttpResponse]):
    def get_retry_after(self, response: PipelineResponse[Any, Any]) -> float | None:
        """Return the pause that the service asks for, bounded: a later try of ours waits longer."""
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, _LONGEST_PAUSE)


class _Dated(SansIOHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        headers = request.http_request.headers
        headers["x-ms-date"] = formatdate(time.time(), usegmt=True)
        headers["x-ms-version"] = _VERSION


class _Signed(SansIOHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """A Shared Key signature on each request, each try with its own date.

    https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
    """

    # in the order of the page, between Content-Type and the x-ms- headers
    _CONDITIONS = ("If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range")

    def __init__(self, account: str, key: str, *, lite: bool) -> None:
        self._account, self._key, self._is_table = account, base64.b64decode(key), lite

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        http = request.http_request
        text = self._table_text(http) if self._is_table else self._text(http)
        signature = base64.b64encode(hmac.digest(self._key, text.encode(), "sha256")).decode()
        http.headers["Authorization"] = f"SharedKey {self._account}:{signature}"

    def _resource(self, http: HttpRequest) -> str:
        # as aiohttp sends it: yarl decodes what need not be encoded
        return f"/{self._account}{URL(http.url).raw_path}"

    def _table_text(self, http: HttpRequest) -> str:
        named = ("Content-MD5", "Content-Type", "x-ms-date")
        return "\n".join((http.method, *(http.headers.get(name, "") for name in named), self._resource(http)))

    def _text(self, http: HttpRequest) -> str:
        headers = http.headers
        length = headers.get("Content-Length", "")
        content_type = headers.get("Content-Type", "")
        lines = [http.method, "", "", "" if length == "0" else length, "", content_type, ""]
        lines += [headers.get(name, "") for name in self._CONDITIONS]
        own = ((name.lower(), value) for name, value in headers.items() if name.lower().startswith("x-ms-"))
        lines += [f"{name}:{value}" for name, value in sorted(own)]
        query = parse_qsl(urlsplit(http.url).query, keep_blank_values=True)
        lines += [self._resource(http), *(f"{name}:{value}" for name, value in sorted(query))]
        return "\n".join(lines)


def response_error(
    status: int, content: bytes, response: AsyncHttpResponse | None = None, code: str | None = None
) -> HttpResponseError:
    """Return azure-core's exception for a status; without a response, that of a part of a transaction."""
    # not made of the response: it would look for the error's model in the body, which nobody reads
    error = _ERRORS.get(status, HttpResponseError)(message=response.reason if response else None)
    error.status_code, error.response = status, response
    # where the SDKs put the service's short code, such as QueueBeingDeleted
    error.error_code = code or _odata_code(content)  # type: ignore[attr-defined]
    return error


def _odata_code(content: bytes) -> str:
    """Return the code in the JSON of the table service's errors, which has no header for it."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(content)["odata.error"]["code"])
    return ""
