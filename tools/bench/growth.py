"""Measures whether cost stays in proportion: to a body's size, the rows in tables, the subscriptions."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from lxml import etree

from events import parse
from events.models import AcceptanceDetails
from handlers.app import App
from handlers.http import endpoints
from handlers.pipeline.process import process
from handlers.settings import Settings
from tools.bench import filled
from tools.bench.measure import Aim, Comparison, Figure, Series, cpu_times
from tools.bench.memory import large
from tools.bench.parsing import OURS, delivery
from tools.bench.processing import fresh_message, run
from tools.bench.running import storage

_PORT = 19140
_SMALL, _LARGE = 100_000, 10_000_000
_FLAT = Aim(1.2)
_ROUNDS = 5
# How many events are worked off, for each number of queues: the fewer, the less each costs.
_EVENTS_TO = {1: 48, 10: 32, 100: 8}
_FEW_ROWS = 1_000
_TURNS = 12
_WARM_UP = 2
_CALLS = 4


def size_figures() -> Iterator[Figure]:
    """Parse bodies of 100 KB and 10 MB: what a byte of the large one costs, in bytes of the small one."""
    limits: dict[str, tuple[str, Callable[[bytes], object]]] = {
        "json": ("validate_json", AcceptanceDetails.model_validate_json),
        "xml": ("lxml.etree.fromstring", etree.fromstring),
    }
    for form, (limit, alone) in limits.items():
        small, big = large(form, _SMALL), large(form, _LARGE)
        times = cpu_times(
            {
                f"{OURS}, small": partial(parse, delivery("CreateJob", small)),
                f"{limit}, small": partial(alone, small),
                f"{OURS}, large": partial(parse, delivery("CreateJob", big)),
                f"{limit}, large": partial(alone, big),
            },
            rounds=_ROUNDS,
        )
        ours, bare = (
            Series(
                name,
                "times the cost",
                [
                    (many / len(big)) / (few / len(small))
                    for few, many in zip(
                        times[f"{name}, small"].samples, times[f"{name}, large"].samples, strict=True
                    )
                ],
            )
            for name in (OURS, limit)
        )
        yield Figure(
            f"Growth of a {form.upper()} body: a byte at 10 MB beside one at 100 KB",
            ours,
            [Comparison(bare, _FLAT)],
        )


def subscription_figures() -> Iterator[Figure]:
    """Work off events that go to 1, 10 and 100 queues; the costs of a further message are compared."""
    costs: dict[int, list[float]] = {queues: [] for queues in _EVENTS_TO}
    for _ in range(_ROUNDS):
        with storage(_PORT) as azurite:
            for queues, samples in costs.items():
                samples.append(asyncio.run(_processed(azurite.connection_string, queues)))
    few = [(ten - one) / 9 for one, ten in zip(costs[1], costs[10], strict=True)]
    many = [(hundred - ten) / 90 for ten, hundred in zip(costs[10], costs[100], strict=True)]
    yield Figure(
        "Growth of subscriptions: a further message, from 10 to 100 queues",
        Series(OURS, "ms of CPU", many),
        [Comparison(Series("from 1 to 10 queues", "ms of CPU", few), _FLAT)],
    )


async def _processed(connection: str, queues: int) -> float:
    subscriptions = "\n".join(f'[queues.results-{number}]\nevents = ["*"]' for number in range(queues))
    async with _app(connection, subscriptions=subscriptions) as app:
        await process(fresh_message()[0], app)
        messages = [fresh_message()[0] for _ in range(_EVENTS_TO[queues])]
        return (await run([partial(process, each, app) for each in messages]))[0]


def ledger_figures(rows: int) -> Iterator[Figure]:
    """Read the newest page and work off events, with 1,000 deliveries in the tables and with `rows`."""
    with storage(_PORT) as few, storage(_PORT + 3) as many:
        for azurite, deliveries in ((few, _FEW_ROWS), (many, rows)):
            asyncio.run(filled.fill(azurite.connection_string, deliveries))
        small, large_ = asyncio.run(_in_turns(few.connection_string, many.connection_string))
    for what, ours, theirs in zip(("its newest page", "an event worked off"), large_, small, strict=True):
        yield Figure(
            f"Growth of the ledger: {what}, {rows:,} deliveries in the tables",
            Series(OURS, "ms of CPU", ours),
            [Comparison(Series(f"{_FEW_ROWS:,} deliveries", "ms of CPU", theirs), _FLAT)],
        )


async def _in_turns(*connections: str) -> list[tuple[list[float], list[float]]]:
    """Measure the costs of a page and of an event on each storage, in turns."""
    costs: list[tuple[list[float], list[float]]] = [([], []) for _ in connections]
    async with AsyncExitStack() as stack:
        apps = [await stack.enter_async_context(_app(each)) for each in connections]
        for number in range(_WARM_UP + _TURNS):
            for app, (pages, events) in zip(apps, costs, strict=True):
                page = (await run([partial(_newest, app)] * _CALLS, at_once=1))[0]
                messages = [fresh_message()[0] for _ in range(_CALLS)]
                event = (await run([partial(process, each, app) for each in messages], at_once=1))[0]
                if number >= _WARM_UP:
                    pages.append(page)
                    events.append(event)
    return costs


async def _newest(app: App) -> None:
    answer = await endpoints.deliveries({}, app)
    assert answer.status == 200, answer.body


@asynccontextmanager
async def _app(connection: str, **settings: str) -> AsyncIterator[App]:
    """Yield the app without a host."""
    storages = {"AzureWebJobsStorage": connection, "HOT_FOLDER": connection}
    app = App.start(Settings.read(storages | settings))
    try:
        yield app
    finally:
        await app.close()
