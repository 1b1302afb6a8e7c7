"""Measures whether cost stays in proportion: to a body's size, the rows in tables, the subscriptions."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from azure.data.tables import TableServiceClient

from events import parse
from handlers import api
from handlers.app import App
from handlers.ids import new_id, newest_first
from handlers.ledger import day
from handlers.process import process
from handlers.settings import Settings
from tools.bench.measure import Aim, Comparison, Figure, Series, cpu_times
from tools.bench.memory import large
from tools.bench.parsing import OURS, delivery
from tools.bench.processing import fresh_message, run
from tools.bench.running import storage

_PORT = 19140
_SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
_FLAT = Aim(1.2)
_ROUNDS = 5

# Of the last measurement, for the plot: size -> nanoseconds a byte
per_byte: dict[str, dict[int, float]] = {}


def size_figures() -> Iterator[Figure]:
    """Parse bodies of 1 KB to 10 MB; the costs of a byte at 100 KB and at 10 MB are compared."""
    per_byte.clear()
    for form in ("json", "xml"):
        bodies = {str(size): large(form, size) for size in _SIZES}
        arrived = {name: delivery("CreateJob", body) for name, body in bodies.items()}
        times = cpu_times({name: partial(parse, each) for name, each in arrived.items()}, rounds=_ROUNDS)
        costs = {
            name: Series(
                f"{int(name) // 1000:,} KB",
                "ns a byte",
                [1000 * each / len(bodies[name]) for each in series.samples],
            )
            for name, series in times.items()
        }
        per_byte[form] = {int(name): series.median for name, series in costs.items()}
        *others, largest = costs.values()
        yield Figure(
            f"Growth of a {form.upper()} body: cost of a byte at 10 MB",
            largest,
            [Comparison(other, _FLAT if other is others[-2] else None) for other in others],
        )


def subscription_figures() -> Iterator[Figure]:
    """Work off events that go to 1, 10 and 100 queues; the costs of a further message are compared."""
    costs: dict[int, list[float]] = {1: [], 10: [], 100: []}
    for _ in range(3):
        with storage(_PORT) as azurite:
            for queues, samples in costs.items():
                samples.append(asyncio.run(_process(azurite.connection_string, queues)))
    few = [(ten - one) / 9 for one, ten in zip(costs[1], costs[10], strict=True)]
    many = [(hundred - ten) / 90 for ten, hundred in zip(costs[10], costs[100], strict=True)]
    yield Figure(
        "Growth of subscriptions: a further message, from 10 to 100 queues",
        Series(OURS, "ms of CPU", many),
        [Comparison(Series("from 1 to 10 queues", "ms of CPU", few), _FLAT)],
    )


async def _process(connection: str, queues: int) -> float:
    subscriptions = "\n".join(f'[queues.results-{number}]\nevents = ["*"]' for number in range(queues))
    app = App.start(
        Settings.model_validate(
            {"AzureWebJobsStorage": connection, "HOT_FOLDER": connection, "subscriptions": subscriptions}
        )
    )
    try:
        await process(fresh_message()[0], app)
        messages = [fresh_message()[0] for _ in range(8)]
        return (await run([partial(process, each, app) for each in messages]))[0]
    finally:
        await app.close()


def ledger_figures() -> Iterator[Figure]:
    """Read the newest page of a ledger of 1,000 and of 20,000 rows."""
    with storage(_PORT) as azurite:
        _fill(azurite.connection_string, range(1_000))
        small = asyncio.run(_pages(azurite.connection_string))
        _fill(azurite.connection_string, range(1_000, 20_000))
        large_ = asyncio.run(_pages(azurite.connection_string))
    yield Figure(
        "Growth of the ledger: its newest page, of 20,000 rows",
        Series(OURS, "ms of CPU", large_),
        [Comparison(Series("of 1,000 rows", "ms of CPU", small), _FLAT)],
    )


def _fill(connection: str, numbers: Sequence[int]) -> None:
    noon = datetime.now(UTC).replace(hour=0, minute=0, second=0)
    with TableServiceClient.from_connection_string(connection) as tables:
        table = tables.create_table_if_not_exists("deliveries")
        rows = []
        for number in numbers:
            delivery_id = new_id(noon - timedelta(days=1) + timedelta(seconds=number))
            rows.append(
                {
                    "PartitionKey": day(delivery_id),
                    "RowKey": newest_first(delivery_id),
                    "id": delivery_id,
                    "event": "CreateJob",
                    "status": "sent",
                    "channel": "webhook",
                    "receivedAt": "2025-08-11T03:50:52.697Z",
                    "attempts": 1,
                    "size": 10_000,
                }
            )
        for start in range(0, len(rows), 100):
            table.submit_transaction([("upsert", row) for row in rows[start : start + 100]])


async def _pages(connection: str) -> list[float]:
    app = App.start(Settings.model_validate({"AzureWebJobsStorage": connection, "HOT_FOLDER": connection}))
    try:
        spent = []
        for _ in range(8):
            started = time.process_time()
            answer = await api.deliveries({}, app)
            spent.append((time.process_time() - started) * 1000)
            assert answer.status == 200, answer.body  # noqa: PLR2004 - OK
        return spent[1:]
    finally:
        await app.close()
