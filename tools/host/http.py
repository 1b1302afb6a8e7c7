"""Answers HTTP requests with the app's HTTP functions, as the .NET host in front of the worker does."""

import asyncio
import contextlib
import json
import logging
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from tools.host.errors import PortTakenError
from tools.host.forwarding import Forwarder
from tools.host.keys import Keys
from tools.host.routes import Template, compile_template, decode
from tools.host.runtime import Function, Result, TypedData, Worker

type Announce = Callable[[str, Mapping[str, Any]], Awaitable[None]]
"""Queue the run of a function, by its name, for the blob of an event."""

_log = logging.getLogger("host")

_EVENT_GRID = "/runtime/webhooks/blobs"
MAX_BODY_BYTES = 100 * 1024 * 1024
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})
_BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


@dataclass(frozen=True, slots=True)
class Route:
    """The criteria by which a request is for a function."""

    function: Function
    template: Template
    methods: frozenset[str]
    """Upper case; empty where the function takes every method."""
    level: str
    path: str

    def __str__(self) -> str:
        return f"{','.join(sorted(self.methods)) or 'any method'} {self.path}"

    def takes(self, method: str) -> bool:
        return not self.methods or method in self.methods


class HttpApp:
    """The router of requests to functions, an ASGI application."""

    def __init__(
        self, worker: Worker, route_prefix: str, keys: Keys | None, announce: Announce | None
    ) -> None:
        """Serve the worker's HTTP functions, and Event Grid if there are blobs to `announce`.

        `keys` None asks no caller for a key.
        """
        self._announce = announce
        self._worker = worker
        self._keys = keys
        self._forwarder = Forwarder(worker.http_uri, MAX_BODY_BYTES) if worker.http_uri else None
        self.routes = tuple(_route(f, route_prefix) for f in worker.functions if f.kind == "httpTrigger")

    async def close(self) -> None:
        if self._forwarder is not None:
            await self._forwarder.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope, receive)
            with contextlib.suppress(ClientDisconnect):
                await (await self._respond(request))(scope, receive, send)
        else:
            await send({"type": "websocket.close"})

    async def _respond(self, request: Request) -> Response:
        path = decode(request.scope["raw_path"].decode("ascii"))
        if path is None:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        if path == "/":
            return Response("The local Functions host is running.\n", media_type="text/plain")
        if path.lower() == _EVENT_GRID and self._announce is not None:
            return await self._take_events(request, self._announce)
        for route in self.routes:
            values = route.template.match(path) if route.takes(request.method) else None
            if values is not None:
                started = time.perf_counter()
                response = await self._invoke(route, values, request)
                outcome = (
                    f"responded {response.status_code} in {(time.perf_counter() - started) * 1000:.0f} ms"
                )
                _log.info("%s %s: %s", route.function.name, outcome, _called(request))
                return response
        return Response(status_code=HTTPStatus.NOT_FOUND)

    async def _take_events(self, request: Request, announce: Announce) -> Response:
        """Answer Event Grid as the blob extension does; in place of its own key the master key opens this."""
        shown, function = request.query_params.get("code"), request.query_params.get("functionName", "")
        if self._keys and not self._keys.admit(shown, level="admin", function=function):
            return Response(status_code=HTTPStatus.UNAUTHORIZED)
        kind = request.headers.get("aeg-event-type", "").lower()
        if kind not in {"subscriptionvalidation", "notification"}:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        try:
            events = json.loads(await request.body())
            if kind == "subscriptionvalidation":
                return JSONResponse({"validationResponse": events[0]["data"]["validationCode"]})
            for event in events:
                await announce(function, event)
        except (ValueError, KeyError, TypeError):
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        return Response(status_code=HTTPStatus.ACCEPTED)

    async def _invoke(self, route: Route, values: dict[str, str], request: Request) -> Response:
        shown = request.headers.get("x-functions-key") or request.query_params.get("code")
        if self._keys and not self._keys.admit(shown, level=route.level, function=route.function.name):
            return Response(status_code=HTTPStatus.UNAUTHORIZED)
        if int(request.headers.get("content-length", 0)) > MAX_BODY_BYTES:
            return Response(status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        if self._forwarder is not None:
            return await self._forward(self._forwarder, route, values, request)
        body = await _read(request)
        if body is None:
            return Response(status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        # The .NET host reads a body only if Content-Length announces one.
        data = TypedData(bytes=body) if "content-length" in request.headers and body else TypedData()
        path = request.scope["raw_path"].decode("ascii")
        message = SimpleNamespace(
            method=request.method,
            url=f"{request.url.scheme}://{request.url.netloc}{path}"
            + (f"?{request.url.query}" if request.url.query else ""),
            headers=_join(request.headers.items()),
            query={name: value for name, value in _join(request.query_params.multi_items()).items() if value},
            params=values,
            body=data,
        )
        result = await self._worker.run(route.function, TypedData(http=message), {}, reason=_called(request))
        return _response(result)

    async def _forward(
        self, forwarder: Forwarder, route: Route, values: dict[str, str], request: Request
    ) -> Response:
        """Announce an invocation to the worker and send the request to its web server."""
        # With HTTP streams the worker asks for nothing but the route's values (RequiresRouteParameters).
        message = SimpleNamespace(method="", url="", headers={}, query={}, params=values, body=TypedData())
        invocation_id = str(uuid.uuid4())
        forwarding = asyncio.create_task(forwarder.send(request, invocation_id))
        invocation = asyncio.create_task(
            self._worker.run(
                route.function,
                TypedData(http=message),
                {},
                reason=_called(request),
                invocation_id=invocation_id,
            )
        )
        await asyncio.wait((forwarding, invocation), return_when=asyncio.FIRST_COMPLETED)
        if not forwarding.done() and invocation.result().lost:
            forwarding.cancel()
            return Response(status_code=HTTPStatus.INTERNAL_SERVER_ERROR)
        return await forwarding


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: asyncio.Event) -> None:
        super().__init__(config)
        self._started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._started.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the host."""
        yield


class HttpServer:
    """The server of the HTTP functions; on a stop, running requests have `grace` seconds left."""

    def __init__(self, app: HttpApp, listener: socket.socket, grace: float) -> None:
        self.started = asyncio.Event()
        self._app = app
        self._listener = listener
        self._server = _Server(
            uvicorn.Config(
                app,
                lifespan="off",
                ws="none",
                http="h11",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=max(1, round(grace)),
            ),
            self.started,
        )

    async def run(self) -> None:
        try:
            await self._server.serve([self._listener])
        finally:
            await self._app.close()

    def stop(self) -> None:
        self._server.should_exit = True


def bind(port: int, option: str) -> socket.socket:
    """Return a socket bound to the port on this machine's own address.

    Raises PortTakenError, which names the `option` that chooses another port.
    """
    # Named, or asyncio does not set TCP_NODELAY, and every answer that has a body waits 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows would share the port with its present owner
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError as exc:
        listener.close()
        raise PortTakenError(port, option) from exc
    return listener


def _route(function: Function, prefix: str) -> Route:
    trigger = function.trigger
    path = str(trigger.get("route") or function.name).strip("/")
    return Route(
        function=function,
        template=compile_template(f"{prefix}/{path}"),
        path=f"/{prefix}/{path}" if prefix else f"/{path}",
        methods=frozenset(str(method).upper() for method in trigger.get("methods") or ()),
        level=str(trigger.get("authLevel") or "function").lower(),
    )


async def _read(request: Request) -> bytes | None:
    """Return the body, or None where it is larger than the platform takes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def _called(request: Request) -> str:
    return f"{request.method} {request.scope['raw_path'].decode('ascii')}"


def _join(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Join repeated names with a comma, as .NET's StringValues does."""
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _response(result: Result) -> Response:
    if not result.succeeded:
        return Response(status_code=HTTPStatus.INTERNAL_SERVER_ERROR)
    value = result.value
    kind = value.WhichOneof("data") if value else None
    if value is None or kind is None:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    if kind != "http":
        text = getattr(value, kind)
        return Response(text if isinstance(text, str | bytes) else json.dumps(text), media_type="text/plain")
    message: SimpleNamespace = value.__dict__["http"]
    status = int(message.status_code)
    body = b"" if status in _BODILESS else getattr(message.body, message.body.WhichOneof("data"))
    response = Response(body, status_code=status)
    for name, header in message.headers.items():
        if name.lower() not in _FRAMING:
            response.headers[name] = header
    for cookie in message.cookies or ():
        response.set_cookie(
            cookie.name,
            cookie.value,
            max_age=int(cookie.max_age.value) if cookie.max_age else None,
            expires=cookie.expires.value.seconds if cookie.expires else None,
            path=cookie.path.value if cookie.path and cookie.path.value else "/",
            domain=cookie.domain.value if cookie.domain and cookie.domain.value else None,
            secure=bool(cookie.secure and cookie.secure.value),
            httponly=bool(cookie.http_only and cookie.http_only.value),
            samesite=cookie.same_site,
        )
    return response
