"""A real HTTPS endpoint that misbehaves on demand, with a certificate of its own authority."""

import asyncio
import base64
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import trustme
from aiohttp import web

from tools.host.testing import free_port

# As Standard Webhooks has them; two are valid while one replaces the other.
SECRET = "whsec_" + base64.b64encode(b"a secret of this test alone").decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"the secret that was before it").decode()
_GIGABYTE = 1024**3


class Received(NamedTuple):
    """A request as it came."""

    path: str
    # the path and the query as they were sent
    target: str
    headers: dict[str, str]
    body: bytes


class Endpoint:
    """An HTTPS server in a thread of its own; each path has a behaviour.

    `/ok`, `/status/410`, `/retry/429/7`, `/moved`, `/hang`, `/hang-once`, `/held`, `/drip`, `/endless`,
    `/closed`, `/cut`, `/echo`, `/escaped`, `/coloured`; any other accepts.
    What is in `statuses` is given first, whatever the path.
    """

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.received: list[Received] = []
        self.statuses: list[int] = []
        self._tls = tls
        self._port = free_port()
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._started.wait(60)

    def url(self, path: str = "/ok", host: str = "localhost") -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self._port}{path}"

    def bodies(self, path: str) -> list[bytes]:
        return [each.body for each in self.received if each.path == path]

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping, self._released = asyncio.Event(), asyncio.Event()
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_route("*", "/{rest:.*}", self._respond)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self._port, ssl_context=self._tls).start()
        self._started.set()
        await self._stopping.wait()
        await runner.cleanup()

    def release(self) -> None:
        """Accept what `/held` holds, and from now on what comes to it."""
        self._loop.call_soon_threadsafe(self._released.set)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(60)

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.received.append(Received(request.path, request.raw_path, dict(request.headers), body))
        if self.statuses:
            return web.Response(status=self.statuses.pop(0))
        name, *rest = request.path.strip("/").split("/")
        behaviour = _BEHAVIOURS.get(name, Endpoint._accept)
        with suppress(ConnectionError):  # what hangs or has no end is left by the other side
            return await behaviour(self, request, *rest)
        return web.Response()

    async def _accept(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=202)

    async def _status(self, request: web.Request, status: str) -> web.StreamResponse:
        return web.Response(status=int(status), text=f"The answer is {status}.")

    async def _retry(self, request: web.Request, status: str, after: str) -> web.StreamResponse:
        return web.Response(status=int(status), headers={"Retry-After": after})

    async def _moved(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": self.url("/ok")})

    async def _coloured(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=500, text="\x1b[31mred\x1b[0m")

    async def _echo(self, request: web.Request, *_: str) -> web.StreamResponse:
        """Repeat what came, as it came and as a program reads it."""
        key = request.headers.get("X-Api-Key", "").rpartition(" ")[2]
        seen = {"url": str(request.url), "path": request.path, "query": dict(request.query), "key": key}
        return web.json_response({**request.headers, **seen}, status=500)

    async def _escaped(self, request: web.Request) -> web.StreamResponse:
        """Repeat a key as some write JSON: with slashes escaped, with all but letters, with everything."""
        key = request.headers["X-Api-Key"]
        written = (
            key.replace("/", r"\/"),
            "".join(each if each.isalnum() else f"\\u{ord(each):04X}" for each in key),
            "".join(f"\\u{ord(each):04x}" for each in key),
        )
        return web.Response(status=500, text="[" + ", ".join(f'"{each}"' for each in written) + "]")

    async def _hang(self, request: web.Request) -> web.StreamResponse:
        await self._stopping.wait()
        return web.Response()

    async def _hang_once(self, request: web.Request) -> web.StreamResponse:
        first = len(self.bodies(request.path)) == 1
        return await (self._hang if first else self._accept)(request)

    async def _held(self, request: web.Request) -> web.StreamResponse:
        await self._released.wait()
        return await self._accept(request)

    async def _drip(self, request: web.Request) -> web.StreamResponse:
        """Send the head of the response letter by letter, for ever."""
        transport = request.transport
        assert transport is not None
        for letter in "HTTP/1.1 200 OK\r\nX-Slow: " + "x" * 5000:
            if self._stopping.is_set() or transport.is_closing():
                break
            transport.write(letter.encode())
            await asyncio.sleep(0.2)
        transport.abort()
        return web.Response()

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        """Send a body of 10 GB."""
        response = web.StreamResponse(headers={"Content-Length": str(10 * _GIGABYTE)})
        await response.prepare(request)
        transport, sent = request.transport, 0
        assert transport is not None
        while sent < 10 * _GIGABYTE and not self._stopping.is_set() and not transport.is_closing():
            await response.write(b"x" * 65536)
            sent += 65536
            await asyncio.sleep(0)  # to notice that the other side left
        return response

    async def _closed(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def _cut(self, request: web.Request) -> web.StreamResponse:
        """Close the connection in the middle of the body."""
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"the first half")
        assert request.transport is not None
        request.transport.close()
        return response


_BEHAVIOURS: dict[str, Callable[..., Awaitable[web.StreamResponse]]] = {
    "status": Endpoint._status,
    "retry": Endpoint._retry,
    "moved": Endpoint._moved,
    "coloured": Endpoint._coloured,
    "echo": Endpoint._echo,
    "escaped": Endpoint._escaped,
    "hang": Endpoint._hang,
    "hang-once": Endpoint._hang_once,
    "held": Endpoint._held,
    "drip": Endpoint._drip,
    "endless": Endpoint._endless,
    "closed": Endpoint._closed,
    "cut": Endpoint._cut,
}


def tls_of(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@contextmanager
def endpoint(authority: trustme.CA | None, *names: str) -> Iterator[Endpoint]:
    """Serve an endpoint with a certificate for these names (localhost), or over http without an authority."""
    serving = Endpoint(tls_of(authority, *(names or ("localhost",))) if authority is not None else None)
    try:
        yield serving
    finally:
        serving.close()


def trusted(authority: trustme.CA, folder: Path) -> dict[str, str]:
    """Return the environment in which a program trusts this authority."""
    path = folder / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return {"SSL_CERT_FILE": str(path)}


def https(name: str, url: str, *, auth: str = '"none"', **more: Any) -> str:
    """Return a subscription to every event."""
    keys = {"events": '["*"]', "url": f'"{url}"', "auth": auth, **more}
    lines = "\n".join(f"{key} = {value}" for key, value in keys.items())
    return f"[https.{name}]\n{lines}\n"
