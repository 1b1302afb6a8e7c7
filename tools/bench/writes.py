"""Counts the storage writes that a webhook needs before it may respond."""

import asyncio
import base64
import json
import random
from collections.abc import Iterator
from typing import Any

from azure.core.pipeline.transport import AioHttpTransport

from handlers.channels.webhook import webhook
from tools.bench.measure import Aim, Comparison, Figure, Series
from tools.bench.parsing import OURS, sample
from tools.bench.processing import workbench
from tools.bench.running import storage

_PORT = 19130
_ACCEPTED = 202


def _noise(size: int) -> bytes:
    """Return a body that does not compress: it holds random bytes as base64."""
    chance = random.Random(size)
    text = base64.b64encode(chance.randbytes(size)).decode()[: size - 40]
    return json.dumps({"QuoteNo": "Q1", "Artwork": text}).encode()


def write_figures() -> Iterator[Figure]:
    """Receive bodies of several kinds and count what was sent to storage."""
    cases = {
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
        for title, (event, body, allowed) in cases.items():
            count = asyncio.run(_writes(azurite.connection_string, event, body))
            yield Figure(
                f"Storage writes before the 202: {title}",
                Series(OURS, "writes", [count] * 2),
                [Comparison(Series("allowed", "writes", [allowed] * 2), Aim(1.0))],
            )


async def _writes(connection: str, event: str, body: bytes) -> int:
    async with workbench(connection) as (app, _):
        sent, counting = AioHttpTransport.send, []

        async def send(self: AioHttpTransport, request: Any, **options: Any) -> Any:
            counting.append(request.method)
            return await sent(self, request, **options)

        AioHttpTransport.send = send
        try:
            answer = await webhook(event, body, {}, app)
        finally:
            AioHttpTransport.send = sent
        if answer.status != _ACCEPTED:
            raise RuntimeError(answer.body.decode())
        return len(counting)
