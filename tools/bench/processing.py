"""Measures what is done with an event after its arrival, beside the bare storage calls for it."""

import asyncio
import base64
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableServiceClient

from events import Channel, Delivery, parse
from handlers.app import App
from handlers.channels.hot_folder import take
from handlers.ids import new_id, time_of
from handlers.pipeline.process import process
from handlers.settings import Settings
from handlers.stores import Account, ContainerName, TableName
from handlers.work import Message, Work
from tools.bench.measure import Aim, Comparison, Figure, Series
from tools.bench.parsing import OURS, sample
from tools.bench.running import storage

_PORT = 19110
_ROUNDS = 4
_EVENTS = 60
_WARM_UP = 10
_AT_ONCE = 16
BARE = "limit: the bare storage calls"
_STARTED = datetime.now(UTC)
_made = count()

type Job = Callable[[], Awaitable[object]]


def fresh_message() -> tuple[Message, Delivery]:
    """Return an inbox message, as its trigger hands it over, of an acceptance that no other one equals."""
    number = next(_made)
    body = sample("CreateJob/ten-kilobytes.json").replace(b"Q005270", b"Q%06d" % number)
    body = body.replace(b"J29470", b"J%05d" % number).replace(b"SO004470", b"SO%06d" % number)
    delivery_id = new_id(_STARTED + timedelta(milliseconds=number))
    received = time_of(delivery_id)
    delivery = Delivery(
        id=delivery_id, event="CreateJob", body=body, channel=Channel.WEBHOOK, received_at=received
    )
    return Message(str(number), received, Work.of(delivery).encode().decode()), delivery


class Bare:
    """The storage calls that an event needs, but for its search, with the SDKs' clients."""

    def __init__(self, settings: Settings) -> None:
        self._account = Account(settings.storage)
        self.blobs = self._account.sdk.blobs()
        self.queues = self._account.sdk.queues()
        self.tables = TableServiceClient.from_connection_string(settings.storage.connection_string)

    async def process(self, delivery: Delivery, data: bytes, subjects: Sequence[str]) -> None:
        history = self.tables.get_table_client(TableName.DUPLICATES)
        await self._find(TableName.DELIVERIES, "2025-08-11", delivery.id)
        blob = self.blobs.get_blob_client(ContainerName.ARCHIVE, f"bare/{delivery.id}.json")
        await blob.upload_blob(delivery.body, overwrite=True)
        await history.create_entity(_row(delivery.id, "CreateJob", entries="x" * 200))
        queue = self.queues.get_queue_client("printiq-events")
        await queue.send_message(base64.b64encode(data).decode(), time_to_live=-1)
        row = _row("2025-08-11", delivery.id, **dict.fromkeys("abcdefghijklmnop", "twenty characters ok"))
        await asyncio.gather(
            *(
                self._put(
                    TableName.TIMELINE, _row(f"job|{each}", delivery.id, **dict.fromkeys("abcdefgh", "x"))
                )
                for each in subjects
            ),
            self._record(delivery, data),
        )
        await self.tables.get_table_client(TableName.DELIVERIES).create_entity(row)

    async def _put(self, table: TableName, row: dict[str, str]) -> None:
        await self.tables.get_table_client(table).upsert_entity(row, mode=UpdateMode.REPLACE)

    async def _record(self, delivery: Delivery, data: bytes) -> None:
        row = _row("order", delivery.id, data=data.decode())
        await self.tables.get_table_client(TableName.RECORDS).create_entity(row)

    async def _find(self, table: TableName, partition: str, row: str) -> None:
        try:
            await self.tables.get_table_client(table).get_entity(partition, row)
        except ResourceNotFoundError:
            return

    async def take(self, name: str) -> None:
        blob = self.blobs.get_blob_client(ContainerName.HOT_FOLDER, name)
        body = await (await blob.download_blob()).readall()
        text = base64.b64encode(body).decode()
        await self.queues.get_queue_client("printiq-inbox").send_message(text, time_to_live=-1)
        await blob.delete_blob()

    async def close(self) -> None:
        await self._account.close()
        await self.tables.close()


