"""HTTP functions by streams: a request is read as it comes.

Without streams the host reads a body only where the sender gave its length, and .NET's default JSON call
gives none.
"""

from starlette.requests import ClientDisconnect

from handlers.http.server import HttpFunction, HttpRequest, HttpResponse
from handlers.responses import Handle, Request
from handlers.settings import settings


def streamed(handle: Handle) -> HttpFunction:
    """Return the HTTP function that responds with what `handle` returns."""

    async def function(req: HttpRequest) -> HttpResponse:
        try:
            response = await handle(await _request(req))
        except ClientDisconnect:  # no caller waits for a response, and part of a body is of no use
            return HttpResponse(status_code=400)
        return HttpResponse(response.body, response.status, response.headers, response.content_type)

    return function


async def _request(req: HttpRequest) -> Request:
    """Read a request, of its body no more than MAX_BODY_BYTES and a chunk. Raises ClientDisconnect."""
    query: dict[str, str] = {}
    for name, value in req.query_params.multi_items():
        if value:  # as the host does without streams: repeated names joined, blank values left out
            query[name] = f"{query[name]},{value}" if name in query else value
    most, body, content = settings().max_body_bytes, bytearray(), req.stream()
    async for chunk in content:
        body += chunk
        if len(body) > most:
            break
    return Request(req.path_params, query, req.headers, bytes(body), content)
