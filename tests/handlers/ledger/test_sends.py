"""The history of what subscriptions got: its rows and their copies, pages, counts, retention and erasure."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bench import Bench, Call, delivery, quote

from events import Kind, Subject, timestamp
from handlers.errors import Conflict, Erased
from handlers.ids import new_id
from handlers.ledger import sends, write
from handlers.ledger.query import find
from handlers.ledger.rows import SendRow, SendState, undelivered
from handlers.operations import erasure
from handlers.operations.backlog import measure
from handlers.operations.erasure import Person
from handlers.pipeline.process import process
from handlers.stores import TableName, Tables
from handlers.subscriptions import HttpsSubscription
from handlers.work import Message, Work

MORNING = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)


def row(number: int = 0, state: SendState = SendState.WAITING, **more: Any) -> SendRow:
    moment = MORNING + timedelta(minutes=number)
    return SendRow(
        subscription="accounting",
        delivery=new_id(moment),
        event="ExportInvoice",
        state=state,
        first_at=timestamp(moment),
        last_at=timestamp(moment),
        **more,
    )


async def written(tables: Tables, *rows: SendRow) -> list[SendRow]:
    for each in rows:
        await sends.record(tables, each, is_new=True)
    return list(rows)


async def states(tables: Tables, state: SendState | None = None) -> list[str]:
    return [each.delivery for each in (await sends.page(tables, "accounting", state=state, size=100)).rows]


async def test_a_row_is_found_by_subscription_and_delivery(bench: Bench) -> None:
    tables = bench.app.stores.tables
    (one,) = await written(tables, row(status=500, latency_ms=12, answer="Oh no", attempts=3))
    found = await sends.find(tables, "accounting", one.delivery)
    assert found is not None
    assert found.model_copy(update={"etag": ""}) == one
    assert await sends.find(tables, "another", one.delivery) is None
    assert [each.delivery for each in await sends.of_delivery(tables, ["a", "accounting"], one.delivery)] == [
        one.delivery
    ]


async def test_what_is_delivered_is_no_longer_among_what_is_not(bench: Bench) -> None:
    tables = bench.app.stores.tables
    first, second = await written(tables, row(1), row(2))
    await sends.record(tables, first.model_copy(update={"state": SendState.DELIVERED}), is_new=False)
    assert await states(tables, SendState.WAITING) == [second.delivery]
    assert await states(tables, SendState.DELIVERED) == [first.delivery]
    assert await states(tables) == [second.delivery, first.delivery]


async def test_pages_follow_each_other(bench: Bench) -> None:
    tables = bench.app.stores.tables
    rows = await written(tables, *map(row, range(5)))
    for state, expected in (None, rows[::-1]), (SendState.WAITING, rows):
        seen: list[str] = []
        cursor: str | None = None
        while True:
            page = await sends.page(tables, "accounting", state=state, size=2, cursor=cursor)
            seen += [each.delivery for each in page.rows]
            cursor = page.cursor
            if cursor is None:
                break
        assert seen == [each.delivery for each in expected]


async def test_the_backlog_counts_what_is_not_delivered_and_since_when(bench: Bench) -> None:
    tables = bench.app.stores.tables
    assert (await sends.backlog(tables, "accounting")).oldest is None
    await written(
        tables,
        row(0, SendState.FAILED),
        row(3),
        row(2),
        row(4, SendState.PAUSED),
        row(5, SendState.DELIVERED),
    )
    found = await sends.backlog(tables, "accounting")
    assert (found.waiting, found.failed, found.paused, found.more) == (2, 1, 1, False)
    assert found.oldest == datetime.fromisoformat(row(2).first_at)


async def test_what_was_not_delivered_of_some_is_found_in_few_requests_however_much_more_was_not(
    bench: Bench, calls: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = bench.app.stores.tables
    sent = await written(tables, *(row(number) for number in range(9)))
    got = sent[4].model_copy(update={"state": SendState.DELIVERED})
    await sends.record(tables, got, is_new=False)
    some = [sent[number].delivery for number in (0, 4, 8)]
    for page, requests in ((1000, 1), (2, 3)):
        monkeypatch.setattr(sends, "_PAGE", page)
        calls.clear()
        assert await sends.undelivered_among(tables, "accounting", some) == {some[0], some[2]}
        assert len(calls) == requests


async def test_the_backlog_is_counted_without_rows_that_are_not_ours(bench: Bench) -> None:
    tables = bench.app.stores.tables
    await written(tables, row())
    for key, columns in {"a": {}, "b": {"state": "waiting", "firstAt": "today"}}.items():
        await tables.put(
            TableName.SENDS, {"PartitionKey": undelivered("accounting"), "RowKey": key, **columns}
        )
    subscription = HttpsSubscription(
        name="accounting", events=("*",), url="https://crm.example/", auth="none"
    )
    found = await measure(subscription, bench.app)
    assert found is not None
    assert found.messages == 1


async def test_the_backlog_is_counted_up_to_its_bound_in_one_request(
    bench: Bench, calls: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = bench.app.stores.tables
    await written(tables, *(row(number) for number in range(3)))
    calls.clear()
    monkeypatch.setattr(sends, "_PAGE", 2)
    found = await sends.backlog(tables, "accounting")
    assert (found.waiting, found.more, found.oldest) == (2, True, datetime.fromisoformat(row(0).first_at))
    assert len(calls) == 1


async def test_what_was_missed_is_replayed_once(bench: Bench) -> None:
    tables = bench.app.stores.tables
    failed, paused, _ = await written(tables, row(2, SendState.FAILED), row(1, SendState.PAUSED), row(3))
    missed = [each async for each in sends.missed(tables, "accounting")]
    assert [each.delivery for each in missed] == [paused.delivery, failed.delivery]
    await sends.replayed(tables, missed[0], "a replay's id")
    found = await sends.find(tables, "accounting", paused.delivery)
    assert found is not None
    assert (found.state, found.replayed_by) == (SendState.REPLAYED, "a replay's id")
    assert [each.delivery async for each in sends.missed(tables, "accounting")] == [failed.delivery]


async def test_a_row_that_changed_meanwhile_stays_missed(bench: Bench) -> None:
    tables = bench.app.stores.tables
    await written(tables, row(1, SendState.PAUSED))
    (read,) = [each async for each in sends.missed(tables, "accounting")]
    again = read.model_copy(update={"state": SendState.FAILED})
    await sends.record(tables, again, is_new=False)
    with pytest.raises(Conflict):
        await sends.replayed(tables, read, "a replay's id")
    found = await sends.find(tables, "accounting", read.delivery)
    assert found is not None
    assert found.state is SendState.FAILED


async def test_what_was_delivered_before_is_not_withheld(bench: Bench) -> None:
    tables = bench.app.stores.tables
    message = b'{"id":"%(id)s","type":"com.printiq.CreateQuote","delivery":"%(id)s"}' % {
        b"id": new_id(MORNING).encode()
    }
    await sends.withhold(tables, "accounting", message, "Paused for a move.", MORNING)
    (paused,) = (await sends.page(tables, "accounting", size=9)).rows
    assert (paused.state, paused.error) == (SendState.PAUSED, "Paused for a move.")
    await sends.record(tables, paused.model_copy(update={"state": SendState.DELIVERED}), is_new=False)
    await sends.withhold(tables, "accounting", message, "Paused again.", MORNING)
    (delivered,) = (await sends.page(tables, "accounting", size=9)).rows
    assert delivered.state is SendState.DELIVERED


async def test_old_rows_go_with_their_copies_whatever_their_subscription(bench: Bench) -> None:
    tables = bench.app.stores.tables
    old = [row(number) for number in range(40)]
    other = row(1).model_copy(update={"subscription": "removed-since", "delivery": new_id(MORNING)})
    kept = row(100, SendState.FAILED)
    await written(tables, *old, other, kept)
    foreign = {"PartitionKey": "accounting", "RowKey": "ffff", "delivery": "another program's"}
    await tables.put(TableName.SENDS, foreign)
    async for subscription, deliveries in sends.past(tables, MORNING + timedelta(minutes=50), 32):
        for each in deliveries:
            await sends.forget(tables, [subscription], each)
    left = [each["delivery"] for each in await bench.rows("sends")]
    assert sorted(left) == sorted([foreign["delivery"], kept.delivery, kept.delivery])


async def test_a_row_of_an_erased_delivery_does_not_stay(bench: Bench) -> None:
    tables = bench.app.stores.tables
    sent = delivery(quote("Q1"))
    await process(Message("1", sent.received_at, Work.of(sent).encode().decode()), bench.app)
    assert await write.erase(tables, await find(tables, sent.id), "asked for")
    with pytest.raises(Erased):
        await sends.record(tables, row().model_copy(update={"delivery": sent.id}), is_new=True)
    assert not await bench.rows("sends")


async def test_an_erasure_removes_rows_of_a_subscription_that_its_own_app_does_not_have(bench: Bench) -> None:
    tables = bench.app.stores.tables
    sent = delivery(quote("Q1"))
    await process(Message("1", sent.received_at, Work.of(sent).encode().decode()), bench.app)
    await sends.record(tables, row().model_copy(update={"delivery": sent.id, "subject": "Q1"}), is_new=True)
    person = Person(subject=Subject(Kind.QUOTE, "Q1"))
    await erasure.erase(await find(tables, sent.id), "asked for", person, bench.app)
    assert not await bench.rows("sends")