def _row(partition: str, row: str, **columns: str) -> dict[str, str]:
    return {"PartitionKey": partition, "RowKey": row, **columns}


@asynccontextmanager
async def workbench(connection: str) -> AsyncIterator[tuple[App, Bare]]:
    """Yield the app without a host, and the bare calls, on a storage in which everything exists."""
    settings = Settings.read({"AzureWebJobsStorage": connection, "HOT_FOLDER": connection})
    app, bare = App.start(settings), Bare(settings)
    try:
        for table in TableName:
            await app.stores.tables.ensure(table)
        for container in ContainerName:
            await app.stores.blobs.ensure(container)
        for queue in ("printiq-inbox", "printiq-events"):
            await app.stores.queues.ensure(queue)
        yield app, bare
    finally:
        await app.close()
        await bare.close()


async def run(jobs: Sequence[Job], at_once: int = _AT_ONCE) -> tuple[float, float]:
    """Do the jobs, some at once; return milliseconds of processor time for each, and jobs a second."""
    waiting = iter(jobs)

    async def work() -> None:
        for job in waiting:
            await job()

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return (time.process_time() - cpu) / len(jobs) * 1000, len(jobs) / (time.perf_counter() - wall)


def processing_figures() -> Iterator[Figure]:
    """Work messages of the inbox off, to every output."""
    yield from _figures("Inbox to all outputs, 10 KB with 7 subjects", _process_round, 0.55)


def hot_folder_figures() -> Iterator[Figure]:
    """Take files out of the hot folder into custody."""
    yield from _figures("Hot folder to inbox, 10 KB", _take_round, 1.43)


def _figures(
    title: str, one_round: Callable[[str], Coroutine[Any, Any, dict[str, tuple[float, float]]]], aim: float
) -> Iterator[Figure]:
    cpu: dict[str, list[float]] = defaultdict(list)
    rate: dict[str, list[float]] = defaultdict(list)
    for _ in range(_ROUNDS):
        with storage(_PORT) as azurite:
            for name, (spent, done) in asyncio.run(one_round(azurite.connection_string)).items():
                cpu[name].append(spent)
                rate[name].append(done)
    costs = {name: Series(name, "ms of CPU", values) for name, values in cpu.items()}
    rates = {name: Series(name, "/s", values) for name, values in rate.items()}
    yield Figure(f"{title}: processor time", costs[OURS], [Comparison(costs[BARE], Aim(aim))])
    yield Figure(f"{title}: a second", rates[OURS], [Comparison(rates[BARE])])


async def _process_round(connection: str) -> dict[str, tuple[float, float]]:
    async with workbench(connection) as (app, bare):
        event = parse(fresh_message()[1])
        names = [str(number) for number in range(len(event.subjects))]
        for events in (_WARM_UP, _EVENTS):
            messages = [fresh_message()[0] for _ in range(events)]
            deliveries = [fresh_message()[1] for _ in range(events)]
            bare_run = await run(
                [
                    partial(bare.process, each, event.data, [f"{each.id} {name}" for name in names])
                    for each in deliveries
                ]
            )
            our_run = await run([partial(process, message, app) for message in messages])
        return {OURS: our_run, BARE: bare_run}


async def _take_round(connection: str) -> dict[str, tuple[float, float]]:
    async with workbench(connection) as (app, bare):
        names = [f"CreateJob/{number}.json" for number in range(2 * (_WARM_UP + _EVENTS))]
        body = sample("CreateJob/ten-kilobytes.json")
        put = partial(app.stores.drops.put, body=body, content_type="application/json")
        await run([partial(put, ContainerName.HOT_FOLDER, name) for name in names])
        for some in (names[: 2 * _WARM_UP], names[2 * _WARM_UP :]):
            bare_run = await run([partial(bare.take, name) for name in some[1::2]])
            our_run = await run([partial(take, name, app) for name in some[::2]])
        return {OURS: our_run, BARE: bare_run}
