"""Reading the ledger in pages, on a real table service."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from bench import settings

from events import Channel, Kind, timestamp
from handlers.errors import BadCursor, UnknownDelivery
from handlers.ids import new_id, newest_first, time_of
from handlers.ledger import query
from handlers.ledger.query import Filter
from handlers.ledger.rows import OPEN, Status, day
from handlers.stores import Stores, TableName, Tables, table_key

NOW = datetime.now(UTC)


def run(storage: str, story: Callable[[Tables], Awaitable[None]]) -> None:
    async def running() -> None:
        stores = Stores.connect(settings(storage))
        try:
            await story(stores.tables)
        finally:
            await stores.close()

    asyncio.run(running())


async def ledgered(tables: Tables, ago: timedelta, **columns: str) -> str:
    """Write the row of a delivery that was received so long ago."""
    delivery_id = new_id(NOW - ago)
    row: dict[str, str | bool] = {
        "PartitionKey": day(delivery_id),
        "RowKey": newest_first(delivery_id),
        "id": delivery_id,
        "event": "CreateQuote",
        "receivedAt": timestamp(time_of(delivery_id)),
        "primary": True,
        "status": Status.SENT,
        "channel": Channel.WEBHOOK,
        **columns,
    }
    await tables.put(TableName.DELIVERIES, row)
    if row["status"] == Status.QUARANTINED:
        await tables.put(TableName.DELIVERIES, {**row, "PartitionKey": OPEN})
    if "subject" in columns:
        timeline = {**row, "PartitionKey": table_key(f"{row['kind']}|{row['subject']}")}
        await tables.put(TableName.TIMELINE, timeline)
    return delivery_id


async def walk(tables: Tables, selected: Filter, size: int) -> list[str]:
    """Return the ids on all pages."""
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await query.page(tables, selected, size=size, cursor=cursor)
        assert len(page.rows) <= size
        seen += [row.id for row in page.rows]
        if page.cursor is None:
            return seen
        cursor = page.cursor


def test_pages_are_newest_first_over_days_and_gaps(storage: str) -> None:
    async def story(tables: Tables) -> None:
        ages = [timedelta(minutes=1), timedelta(minutes=2), timedelta(days=1), timedelta(days=1, minutes=1)]
        ids = [await ledgered(tables, ago) for ago in [*ages, timedelta(days=70)]]
        for size in (1, 2, 3, 100):
            assert await walk(tables, Filter(), size) == ids

    run(storage, story)


def test_an_empty_ledger_has_one_empty_page(storage: str) -> None:
    async def story(tables: Tables) -> None:
        for selected in (Filter(), Filter(open=True), Filter(subject="J1")):
            assert await query.page(tables, selected, size=10) == ((), None)

    run(storage, story)


def test_what_arrives_between_two_pages_moves_nothing(storage: str) -> None:
    async def story(tables: Tables) -> None:
        ids = [await ledgered(tables, timedelta(minutes=minutes)) for minutes in range(1, 5)]
        first = await query.page(tables, Filter(), size=2)
        await ledgered(tables, timedelta(0))
        second = await query.page(tables, Filter(), size=2, cursor=first.cursor)
        assert [row.id for row in (*first.rows, *second.rows)] == ids

    run(storage, story)


def test_a_call_ends_after_its_bound_of_days_and_the_cursor_goes_on(storage: str) -> None:
    async def story(tables: Tables) -> None:
        old = await ledgered(tables, timedelta(days=query.MAX_DAYS + 2))
        page = await query.page(tables, Filter(), size=10)
        assert page.rows == ()
        assert page.cursor is not None
        page = await query.page(tables, Filter(), size=10, cursor=page.cursor)
        assert [row.id for row in page.rows] == [old]
        assert page.cursor is None

    run(storage, story)


def test_a_filter_selects_by_status_event_channel_and_kind(storage: str) -> None:
    async def story(tables: Tables) -> None:
        await ledgered(tables, timedelta(minutes=1))
        failed = await ledgered(tables, timedelta(minutes=2), status=Status.FAILED)
        job = await ledgered(tables, timedelta(minutes=3), event="CreateJob", kind="job", subject="J1")
        drop = await ledgered(tables, timedelta(minutes=4), channel=Channel.HOT_FOLDER)
        assert await walk(tables, Filter(status=frozenset({Status.FAILED})), 5) == [failed]
        assert await walk(tables, Filter(event=frozenset({"CreateJob"})), 5) == [job]
        assert await walk(tables, Filter(kind=Kind.JOB), 5) == [job]
        assert await walk(tables, Filter(channel=frozenset({Channel.HOT_FOLDER})), 5) == [drop]
        assert (
            await walk(
                tables, Filter(channel=frozenset({Channel.HOT_FOLDER}), event=frozenset({"CreateJob"})), 5
            )
            == []
        )

    run(storage, story)


def test_the_start_is_included_and_the_end_is_not(storage: str) -> None:
    async def story(tables: Tables) -> None:
        ids = [await ledgered(tables, timedelta(days=days)) for days in range(4)]
        start, end = time_of(ids[2]), time_of(ids[0])
        assert await walk(tables, Filter(start=start, end=end), 10) == [ids[1], ids[2]]
        assert await walk(tables, Filter(end=start), 10) == [ids[3]]
        assert await walk(tables, Filter(start=end), 10) == [ids[0]]

    run(storage, story)


def test_open_deliveries_are_found_whatever_their_day(storage: str) -> None:
    async def story(tables: Tables) -> None:
        refused = [
            await ledgered(tables, timedelta(days=days), status=Status.QUARANTINED) for days in (0, 9, 300)
        ]
        await ledgered(tables, timedelta(minutes=1))
        assert await walk(tables, Filter(open=True), 2) == refused
        assert await walk(tables, Filter(open=True, end=NOW - timedelta(days=5)), 2) == refused[1:]

    run(storage, story)


def test_a_subject_is_found_with_or_without_its_kind_and_each_delivery_once(storage: str) -> None:
    async def story(tables: Tables) -> None:
        first = await ledgered(tables, timedelta(days=200), kind="job", subject="O'Hara #1")
        both = await ledgered(tables, timedelta(minutes=1), kind="job", subject="J1")
        again = {"PartitionKey": "failure|J1", "RowKey": newest_first(both), "id": both}
        await tables.put(TableName.TIMELINE, again)
        quote = await ledgered(tables, timedelta(minutes=2), kind="quote", subject="J1")
        assert await walk(tables, Filter(subject="O'Hara #1"), 5) == [first]
        assert await walk(tables, Filter(subject="J1", kind=Kind.JOB), 5) == [both]
        for size in (1, 2, 5):
            assert await walk(tables, Filter(subject="J1"), size) == [both, quote]

    run(storage, story)


def test_a_delivery_is_found_by_its_id(storage: str) -> None:
    async def story(tables: Tables) -> None:
        delivery_id = await ledgered(tables, timedelta(days=3))
        assert (await query.find(tables, delivery_id)).id == delivery_id

    run(storage, story)


def test_an_unknown_id_may_still_be_waiting(storage: str) -> None:
    async def story(tables: Tables) -> None:
        with pytest.raises(UnknownDelivery, match="may still be waiting"):
            await query.find(tables, new_id(NOW))

    run(storage, story)


@pytest.mark.parametrize(
    "text",
    ["", "J29328-01", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "ffffffff-ffff-7fff-bfff-ffffffffffff"],
)
def test_what_cannot_be_an_id_is_reported_as_such(storage: str, text: str) -> None:
    async def story(tables: Tables) -> None:
        with pytest.raises(UnknownDelivery, match="is not a delivery's id"):
            await query.find(tables, text)

    run(storage, story)


@pytest.mark.parametrize("cursor", ["x", "0" * 31, "F" * 32, "0" * 32 + "\n", "' or PartitionKey ne '"])
def test_a_cursor_of_somebody_else_is_refused(storage: str, cursor: str) -> None:
    async def story(tables: Tables) -> None:
        with pytest.raises(BadCursor, match="start without one"):
            await query.page(tables, Filter(), size=10, cursor=cursor)

    run(storage, story)


@pytest.mark.parametrize("cursor", ["0" * 32, "f" * 32])
def test_a_cursor_from_beyond_the_calendar_is_before_or_behind_everything(storage: str, cursor: str) -> None:
    async def story(tables: Tables) -> None:
        await ledgered(tables, timedelta(minutes=1))
        page = await query.page(tables, Filter(), size=10, cursor=cursor)
        assert len(page.rows) == (1 if cursor.startswith("0") else 0)

    run(storage, story)
