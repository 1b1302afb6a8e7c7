"""The web server in the worker, to which the Functions host forwards each request as it comes.

A web extension over azurefunctions-extensions-base, like Microsoft's for FastAPI, whose import costs a cold
start 125 ms of CPU; Starlette and uvicorn cost 25 ms. Importing this module switches HTTP streams on for
every HTTP function of an app: the runtime takes `WebApp` and `WebServer` from it. It knows nothing of this
app, so that the least apps of the benchmarks use the same server.
"""

import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import h11
import uvicorn
from azure_functions_runtime.http_v2 import http_coordinator
from azure_functions_runtime.utils.constants import X_MS_INVOCATION_ID
from azurefunctions.extensions import base
from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["HttpFunction", "HttpRequest", "HttpResponse"]

# The host keeps an idle connection for a minute. Were the worker the first to close it, a request could be
# lost on the way: one whose body has begun to flow is not sent again.
_KEEP_ALIVE_SECONDS = 600

type HttpFunction = Callable[[HttpRequest], Awaitable[HttpResponse]]


class RequestSynchronizer(base.RequestSynchronizer):
    """The setter of the route's values, which only the host knows, on a request."""

    def sync_route_params(self, request: HttpRequest, path_params: Mapping[str, str]) -> None:
        request.scope["path_params"] = dict(path_params)


class StreamedRequest(metaclass=base.RequestTrackerMeta):
    """The parameter of an HTTP function."""

    request_type = HttpRequest
    synchronizer = RequestSynchronizer()


class StreamedResponse(metaclass=base.ResponseTrackerMeta):
    """The return value of an HTTP function."""

    label = base.ResponseLabels.STANDARD
    response_type = HttpResponse


class WebApp(base.WebApp):
    """The ASGI application that hands each request to the runtime, which waits for its invocation."""

    def route(self, func: HttpFunction) -> HttpFunction:
        self._function = func
        return func

    def get_app(self) -> "WebApp":
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = HttpRequest(scope, receive)
        try:
            response = await self._function(request)
        except Exception:  # noqa: BLE001 - the host logs it: it is the failure of an invocation
            response = HttpResponse(status_code=500)
        finally:
            # azure-functions-runtime 1.3.0 never forgets a request: 2 KB each, for ever.
            http_coordinator._context_references.pop(request.headers.get(X_MS_INVOCATION_ID), None)  # noqa: SLF001
        await response(scope, receive, send)


class WebServer(base.WebServer):
    """The server of the application, in the worker's event loop.

    It listens on the port from the start: the runtime has found it free and let go of it, and until `serve`
    runs, another process could take it. An `OSError` here is one that the runtime reports to the host.
    """

    def __init__(self, hostname: str, port: int, web_app: WebApp) -> None:
        super().__init__(hostname, port, web_app)
        # The protocol is named: asyncio sends without delay only on sockets that are known to be TCP.
        found = socket.getaddrinfo(hostname, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        family, kind, protocol, _, address = found[0]
        self._listener = socket.socket(family, kind, protocol)
        self._listener.bind(address)
        self._listener.listen()

    async def serve(self) -> None:
        config = uvicorn.Config(
            self.web_app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        await _Server(config).serve([self._listener])


class _Connection(h11.Connection):
    """A connection that sends a response's head together with the first part of its body.

    Two writes would wake the host twice, and on a busy processor each takes the worker's turn.
    """

    _head: Sequence[bytes] = ()

    def send_with_data_passthrough(self, event: h11.Event) -> list[bytes] | None:
        parts = super().send_with_data_passthrough(event)
        if isinstance(event, h11.Response):
            self._head, parts = parts or (), []
        elif parts is not None:
            self._head, parts = (), [*self._head, *parts]
        return parts


class _Protocol(H11Protocol):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.conn = _Connection(h11.SERVER)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the worker."""
        yield
