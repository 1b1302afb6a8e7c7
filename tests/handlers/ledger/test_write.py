"""The ledger is the same however often an outcome is written, and loses nothing."""

import asyncio
import json
from datetime import timedelta

import pytest
from bench import Bench, delivery, quote

from events import Delivery, Event, Kind, Payload, parse
from handlers.errors import StorageFault
from handlers.ids import newest_first
from handlers.ledger import write
from handlers.ledger.query import find
from handlers.ledger.rows import MAX_TEXT, OPEN, Outcome, Status, day, timeline_partition
from handlers.ledger.write import record
from handlers.stores import Entity, Int64, TableName, Tables, table_key
from handlers.work import Replay, Work


async def _record(
    bench: Bench, sent: Delivery, outcome: Outcome, event: Event[Payload] | None = None, **changes: object
) -> None:
    await record(bench.app.stores.tables, Work.of(sent).model_copy(update=changes), outcome, event)


SENT = Outcome(status=Status.SENT, queues=("printiq-events",))


async def test_a_row_has_the_outcome_of_a_delivery(bench: Bench) -> None:
    sent = delivery(quote("Q1"), content_type="text/plain")
    await _record(bench, sent, SENT, parse(sent))
    row = await bench.row(sent.id)
    assert row["PartitionKey"] == f"{sent.received_at:%Y-%m-%d}"
    written = {
        name: row[name] for name in ("id", "event", "kind", "key", "subject", "status", "channel", "size")
    }
    assert written == {
        "id": sent.id,
        "event": "CreateQuote",
        "kind": "quote",
        "key": "Q1",
        "subject": "Q1",
        "status": "sent",
        "channel": "webhook",
        "size": len(sent.body),
    }
    assert (row["queues"], row["contentType"], row["attempts"], row["error"]) == (
        '["printiq-events"]',
        "text/plain",
        1,
        "",
    )
    assert row["receivedAt"] <= row["processedAt"]


async def test_the_size_of_a_delivery_has_a_column_of_64_bits(bench: Bench) -> None:
    sent = delivery(quote("Q1"))
    await _record(bench, sent, Outcome(status=Status.QUARANTINED), size=3 * 1024**3)
    tables = bench.app.stores.tables
    for partition in (day(sent.id), OPEN):
        size = (await tables.get(TableName.DELIVERIES, partition, newest_first(sent.id)))["size"]
        # Azurite takes a larger number in a column of 32 bits, which Azure refuses
        assert (type(size), size) == (Int64, 3 * 1024**3)


async def test_a_day_lists_its_deliveries_newest_first(bench: Bench) -> None:
    sent = [delivery(quote(f"Q{number}")) for number in range(3)]
    for each in sent:
        await _record(bench, each, SENT, parse(each))
    days = {day(each.id) for each in sent}
    found = [
        row["id"]
        for each_day in sorted(days, reverse=True)
        for row in await bench.rows("deliveries", PartitionKey=each_day)
    ]
    assert found == [each.id for each in reversed(sent)]


@pytest.mark.parametrize("status", [Status.QUARANTINED, Status.FAILED])
async def test_what_waits_for_a_decision_is_open_too(bench: Bench, status: Status) -> None:
    sent = delivery(b"x")
    await _record(bench, sent, Outcome(status=status, error="why"))
    assert await bench.is_open(sent.id)
    assert (await bench.row(sent.id))["error"] == (await bench.row(sent.id, OPEN))["error"] == "why"


@pytest.mark.parametrize("status", [Status.SENT, Status.DUPLICATE, Status.FAILING])
async def test_what_waits_for_nobody_is_not_open(bench: Bench, status: Status) -> None:
    sent = delivery(quote("Q1"))
    await _record(bench, sent, Outcome(status=status), parse(sent))
    assert not await bench.is_open(sent.id)


