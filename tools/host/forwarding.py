"""Forwards HTTP requests to the web server in the worker, as the .NET host does for HTTP streams.

The genuine host (azure-functions-host: DefaultHttpProxyService, RetryProxyHandler) sends each request on as
it comes, under the id of the invocation that it announces to the worker at the same time. The response goes
back to the caller as it is.
"""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

import aiohttp
import multidict
import yarl
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

INVOCATION_ID = "x-ms-invocation-id"
# Headers of a single connection (RFC 9110, section 7.6.1), and Host, which YARP replaces by the target's.
_PER_CONNECTION = frozenset(
    ("connection", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)
# The host in front writes its own.
_OWN = _PER_CONNECTION | {"date"}
# The worker names its server's address before the server listens. Delays as in the genuine host.
_TRIES, _FIRST_DELAY, _LONGEST_DELAY = 10, 0.05, 0.25
_ACTIVITY_SECONDS = 240


class Forwarder:
    """The client of the web server in the worker."""

    def __init__(self, address: str, max_body_bytes: int) -> None:
        """Forward to the server at this address; a running event loop is needed."""
        self._address = address
        self._max_body_bytes = max_body_bytes
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            timeout=aiohttp.ClientTimeout(total=None, sock_read=_ACTIVITY_SECONDS),
        )

    async def close(self) -> None:
        await self._session.close()

    async def send(self, request: Request, invocation_id: str) -> Response:
        """Send a request on and return the worker's response as soon as it begins.

        Where the body grows too large the response is a 413, where its sender breaks off a 400, and where the
        worker does not answer a 502.
        """
        failure = HTTPStatus.BAD_GATEWAY

        async def body() -> AsyncIterator[bytes]:
            nonlocal failure
            size = 0
            yield b""  # sends the headers: as in the genuine host, the worker sees the request at once
            try:
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > self._max_body_bytes:
                        failure = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                        raise ValueError("the body is too large")
                    yield chunk
            except ClientDisconnect:
                failure = HTTPStatus.BAD_REQUEST
                raise

        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        headers = _headers(request, invocation_id)
        try:
            response = await self._request(request, headers, body() if has_body else None)
        except (aiohttp.ClientError, TimeoutError):
            return Response(status_code=failure)
        return _response(response)

    async def _request(
        self, request: Request, headers: multidict.CIMultiDict[str], body: AsyncIterator[bytes] | None
    ) -> aiohttp.ClientResponse:
        path, query = request.scope["raw_path"].decode("ascii"), request.url.query
        url = yarl.URL(f"{self._address}{path}" + (f"?{query}" if query else ""), encoded=True)
        delay = _FIRST_DELAY
        for tried in range(1, _TRIES + 1):
            try:
                return await self._session.request(
                    request.method, url, headers=headers, data=body, allow_redirects=False
                )
            except aiohttp.ClientConnectorError:
                if tried == _TRIES:
                    raise
                await asyncio.sleep(delay)
                delay = min(2 * delay, _LONGEST_DELAY)
        raise AssertionError("the last try returns or raises")


def _headers(request: Request, invocation_id: str) -> multidict.CIMultiDict[str]:
    kept = (pair for pair in request.headers.items() if pair[0] not in _PER_CONNECTION)
    headers = multidict.CIMultiDict(kept)
    if "transfer-encoding" in request.headers:  # it overrides a length (RFC 9112, section 6.3)
        headers.pop("content-length", None)
    headers[INVOCATION_ID] = invocation_id
    headers["X-Forwarded-For"] = request.client.host if request.client else ""
    headers["X-Forwarded-Host"] = request.headers.get("host", "")
    headers["X-Forwarded-Proto"] = request.url.scheme
    return headers


def _response(response: aiohttp.ClientResponse) -> Response:
    forwarded = StreamingResponse(_content(response), response.status)
    forwarded.raw_headers = [
        (name.lower(), value)
        for name, value in response.raw_headers
        if name.decode("ascii").lower() not in _OWN
    ]
    return forwarded


async def _content(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async with response:
        async for chunk in response.content.iter_any():
            yield chunk
