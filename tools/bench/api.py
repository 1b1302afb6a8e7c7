"""Measures what each reading call of the API costs on a large ledger, beside the bare requests for it."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median
from typing import NamedTuple

from azure.core.exceptions import ResourceExistsError

from events import Delivery, EventType, Kind, Subject, parse
from handlers.app import App
from handlers.http import endpoints
from handlers.http.health import health
from handlers.ids import just_before, newest_first
from handlers.ledger import query, stats
from handlers.ledger.query import quoted
from handlers.ledger.rows import OPEN, day, timeline_partition
from handlers.paths import problem_path
from handlers.pipeline.process import process
from handlers.responses import Response
from handlers.stores import DROPS_POISON_QUEUE, INBOX_POISON_QUEUE, INBOX_QUEUE, ContainerName, TableName
from handlers.work import Message, Work
from tools.bench import filled
from tools.bench.measure import Aim, Comparison, Figure, Series
from tools.bench.parsing import CORPUS, OURS, delivery, sample
from tools.bench.processing import Bare, fresh_message, workbench
from tools.bench.running import storage

_PORT = 19180
_ROUNDS = 15
_LEAST_CALLS = 2
_SAMPLE = 40  # milliseconds
_AIM = Aim(1.2)
_OK = 200
_QUEUES = (INBOX_QUEUE, INBOX_POISON_QUEUE, DROPS_POISON_QUEUE, "printiq-events")


type Request = Callable[[], Awaitable[object]]


class _Case(NamedTuple):
    """A call of the API and the requests that it needs, step by step, those of a step at once."""

    call: Callable[[], Awaitable[Response]]
    needs: Sequence[Sequence[Request]]


class _Spent(NamedTuple):
    """Milliseconds of the clock and of the processor."""

    wall: float
    cpu: float


def api_figures(rows: int) -> Iterator[Figure]:
    """Call an app without its host, with `rows` deliveries of 30 days in its tables."""
    with storage(_PORT) as azurite:
        began = azurite.pid
        measured = asyncio.run(_measured(azurite.connection_string, rows))
        if azurite.pid != began:
            raise RuntimeError("Azurite died and came back: the ledger is not what was written.")
    cpu = [
        f"{name} {median(our.cpu / their.cpu for our, their in zip(ours, bare, strict=True)):.2f}"
        for name, (ours, bare) in measured.items()
    ]
    for number, (name, (ours, bare)) in enumerate(measured.items()):
        yield Figure(
            f"API, {rows:,} deliveries: {name}",
            Series(OURS, "ms", [each.wall for each in ours]),
            [Comparison(Series("the bare requests", "ms", [each.wall for each in bare]), _AIM)],
            note="" if number else f"times the processor time: {', '.join(cpu)}",
        )


async def _measured(connection: str, rows: int) -> Mapping[str, tuple[list[_Spent], list[_Spent]]]:
    async with workbench(connection) as (app, bare):
        for queue in _QUEUES:
            await app.stores.queues.ensure(queue)
        await filled.fill(connection, rows)
        cases = await _cases(app, bare)
        found: dict[str, tuple[list[_Spent], list[_Spent]]] = {name: ([], []) for name in cases}
        for _ in range(_ROUNDS + 1):
            for name, case in cases.items():
                ours, theirs = found[name]
                ours.append(await _quickest(partial(_ask, case)))
                theirs.append(await _quickest(partial(_need, case)))
        # the first round is to warm up
        return {name: (ours[1:], theirs[1:]) for name, (ours, theirs) in found.items()}


async def _quickest(work: Callable[[], Awaitable[None]]) -> _Spent:
    """Return what the quickest of some calls took: a neighbour slows one, nothing speeds one up."""
    spent: list[_Spent] = []
    while len(spent) < _LEAST_CALLS or sum(each.wall for each in spent) < _SAMPLE:
        wall, cpu = time.perf_counter(), time.process_time()
        await work()
        spent.append(_Spent((time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000))
    return min(spent)


async def _ask(case: _Case) -> None:
    answer = await case.call()
    if answer.status != _OK:
        raise RuntimeError(answer.body.decode())


async def _need(case: _Case) -> None:
    for step in case.needs:
        await asyncio.gather(*(request() for request in step))


class _Requests:
    """Requests by the SDK's clients, configured as the app's; the responses are dropped."""

    def __init__(self, bare: Bare) -> None:
        self._bare = bare
        self._tables = {name: bare.tables.get_table_client(name) for name in TableName}

    def page(
        self,
        table: TableName,
        condition: str,
        size: int = 50,
        columns: list[str] | None = None,
        *,
        pages: int = 1,
    ) -> Request:
        async def read() -> object:
            query = self._tables[table].query_entities(condition, results_per_page=size, select=columns)
            found = query.by_page()
            return [[row async for row in await anext(found)] for _ in range(pages)]

        return read

    def rows(self, table: TableName, condition: str, columns: list[str] | None = None) -> Request:
        async def read() -> object:
            query = self._tables[table].query_entities(condition, results_per_page=1000, select=columns)
            return [row async for row in query]

        return read

    def row(self, table: TableName, partition: str, row: str) -> Request:
        return partial(self._tables[table].get_entity, partition, row)

    def blob(self, place: str) -> Request:
        async def read() -> object:
            container, _, name = place.partition("/")
            return await (await self._bare.blobs.get_blob_client(container, name).download_blob()).readall()

        return read

    def look(self, queue: str) -> tuple[Request, Request]:
        client = self._bare.queues.get_queue_client(queue)
        return client.get_queue_properties, client.peek_messages

    def ensure(self, queue: str) -> Request:
        client = self._bare.queues.get_queue_client(queue)

        async def create() -> None:
            with contextlib.suppress(ResourceExistsError):
                await client.create_queue()

        return create


async def _cases(app: App, bare: Bare) -> Mapping[str, _Case]:
    requests = _Requests(bare)
    sent, refused = await _two_more(app)
    await _seen_by_drift(app)
    return {
        **await _listings(app, requests),
        **await _deliveries(app, requests, sent, refused),
        **_subjects(app, requests),
        **_statistics(app, requests),
        "drift": _Case(
            partial(endpoints.drift_report, app), [[requests.rows(TableName.DRIFT, "PartitionKey ne ''")]]
        ),
        "health": _Case(partial(health, app), [[requests.ensure(INBOX_QUEUE)]]),
    }


async def _two_more(app: App) -> tuple[Delivery, Delivery]:
    """Process one delivery that is sent and one that is refused: of both everything is there."""
    message, sent = fresh_message()
    await process(message, app)
    _, whole = fresh_message()
    refused = replace(whole, body=whole.body[: len(whole.body) // 2])
    await process(Message("refused", refused.received_at, Work.of(refused).encode().decode()), app)
    return sent, refused


async def _seen_by_drift(app: App) -> None:
    for event in EventType:
        name = next(each.name for each in (CORPUS / event).glob("typical.*") if len(each.suffixes) == 1)
        app.drift.observe(parse(delivery(event, sample(f"{event}/{name}"))))
    await app.drift.flush()


async def _listings(app: App, requests: _Requests) -> Mapping[str, _Case]:
    now = datetime.now(UTC)
    today, *earlier = (
        f"PartitionKey eq '{now - timedelta(days=ago):%Y-%m-%d}'" for ago in range(filled.DAYS)
    )
    cursor = json.loads((await endpoints.deliveries({}, app)).body)["cursor"]
    page = partial(requests.page, TableName.DELIVERIES)
    failed = " and status eq 'failed'"
    oldest = page(f"PartitionKey lt '{OPEN}'", 1, ["PartitionKey"])

    def case(*needs: Request, **query: str) -> _Case:
        return _Case(partial(endpoints.deliveries, query, app), [[each] for each in needs])

    return {
        "first page of 50": case(page(today)),
        "first page of 500": case(page(today, 500), limit="500"),
        "second page of 50": case(page(f"{today} and RowKey gt '{cursor}'"), cursor=cursor),
        "of an event": case(page(f"{today} and event eq '{filled.EVENTS[0]}'"), event=filled.EVENTS[0]),
        "refused ones": case(page(f"{today} and status eq 'quarantined'"), status="quarantined"),
        f"failed ones, none in {filled.DAYS} days": case(
            page(today + failed), oldest, *(page(each + failed) for each in earlier), status="failed"
        ),
        "open ones": case(page(f"PartitionKey eq '{OPEN}'"), open="true"),
    }


async def _deliveries(
    app: App, requests: _Requests, sent: Delivery, refused: Delivery
) -> Mapping[str, _Case]:
    find, find_refused = (
        requests.row(TableName.DELIVERIES, day(each.id), newest_first(each.id)) for each in (sent, refused)
    )
    raw = requests.blob(json.loads((await endpoints.delivery(sent.id, {}, app)).body)["raw"])
    why = requests.blob(f"{ContainerName.QUARANTINE}/{problem_path(refused.event, refused.id)}")
    return {
        "one delivery": _Case(partial(endpoints.delivery, sent.id, {}, app), [[find]]),
        "one that was refused": _Case(
            partial(endpoints.delivery, refused.id, {}, app), [[find_refused], [why]]
        ),
        "raw": _Case(partial(endpoints.raw, sent.id, app), [[find], [raw]]),
        "data": _Case(partial(endpoints.data, sent.id, app), [[find], [raw]]),
    }


def _subjects(app: App, requests: _Requests) -> Mapping[str, _Case]:
    key, part = filled.subject(7), filled.subject(7)[1:-1]
    timelines = {
        kind: requests.page(
            TableName.TIMELINE, f"PartitionKey eq {quoted(timeline_partition(Subject(kind, key)))}"
        )
        for kind in Kind
    }
    known = [
        requests.page(
            TableName.SEARCH,
            f"PartitionKey eq '{kind}' and RowKey ge '{part}' and RowKey lt '{part}\uffff'",
            100,
        )
        for kind in Kind
    ]
    waiting = requests.page(
        TableName.DELIVERIES, f"PartitionKey eq '{OPEN}'", 1000, query.COLUMNS_OF_WAITING, pages=2
    )
    return {
        "of a subject of any kind": _Case(
            partial(endpoints.deliveries, {"subject": key}, app), [list(timelines.values())]
        ),
        "timeline of a subject": _Case(
            partial(endpoints.subject, Kind.QUOTE, key, {}, app),
            [[timelines[Kind.QUOTE]], [requests.row(TableName.RECORDS, Kind.QUOTE, key)]],
        ),
        "search for part of a number": _Case(
            partial(endpoints.search, {"q": part}, app), [[*known, waiting]]
        ),
    }


def _statistics(app: App, requests: _Requests) -> Mapping[str, _Case]:
    now = datetime.now(UTC)
    hours = [stats.floor(now, "hour") - timedelta(hours=ago) for ago in range(24)]
    bars = [
        requests.rows(
            TableName.DELIVERIES,
            f"PartitionKey eq '{hour:%Y-%m-%d}' and RowKey le '{just_before(hour)}' "
            f"and RowKey gt '{just_before(hour + timedelta(hours=1))}'",
            ["event", "status"],
        )
        for hour in hours
    ]
    # what is not remembered: hours that ended less than ten minutes ago
    fresh = bars[: 1 if now.minute >= 10 else 2]
    others = [
        requests.page(TableName.DELIVERIES, f"PartitionKey eq '{OPEN}'", 1000, ["RowKey"]),
        *(look for name in _QUEUES for look in requests.look(name)),
    ]

    async def first() -> Response:
        return await endpoints.statistics({}, App(app.settings, app.stores))  # as in a new process

    return {
        "counts of 24 hours": _Case(first, [[*bars, *others]]),
        "counts of 24 hours, again": _Case(partial(endpoints.statistics, {}, app), [[*fresh, *others]]),
    }
