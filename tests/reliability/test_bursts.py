"""Many deliveries of one subject at once, by several instances on slow storage."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby

import pytest
from bench import delivery, quote, settings
from faulty import FaultyStorage

from events import Delivery, parse
from handlers.app import App
from handlers.pipeline.duplicates import decide
from tools.host.azurite import Azurite, connection_string
from tools.host.testing import free_port

pytestmark = pytest.mark.anyio

_INSTANCES = 4
# What an instance works on at once, as host.json allows.
_AT_ONCE = 24
# How many newer ones may overtake a delivery before its turn, beside those that are decided at once.
_LATE = 100


@pytest.fixture
async def instances(azurite: Azurite, unused_accounts: Iterator[str]) -> AsyncIterator[list[App]]:
    """Yield instances of the app on one account that takes 15 ms to respond."""
    name = next(unused_accounts)
    ports = range(first := free_port(3), first + 3)
    slow = await FaultyStorage(name, delay=0.015).start(ports, azurite.port)
    account = connection_string(first, name, azurite.accounts[name])
    apps = [App.start(settings(account)) for _ in range(_INSTANCES)]
    yield apps
    for app in apps:
        await app.close()
    await slow.stop()


async def decided(deliveries: list[Delivery], instances: list[App]) -> set[str]:
    """Decide about deliveries out of order, many at once; return the ids of those that stay marked."""
    draw = random.Random(7)
    late = [number + draw.uniform(0, _LATE) for number in range(len(deliveries))]
    waiting = [each for _, each in sorted(zip(late, deliveries, strict=True), key=lambda pair: -pair[0])]
    marked: set[str] = set()
    freed: set[str] = set()

    async def work(app: App) -> None:
        while waiting:
            each = waiting.pop()
            verdict = await decide(parse(each), app, settled=True)
            assert verdict is not None
            freed.update(entry.id for entry in verdict.freed)
            if verdict.duplicate_of:
                marked.add(each.id)

    await asyncio.gather(*(work(app) for app in instances for _ in range(_AT_ONCE)))
    return marked - freed


@pytest.mark.parametrize("number", [80])
async def test_in_a_burst_of_one_subject_each_run_keeps_an_unmarked_one(
    instances: list[App], number: int
) -> None:
    draw = random.Random(number)
    begun = datetime.now(UTC)
    burst = [
        delivery(quote("Q1", draw.choice([1, 2])), at=begun + timedelta(milliseconds=each))
        for each in range(number)
    ]
    marked = await decided(burst, instances)
    for _, run in groupby(burst, key=lambda each: each.body):
        unmarked = [each for each in run if each.id not in marked]
        assert len(unmarked) == 1
