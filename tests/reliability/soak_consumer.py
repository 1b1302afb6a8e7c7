"""The consumers of the soak, one for each kind of subscription, which remember what they got."""

import asyncio
import base64
import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import web
from azure.core.exceptions import AzureError

from handlers.app import App
from handlers.settings import SERVICE_BUS_NAMESPACE
from tools.host.service_bus import ServiceBus
from tools.host.testing import free_port

ALL, FIRST, BUS, HTTPS = "printiq-events", "printiq-first", "printiq-bus", "printiq-https"
QUEUES = (ALL, FIRST)
# Which get every delivery, duplicates too.
WHOLE = (ALL, BUS, HTTPS)
SUBSCRIPTIONS = f"""
[queues.{ALL}]
events = ["*"]

[queues.{FIRST}]
events = ["*"]
duplicates = "drop"

[service-bus.{BUS}]
events = ["*"]

[https.{HTTPS}]
events = ["*"]
url_setting = "SOAK_URL"
auth = "none"
"""
# How many sends and pushes fail.
_FAILURES = 0.05


class Got(NamedTuple):
    """A message: its CloudEvents id, its subject, and whether it was marked as a duplicate."""

    id: str
    subject: str
    marked: bool


class Consumer:
    """Takes every message as it comes; `got` is by subscription and delivery."""

    def __init__(self, app: App, draw: random.Random) -> None:
        self._app = app
        self._random = draw
        self._bus = ServiceBus([BUS], free_port())
        self._bus.answer = lambda _: 500 if draw.random() < _FAILURES else None
        self._port = free_port()
        self.got: dict[str, dict[str, list[Got]]] = {
            name: defaultdict(list) for name in (*QUEUES, BUS, HTTPS)
        }
        self.messages = 0

    @property
    def settings(self) -> dict[str, str]:
        """The settings by which an instance finds all that it sends to."""
        return {
            "SUBSCRIPTIONS": SUBSCRIPTIONS,
            "SOAK_URL": f"http://127.0.0.1:{self._port}/",
            SERVICE_BUS_NAMESPACE: self._bus.namespace,
        }

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Take what is pushed, and what is sent to Service Bus."""
        app = web.Application(client_max_size=10_000_000)
        app.router.add_post("/", self._take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self._port).start()
        with self._bus:
            try:
                yield
            finally:
                await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        failure = self._random.random()
        if failure < _FAILURES / 2:
            return web.Response(status=503, headers={"Retry-After": "2"})
        self._note(HTTPS, json.loads(body))
        if failure < _FAILURES and request.transport is not None:
            request.transport.abort()  # it was taken, and nobody hears of it
        return web.Response(status=200)

    async def consume(self) -> None:
        async with asyncio.TaskGroup() as group:
            for queue in QUEUES:
                group.create_task(self._consume(queue))

    async def _consume(self, name: str) -> None:
        queue = self._app.stores.queues._service.get_queue_client(name)
        while True:
            try:
                batch = [
                    each async for each in queue.receive_messages(max_messages=32, visibility_timeout=30)
                ]
                for message in batch:
                    self._note(name, json.loads(base64.b64decode(message.content)))
                    await queue.delete_message(message)
            except AzureError:
                batch = []
            if not batch:
                await asyncio.sleep(0.3)

    def take_from_bus(self) -> None:
        """Take all that Service Bus holds; raise what it refused."""
        assert not [each for each in self._bus.refused if "as the test wants" not in each]
        for held in self._bus.held:
            self._note(BUS, json.loads(held.body))

    def _note(self, subscription: str, event: dict[str, str]) -> None:
        self.messages += 1
        got = Got(event["id"], event["subject"], "duplicateof" in event)
        self.got[subscription][event["delivery"]].append(got)
