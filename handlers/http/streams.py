"""HTTP streams: the web server in the worker, to which the Functions host forwards each request as it comes.

Without streams the host reads a body only where the sender gave its length, and .NET's default JSON call
gives none. This is a web extension over azurefunctions-extensions-base, like Microsoft's for FastAPI, whose
import costs a cold start 125 ms of CPU; Starlette and uvicorn cost 25 ms. Importing this module switches
streams on for every HTTP function of the app: the runtime takes `WebApp` and `WebServer` from it.
"""

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping

import uvicorn
from azure_functions_runtime.http_v2 import http_coordinator
from azure_functions_runtime.utils.constants import X_MS_INVOCATION_ID
from azurefunctions.extensions import base
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse
from starlette.types import Receive, Scope, Send

from handlers.responses import Handle, Request
from handlers.settings import settings

# The host keeps an idle connection for a minute. Were the worker the first to close it, a request could be
# lost on the way: one whose body has begun to flow is not sent again.
_KEEP_ALIVE_SECONDS = 600

type _Function = Callable[[HttpRequest], Awaitable[HttpResponse]]


def streamed(handle: Handle) -> _Function:
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

    def route(self, func: _Function) -> _Function:
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
    """The server of the application, in the worker's event loop."""

    async def serve(self) -> None:
        config = uvicorn.Config(
            self.web_app,
            host=self.hostname,
            port=self.port,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        await _Server(config).serve()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the worker."""
        yield