async def test_a_delivery_is_in_the_timeline_of_each_of_its_subjects(bench: Bench) -> None:
    body = json.dumps({"QuoteNo": "Q1", "Products": [{"JobNo": "J1-01"}, {"JobNo": "J1-02"}]}).encode()
    sent = delivery(body, "CreateJob")
    event = parse(sent)
    assert len(event.subjects) == 3
    await _record(bench, sent, SENT, event)
    rows = await bench.rows("timeline")
    assert {row["PartitionKey"] for row in rows} == {"quote|Q1", "job|J1-01", "job|J1-02"}
    assert [row["subject"] for row in rows if row["primary"]] == [event.subjects[0].key]
    assert len(await bench.rows("records")) == 1, "only the primary subject has a latest state"


async def test_two_subjects_that_differ_in_forbidden_characters_only_have_histories_of_their_own(
    bench: Bench,
) -> None:
    for number in ("Q/1", "Q%2F1", "Q\\1", "Q?1", "Q#1"):
        sent = delivery(quote(number))
        await _record(bench, sent, SENT, parse(sent))
        assert await bench.rows("records", PartitionKey="quote", RowKey=table_key(number))
    assert len(await bench.rows("records")) == len(await bench.rows("timeline")) == 5


async def test_twenty_states_at_once_leave_the_latest_as_the_record(bench: Bench) -> None:
    sent = [delivery(quote("Q1", price)) for price in range(20)]
    await asyncio.gather(*(_record(bench, each, SENT, parse(each)) for each in sent))
    (row,) = await bench.rows("records")
    assert row["order"] == row["delivery"] == sent[-1].id
    assert len(await bench.rows("timeline")) == 20


async def test_a_replay_of_an_older_state_does_not_take_the_place_of_a_newer_one(bench: Bench) -> None:
    old, new, again = (delivery(quote("Q1", price)) for price in (1, 2, 1))
    for each in (old, new):
        await _record(bench, each, SENT, parse(each))
    await _record(bench, again, SENT, parse(again), replay=Replay(of=old.id, origin=old.id))
    (row,) = await bench.rows("records")
    assert row["delivery"] == new.id
    assert (await bench.row(again.id))["replayOf"] == old.id


async def test_a_replay_of_the_latest_state_brings_the_record_up_to_date(bench: Bench) -> None:
    first, again = delivery(quote("Q1")), delivery(quote("Q1"))
    await _record(bench, first, SENT, parse(first))
    await _record(bench, again, SENT, parse(again), replay=Replay(of=first.id, origin=first.id))
    (row,) = await bench.rows("records")
    assert (row["delivery"], row["order"]) == (again.id, first.id)


async def test_texts_of_any_length_fit(bench: Bench) -> None:
    sent = delivery(b"x", event="x" * 10_000, content_type="y" * 10_000)
    for text in ("🖨" * 40_000, "é" * 40_000, "x" * 40_000, "\ufffe\x00\x0b"):
        await _record(bench, sent, Outcome(status=Status.QUARANTINED, error=text))
        row = await bench.row(sent.id)
        assert row["error"] == text or (text.startswith(row["error"][:-1]) and row["error"][-1] == "…")
        assert len(row["error"].encode()) <= MAX_TEXT + 3


async def test_many_warnings_and_subjects_fit(bench: Bench) -> None:
    products = [{"JobNo": f"J{number:05}-01", "Quantity": "not a number"} for number in range(3000)]
    sent = delivery(json.dumps({"QuoteNo": "Q1", "Products": products}).encode(), "CreateJob")
    event = parse(sent)
    assert len(event.subjects) > 500
    await _record(bench, sent, SENT, event)
    named = (await find(bench.app.stores.tables, sent.id)).subjects
    assert named == event.subjects[: len(named)]
    assert len(named) > 500
    timeline = await bench.rows("timeline")
    assert {each["PartitionKey"] for each in timeline} == {timeline_partition(each) for each in named}


async def test_the_customer_of_hundreds_of_jobs_is_named_with_all_of_them(bench: Bench) -> None:
    products = [{"JobNo": f"J{number:05}-01"} for number in range(900)]
    body = {"QuoteNo": "Q1", "CustomerCode": "ACME", "Products": products}
    sent = delivery(json.dumps(body).encode(), "CreateJob")
    event = parse(sent)
    await _record(bench, sent, SENT, event)
    assert (await find(bench.app.stores.tables, sent.id)).subjects == event.subjects
    assert event.subjects[-1] == (Kind.CUSTOMER, "ACME")


