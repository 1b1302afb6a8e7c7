"""A storage account that misbehaves on demand: a proxy before Azurite.

Requests go through unchanged (a shared key signs path and headers, not the address), unless a fault applies.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

import aiohttp
from aiohttp import web
from bench import settings
from yarl import URL

from handlers.app import App
from tools.host.azurite import Azurite
from tools.host.testing import free_port

# What a fault does with a request: answer in storage's place, or None to let it through.
type Fault = Callable[[web.Request], "web.StreamResponse | None"]

_NOT_ADDED = ("Content-Type", "User-Agent", "Accept", "Accept-Encoding")
_NOT_FORWARDED = {"Host", "Transfer-Encoding", "Content-Length", "Connection"}


def answering(status: int, code: str, *, retry_after: int | None = None, only: str = "") -> Fault:
    """Make storage refuse with a status, those requests whose path contains `only`."""
    headers = {"x-ms-error-code": code}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)

    def fault(request: web.Request) -> web.Response | None:
        return web.Response(status=status, headers=headers) if only in request.path else None

    return fault


@dataclass
class FaultyStorage:
    """Three ports before Azurite's three; `fault`, `delay` and `cut` may change while it runs."""

    backend: str
    fault: Fault | None = None
    # seconds before each answer
    delay: float = 0
    # the request is done, but the connection closes before the answer: a time-out in the middle
    cut: bool = False
    seen: int = 0

    async def start(self, ports: range, first_backend_port: int) -> Self:
        self._stopping = asyncio.Event()
        self._session = aiohttp.ClientSession(auto_decompress=False)
        self._runners: list[web.AppRunner] = []
        for number, port in enumerate(ports):
            app = web.Application(client_max_size=200 * 1024 * 1024)
            target = f"http://127.0.0.1:{first_backend_port + number}"
            app.router.add_route("*", "/{rest:.*}", self._handler(target))
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            self._runners.append(runner)
        return self

    async def stop(self) -> None:
        self._stopping.set()
        for runner in self._runners:
            await runner.cleanup()
        await self._session.close()

    def _handler(self, target: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.seen += 1
            body = await request.read()
            if self.delay:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), self.delay)
            if self.fault is not None and (answer := self.fault(request)) is not None:
                return answer
            headers = {name: value for name, value in request.headers.items() if name not in _NOT_FORWARDED}
            try:
                return await self._forwarded(request, target, body, headers)
            except aiohttp.ClientError:  # storage ended in the middle: so does this connection
                if request.transport is not None:
                    request.transport.abort()
                return web.Response(status=502)

        return handle

    async def _forwarded(
        self, request: web.Request, target: str, body: bytes, headers: dict[str, str]
    ) -> web.StreamResponse:
        async with self._session.request(
            request.method,
            URL(f"{target}{request.raw_path}", encoded=True),
            data=body or None,
            headers=headers,
            skip_auto_headers=_NOT_ADDED,
        ) as response:
            content = await response.read()
            left_out = _NOT_FORWARDED - ({"Content-Length"} if request.method == "HEAD" else set())
            kept = {name: value for name, value in response.headers.items() if name not in left_out}
            if self.cut and request.transport is not None:
                request.transport.abort()
            return web.Response(status=response.status, body=content, headers=kept)


@asynccontextmanager
async def faulty_app(storage: str, azurite: Azurite) -> AsyncIterator[tuple[FaultyStorage, App]]:
    """Yield a proxy before the storage account, and an app that reaches it that way."""
    first = free_port(3)
    account = storage
    for offset in range(3):
        account = account.replace(f":{azurite.port + offset}/", f":{first + offset}/")
    proxy = await FaultyStorage(storage).start(range(first, first + 3), azurite.port)
    app = App.start(settings(account))
    try:
        yield proxy, app
    finally:
        await app.close()
        await proxy.stop()
