"""The parts of the route table's rows, and how an error becomes a response."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from events import EventError
from handlers.app import App
from handlers.errors import HandlerError
from handlers.responses import Request, Response, problem

_log = logging.getLogger("printiq.http")

# From this status on, the fault is not the caller's.
_OURS = 500

type Handler = Callable[[Request, App], Awaitable[Response]]


@dataclass(frozen=True)
class Content:
    """A body that no model describes: its media types, each with its schema."""

    description: str
    types: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """A route's entry in OpenAPI, without its path and the errors that every route may return."""

    summary: str
    responses: Mapping[int, type[BaseModel] | Content]
    query: type[BaseModel] | None = None
    body: type[BaseModel] | Content | None = None
    problems: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Route:
    """An HTTP function: its address, who may call it, and what handles it.

    `path` is an ASP.NET route template below `/api/`. `operation` is built when OpenAPI is asked for; without
    one the route is no part of the API.
    """

    name: str
    method: Literal["GET", "POST"]
    path: str
    handler: Handler
    operation: Callable[[], Operation] | None
    anonymous: bool = False


async def respond(handling: Awaitable[Response]) -> Response:
    """Await a handler's response; turn an error that it raises into problem details."""
    try:
        return await handling
    except (EventError, HandlerError) as error:
        if error.status >= _OURS:
            _log.error("Answered %d: %s", error.status, error)
        return problem(error)
