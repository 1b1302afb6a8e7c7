"""Fills the tables with many deliveries: rows as the ledger makes them, sent in transactions."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import override

from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.data.tables import EdmType, EntityProperty
from azure.data.tables.aio import TableClient, TableServiceClient

from events import Channel, Delivery, Event, Payload, numbers_in, parse
from handlers.errors import NotFound
from handlers.ids import new_id, time_of
from handlers.ledger import write
from handlers.ledger.rows import Outcome, Status
from handlers.paths import raw_path
from handlers.stores import BlobRef, ContainerName, Entity, Int64, Row, TableName, Tables, Value
from handlers.work import Work
from tools.bench.parsing import sample

DAYS = 30
PER_SUBJECT = 100
EVENTS = ("CreateQuote", "RequestQuoteApproval", "ExpireQuote", "DiscardQuote")
# Shares no factor with the number of events, so each of them is refused now and then.
_ONE_REFUSED_IN = 9
_IN_TRANSACTION = 100
_AT_ONCE = 4
_TRIES = 10


class _Collecting(Tables):
    """The rows that would be written, collected: a transaction holds rows of one partition."""

    def __init__(self) -> None:
        self.rows: dict[tuple[TableName, str], dict[str, Entity]] = defaultdict(dict)

    @override
    async def put(self, table: TableName, row: Entity) -> None:
        self.rows[table, str(row["PartitionKey"])][str(row["RowKey"])] = row

    @override
    async def put_all(self, table: TableName, partition: str, rows: Mapping[str, Entity]) -> None:
        for key, columns in rows.items():
            await self.put(table, {**columns, "PartitionKey": partition, "RowKey": key})

    @override
    async def insert(self, table: TableName, row: Entity) -> str:
        await self.put(table, row)
        return ""

    @override
    async def get(self, table: TableName, partition: str, row: str) -> Row:
        raise NotFound(f"{table} is empty")

    @override
    async def update(
        self,
        table: TableName,
        partition: str,
        row: str,
        change: Callable[[Row | None], Entity | None],
        *,
        unread: bool = False,
    ) -> Row | None:
        if (columns := change(None)) is not None:
            await self.put(table, {**columns, "PartitionKey": partition, "RowKey": row})
        return None


async def fill(connection: str, deliveries: int) -> None:
    """Write deliveries of the last DAYS, as many each day (today's before now), PER_SUBJECT of a subject."""
    tables = _Collecting()
    for number, moment in enumerate(_moments(deliveries)):
        await _record(
            tables,
            number,
            subject(number % (deliveries // PER_SUBJECT)),
            EVENTS[number % len(EVENTS)],
            moment,
        )
    waiting = _transactions(tables.rows)
    # not the app's clients, which are less patient
    async with TableServiceClient.from_connection_string(connection) as service:
        for name in {name for name, _ in tables.rows}:
            await service.create_table_if_not_exists(name)

        async def send() -> None:
            for table, rows in waiting:
                await _submit(service.get_table_client(table), rows)

        await asyncio.gather(*(send() for _ in range(_AT_ONCE)))


async def _submit(table: TableClient, rows: Iterable[Entity]) -> None:
    """Send a transaction; retry if Azurite dropped the connection, as it does while it writes to disk."""
    for _ in range(_TRIES):
        with contextlib.suppress(ServiceRequestError, ServiceResponseError):
            await table.submit_transaction([("upsert", _columns(row)) for row in rows])
            return
        await asyncio.sleep(1)
    raise RuntimeError(f"Azurite took no transaction in {_TRIES} tries.")


def _columns(row: Entity) -> dict[str, Value | EntityProperty]:
    """Return the columns of a row as the SDK takes them."""
    return {
        name: EntityProperty(int(value), EdmType.INT64) if isinstance(value, Int64) else value
        for name, value in row.items()
    }


def subject(number: int) -> str:
    """Return the quote number of a subject."""
    return f"Q{number:06}"


def _moments(deliveries: int) -> Iterator[datetime]:
    now = datetime.now(UTC)
    midnight = datetime.combine(now.date(), time.min, UTC)
    each_day = deliveries // DAYS
    for day in range(DAYS - 1, -1, -1):
        start = midnight - timedelta(days=day)
        length = min(timedelta(days=1), now - start)
        yield from (start + length * number / each_day for number in range(each_day))


async def _record(tables: Tables, number: int, quote: str, name: str, moment: datetime) -> None:
    delivery_id = new_id(moment)
    event = _event(quote, name)
    came = event.delivery
    work = Work.of(
        Delivery(
            id=delivery_id,
            event=name,
            body=came.body,
            channel=came.channel,
            received_at=time_of(delivery_id),
            content_type=came.content_type,
        )
    )
    if number % _ONE_REFUSED_IN:
        raw = BlobRef(ContainerName.ARCHIVE, raw_path(name, delivery_id, "json"))
        outcome = Outcome(status=Status.SENT, queues=("printiq-events",), raw=raw)
        await write.record(tables, work, outcome, event)
    else:
        raw = BlobRef(ContainerName.QUARANTINE, raw_path(name, delivery_id, "json"))
        work = work.model_copy(update={"numbers": numbers_in(came.body)})
        await write.record(tables, work, Outcome(status=Status.QUARANTINED, error="It is cut off.", raw=raw))


@cache
def _event(quote: str, name: str) -> Event[Payload]:
    body = sample("CreateQuote/typical.json").replace(b"Q005218v2", quote.encode())
    now = datetime.now(UTC)
    return parse(
        Delivery(
            id=new_id(now),
            event=name,
            body=body,
            channel=Channel.WEBHOOK,
            received_at=now,
            content_type="application/json",
        )
    )


def _transactions(
    partitions: Mapping[tuple[TableName, str], Mapping[str, Entity]],
) -> Iterator[tuple[TableName, list[Entity]]]:
    for (table, _), found in partitions.items():
        rows = list(found.values())
        for start in range(0, len(rows), _IN_TRANSACTION):
            yield table, rows[start : start + _IN_TRANSACTION]
