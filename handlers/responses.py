"""What HTTP answers: a status, a body, headers; none of it Azure's."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from handlers.problems import ProblemDetails, problem_document, written

_JSON = "application/json; charset=utf-8"
_PROBLEM = "application/problem+json; charset=utf-8"


class Answer(NamedTuple):
    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str]


# No answer of ours is ever a page.
_ALWAYS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def answer(status: int, members: Mapping[str, Any]) -> Answer:
    """Answer with a JSON object; members that are None are left out."""
    return Answer(status, written(members), _JSON, _ALWAYS)


def document(status: int, body: bytes, content_type: str = _JSON) -> Answer:
    """Answer with a document that is written already."""
    return Answer(status, body, content_type, _ALWAYS)


def attachment(body: bytes, content_type: str, name: str) -> Answer:
    """Answer with bytes of somebody else's, so that a browser saves them and never shows or runs them."""
    guards = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return Answer(200, body, content_type, {**_ALWAYS, **guards})


def problem(refusal: ProblemDetails, *, retry_after: int | None = None, **members: Any) -> Answer:
    """Answer with a problem document (RFC 9457)."""
    headers = {**_ALWAYS, "Retry-After": str(retry_after)} if retry_after is not None else _ALWAYS
    return Answer(refusal.status, problem_document(refusal, **members), _PROBLEM, headers)
