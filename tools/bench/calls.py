"""Counts the storage calls that a webhook needs before it may respond, and an event on its further way."""

import asyncio
import base64
import json
import random
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from azure.core.pipeline.transport import AioHttpTransport

from events import Delivery
from handlers.channels.webhook import webhook
from handlers.ids import new_id
from handlers.pipeline.process import process
from handlers.work import Message, Work
from tools.bench.measure import Aim, Comparison, Figure, Series
from tools.bench.parsing import OURS, sample
from tools.bench.processing import fresh_message, workbench
from tools.bench.running import storage

_PORT = 19130
_ACCEPTED = 202
# Of version 0.1, for an event with 7 subjects, new or known.
_VERSION_0_1 = 14
# What is written every few seconds or minutes, however many events come.
_BESIDE = {"Tables", "drift", "lastseen"}


def call_figures() -> Iterator[Figure]:
    """Receive bodies of several kinds, and work events off; count what was sent to storage."""
    bodies = {
        "10 KB of JSON": ("CreateJob", sample("CreateJob/ten-kilobytes.json"), 1),
        "47 KB that does not compress": ("CreateJob", _noise(47_000), 1),
        "Job XML of 80 KB with its thumbnail": (
            "CreateJobXml",
            sample("CreateJobXml/job-80kb-catalogue.xml"),
            1,
        ),
        "200 KB that does not compress": ("CreateJob", _noise(200_000), 2),
    }
    with storage(_PORT) as azurite:
        for title, (event, body, allowed) in bodies.items():
            calls = asyncio.run(_to_custody(azurite.connection_string, event, body))
            yield _figure(f"Storage calls before the 202: {title}", calls, "allowed", allowed)
        new, known = asyncio.run(_to_all_outputs(azurite.connection_string))
    title = "Storage calls, inbox to all outputs, 10 KB with 7 subjects"
    yield _figure(f"{title}: new ones", new, "version 0.1", _VERSION_0_1)
    yield _figure(f"{title}: known ones", known, "version 0.1", _VERSION_0_1)


def _noise(size: int) -> bytes:
    """Return a body that does not compress: it holds random bytes as base64."""
    chance = random.Random(size)
    text = base64.b64encode(chance.randbytes(size)).decode()[: size - 40]
    return json.dumps({"QuoteNo": "Q1", "Artwork": text}).encode()


def _figure(title: str, calls: Sequence[str], against: str, allowed: int) -> Figure:
    peer = Series(against, "calls", [allowed] * 2)
    each = (f"{count} {call}" if count > 1 else call for call, count in Counter(calls).items())
    ours = Series(OURS, "calls", [len(calls)] * 2)
    return Figure(title, ours, [Comparison(peer, Aim(1.0))], ", ".join(each))


async def _to_custody(connection: str, event: str, body: bytes) -> list[str]:
    async with workbench(connection) as (app, _):
        calls, answer = await _watched(webhook(event, body, {}, app))
        if answer.status != _ACCEPTED:
            raise RuntimeError(answer.body.decode())
        return calls


async def _to_all_outputs(connection: str) -> tuple[list[str], list[str]]:
    """Return the calls for an event of new subjects, and for the next one of the same."""
    async with workbench(connection) as (app, _):
        await process(fresh_message()[0], app)
        message, delivery = fresh_message()
        new, _ = await _watched(process(message, app))
        known, _ = await _watched(process(_next(delivery), app))
        return new, known


def _next(delivery: Delivery) -> Message:
    """Return the message of a later delivery of the same object, which has changed."""
    received = delivery.received_at + timedelta(milliseconds=1)
    body = json.dumps(json.loads(delivery.body) | {"TotalPrice": 1}).encode()
    later = replace(delivery, id=new_id(received), received_at=received, body=body)
    return Message("next", received, Work.of(later).encode().decode())


async def _watched[T](doing: Awaitable[T]) -> tuple[list[str], T]:
    """Return the calls that were sent meanwhile, each by its method and what it is for, in order."""
    sent, calls = AioHttpTransport.send, list[str]()

    async def send(self: AioHttpTransport, request: Any, **options: Any) -> Any:
        place = urlsplit(request.url).path.split("/")[2].partition("(")[0]
        if place not in _BESIDE:
            calls.append(f"{request.method} {place}")
        return await sent(self, request, **options)

    AioHttpTransport.send = send
    try:
        done = await doing
    finally:
        AioHttpTransport.send = sent
    return calls, done
