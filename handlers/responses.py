"""HTTP requests and responses as plain values, none of them Azure's."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from events import EventError
from handlers.errors import HandlerError
from handlers.problems import ProblemDetails, problem_document, to_json

_JSON = "application/json; charset=utf-8"
_PROBLEM = "application/problem+json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a route; `headers` ignore case."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    """All of it, or the beginning of one that came as a stream and has more than MAX_BODY_BYTES."""
    rest: AsyncIterator[bytes] | None = None
    """What follows `body` in the stream; None without HTTP streams, where the host reads the body."""


class Response(NamedTuple):
    """The status, body and headers of a response."""

    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str]


type Handle = Callable[[Request], Awaitable[Response]]

# No response is ever a page, nor kept by a cache.
_ALWAYS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def json_response(status: int, members: Mapping[str, Any]) -> Response:
    """Respond with a JSON object; members that are None are left out."""
    return document(status, to_json(members))


def document(status: int, body: bytes, content_type: str = _JSON) -> Response:
    """Respond with a document that is already serialised."""
    return Response(status, body, content_type, _ALWAYS)


def attachment(body: bytes, content_type: str, name: str) -> Response:
    """Respond with bytes from outside: a browser saves them and never shows or runs them."""
    guards = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return Response(200, body, content_type, {**_ALWAYS, **guards})


def problem(error: EventError | HandlerError, **members: Any) -> Response:
    """Respond with the problem details of an error (RFC 9457)."""
    details = ProblemDetails.of(error)
    headers = error.headers if isinstance(error, HandlerError) else {}
    return Response(details.status, problem_document(details, **members), _PROBLEM, {**_ALWAYS, **headers})
