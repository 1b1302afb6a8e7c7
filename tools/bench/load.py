"""Sends events over HTTP at a steady concurrency, and keeps the time of each."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles

import aiohttp


@dataclass(frozen=True)
class Load:
    """The result of one run: its length in seconds and the latency of each request."""

    seconds: float
    latencies: Sequence[float]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, percent: int) -> float:
        """Return a percentile of the latencies, in milliseconds."""
        return quantiles(self.latencies, n=100, method="inclusive")[percent - 1] * 1000


def post(
    url: str,
    bodies: Sequence[bytes],
    concurrency: int,
    announced: Callable[[], Mapping[str, str]] = dict,
) -> Load:
    """Post every body once, each with the headers that `announced` returns for it.

    Raises aiohttp.ClientResponseError for a response other than 2xx.
    """
    return asyncio.run(_post(url, bodies, concurrency, announced))


async def _post(
    url: str, bodies: Sequence[bytes], concurrency: int, announced: Callable[[], Mapping[str, str]]
) -> Load:
    latencies: list[float] = []
    waiting = iter(bodies)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:

        async def send() -> None:
            for body in waiting:
                started = time.perf_counter()
                async with session.post(url, data=body, headers=announced()) as answer:
                    answer.raise_for_status()
                    await answer.read()
                latencies.append(time.perf_counter() - started)

        started = time.perf_counter()
        await asyncio.gather(*(send() for _ in range(concurrency)))
        return Load(time.perf_counter() - started, latencies)