async def test_a_row_survives_what_is_written_later(bench: Bench) -> None:
    sent, again = delivery(b"x"), delivery(b"x")
    refused = Outcome(status=Status.QUARANTINED, error="why")
    await _record(bench, sent, refused)
    await write.replayed(bench.app.stores.tables, sent.id, again.id)
    assert not await bench.is_open(sent.id)
    await _record(bench, sent, refused)
    assert (await bench.row(sent.id))["replayedBy"] == again.id
    assert not await bench.is_open(sent.id), "a message that comes twice opens nothing again"


async def test_the_tables_are_created_once(bench: Bench) -> None:
    sent = delivery(quote("Q1"))
    await _record(bench, sent, SENT, parse(sent))
    later = delivery(quote("Q2"), at=sent.received_at + timedelta(days=1))
    await _record(bench, later, SENT, parse(later))
    assert len(await bench.rows(TableName.DELIVERIES)) == 2


async def test_a_thousand_long_subjects_are_all_in_the_timeline_and_removed_from_it(bench: Bench) -> None:
    """The row names each, or it could not be found again to be removed."""
    products = [{"JobNo": f"J{number:04}-{'x' * 54}"} for number in range(1_001)]
    sent = delivery(json.dumps({"QuoteNo": "Q1", "Products": products}).encode(), "CreateJob")
    event = parse(sent)
    assert len(event.subjects) == 1_000
    await _record(bench, sent, SENT, event)
    row = await find(bench.app.stores.tables, sent.id)
    assert row.subjects == event.subjects
    assert len(await bench.rows("timeline")) == 1_000
    await write.forget(bench.app.stores.tables, row)
    assert await bench.rows("timeline") == await bench.rows("records") == []


async def test_no_write_of_an_attempt_comes_after_its_failure(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    products = [{"JobNo": f"J{number}"} for number in range(100)]
    sent = delivery(json.dumps({"QuoteNo": "Q1", "Products": products}).encode(), "CreateJob")
    event = parse(sent)
    first, *_ = event.subjects
    begun, ended = 0, 0

    async def put(_: Tables, table: TableName, row: Entity) -> None:
        nonlocal begun, ended
        begun += 1
        await asyncio.sleep(0)
        if row["PartitionKey"] == timeline_partition(first):
            raise StorageFault("storage answered 503")
        await asyncio.sleep(0.1)
        ended += 1

    monkeypatch.setattr(Tables, "put", put)
    with pytest.raises(StorageFault, match="503"):
        await _record(bench, sent, SENT, event)
    assert ended == begun - 1 < len(event.subjects) - 1
    await asyncio.sleep(0.3)
    assert ended == begun - 1 < len(event.subjects) - 1


async def test_subjects_too_long_for_a_row_are_left_out_and_counted(bench: Bench) -> None:
    products = [{"JobNo": f"J{number:04}-{'🖨' * 500}"} for number in range(1_001)]
    sent = delivery(json.dumps({"QuoteNo": "Q1", "Products": products}).encode(), "CreateJob")
    event = parse(sent)
    await _record(bench, sent, SENT, event)
    row = await find(bench.app.stores.tables, sent.id)
    assert 500 < len(row.subjects) < 1_000
    assert f"Only {len(row.subjects):,} of 1,000 subjects are kept." in row.warnings[0].message
    assert len(await bench.rows("timeline")) == len(row.subjects)


async def test_a_size_beyond_two_gigabytes_is_recorded(bench: Bench) -> None:
    sent = delivery(b"x")
    await _record(bench, sent, Outcome(status=Status.QUARANTINED, error="too large"), size=3 * 1024**3)
    assert (await find(bench.app.stores.tables, sent.id)).size == 3 * 1024**3
    assert (await bench.row(sent.id))["size"] == 3 * 1024**3
