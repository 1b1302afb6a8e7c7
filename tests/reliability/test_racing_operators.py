"""Operators, timers and messages that work on one delivery at the same time."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from bench import RESULTS, Bench, delivery, quote
from endpoints import https
from looking import work_off

from events import EventError, Kind, Subject
from handlers.app import App
from handlers.errors import Conflict, NotReplayable, StorageFault, UnknownDelivery
from handlers.http import endpoints
from handlers.ids import newest_first
from handlers.ledger import query, write
from handlers.ledger.query import Filter
from handlers.ledger.rows import day
from handlers.operations import control, erasure, reconcile, retention
from handlers.operations import replay as replaying
from handlers.operations.erasure import Person
from handlers.operations.replay import Options, dismiss, replay, replay_many
from handlers.pipeline import archive, duplicates, inbox, results
from handlers.pipeline.process import process
from handlers.pipeline.receive import receive
from handlers.stores import INBOX_QUEUE, ContainerName, Stores, TableName, Value
from handlers.work import Message, Work

pytestmark = pytest.mark.anyio

BROKEN = b'{"QuoteNo": "Q7", '
LONG_AGO = datetime.now(UTC) - timedelta(days=730)
_COUNTS: dict[str, Value] = {
    "deliveries": 1,
    "first": "2026-11-24T00:00:00Z",
    "last": "2026-11-24T00:00:00Z",
    "unknown": "{}",
    "unread": "{}",
    "arrived": "[]",
    "more": False,
}
WHOM = Person(subject=Subject(Kind.QUOTE, "Q-1"))


async def arrived(bench: Bench, body: bytes, *, at: datetime | None = None) -> str:
    each = delivery(body, at=at)
    with contextlib.suppress(EventError):
        await receive(each, bench.app)
    await work_off(bench.app)
    return each.id


def message(work: Work) -> Message:
    return Message("m", work.received_at, work.encode().decode())


# retention


async def test_a_replay_that_overlaps_retention_leaves_no_stub(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await arrived(bench, quote("Q-1"), at=LONG_AGO)
    genuine = inbox.requeue

    async def after_retention(stores: Stores, work: Work, *, delay: int) -> None:
        await retention.retain(bench.app)
        await genuine(stores, work, delay=delay)

    with monkeypatch.context() as racing:
        racing.setattr(inbox, "requeue", after_retention)
        again = await replay(old, bench.app)
    await work_off(bench.app)
    assert [row["id"] for row in await bench.rows("deliveries")] == [again.id]
    assert (await reconcile.reconcile(bench.app)).balanced


async def test_the_bytes_of_a_replay_outlive_retention_until_it_is_processed(bench: Bench) -> None:
    old = await arrived(bench, BROKEN, at=LONG_AGO)
    again = await replay(old, bench.app)
    assert await retention.retain(bench.app) == 0
    await work_off(bench.app)
    row = await bench.row(again.id)
    assert (row["status"], await bench.blob(str(row["raw"]))) == ("quarantined", BROKEN)
    assert await retention.retain(bench.app) == 1
    assert await bench.blob(str(row["raw"])) == BROKEN
    assert (await reconcile.reconcile(bench.app)).findings == []


async def test_what_is_replayed_after_retention_has_read_its_row_keeps_its_bytes(bench: Bench) -> None:
    old = await arrived(bench, BROKEN, at=LONG_AGO)
    read = await bench.app.stores.tables.get(TableName.DELIVERIES, day(old), newest_first(old))
    again = await replay(old, bench.app)
    assert not await retention.remove(bench.app, read)
    await work_off(bench.app)
    assert (await bench.row(again.id))["status"] == "quarantined"


async def test_a_dismissal_that_overlaps_retention_leaves_no_stub(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await arrived(bench, BROKEN, at=LONG_AGO)
    genuine = write.dismiss

    async def after_removal(*args: object, **who: object) -> None:
        await retention.remove(
            bench.app, await bench.app.stores.tables.get(TableName.DELIVERIES, day(old), newest_first(old))
        )
        await genuine(*args, **who)  # type: ignore[arg-type]

    with monkeypatch.context() as racing:
        racing.setattr(write, "dismiss", after_removal)
        await dismiss(old, "no longer wanted", bench.app)
    assert await bench.rows("deliveries") == []


async def test_a_filtered_replay_passes_over_what_vanishes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, gone = await arrived(bench, quote("Q-1")), await arrived(bench, quote("Q2"))
    genuine = query.page

    async def and_then_one_is_removed(*args: object, **more: object) -> query.Page:
        found = await genuine(*args, **more)  # type: ignore[arg-type]
        await bench.app.stores.tables.delete(TableName.DELIVERIES, day(gone), newest_first(gone))
        return found

    with monkeypatch.context() as racing:
        racing.setattr(replaying, "page", and_then_one_is_removed)
        done = await replay_many(Filter(), bench.app)
    assert ([each.replay_of for each in done.replayed], done.skipped) == ([kept], 1)


async def test_a_row_that_is_not_ours_is_passed_over_and_named(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    good = await arrived(bench, quote("Q-1"))
    for at in (datetime.now(UTC), LONG_AGO):
        stub = delivery(b"", at=at).id
        row = {"PartitionKey": day(stub), "RowKey": newest_first(stub), "replayedBy": good}
        await bench.app.stores.tables.put(TableName.DELIVERIES, row)
        with pytest.raises(UnknownDelivery, match="not one of this app's"):
            await query.find(bench.app.stores.tables, stub)

    listed = await endpoints.deliveries({}, bench.app)
    assert [row["id"] for row in json.loads(listed.body)["deliveries"]] == [good]
    assert "not one of this app's" in caplog.text
    assert (await replay_many(Filter(), bench.app, dry_run=True)).matched == 1
    stats = await endpoints.statistics({"per": "day"}, bench.app)
    assert json.loads(stats.body)["buckets"][-1]["counts"][0]["count"] == 1
    findings = (await reconcile.reconcile(bench.app)).findings
    assert ["not one of this app's" in each.what for each in findings] == [True, True]
    await retention.retain(bench.app)
    assert len((await reconcile.reconcile(bench.app)).findings) == 1


@pytest.mark.parametrize(
    ("table", "partition", "key", "columns"),
    [
        (TableName.DUPLICATES, "quote|Q-1", "CreateQuote", {}),
        (TableName.DUPLICATES, "quote|Q-1", "CreateQuote", {"entries": "another's"}),
        (TableName.DUPLICATES, "quote|Q-1", "CreateQuote", {"entries": "bm90IHpzdGQ="}),
        (TableName.DRIFT, "CreateQuote", "QuoteDetails", {"deliveries": 1}),
        (TableName.DRIFT, "CreateQuote", "QuoteDetails", {**_COUNTS, "unknown": "[1]"}),
        (TableName.LAST_SEEN, "event", "CreateQuote", {"receivedAt": "yesterday"}),
        (TableName.RECORDS, "quote", "Q-1", {"order": "1"}),
        (TableName.SEARCH, "quote", "q-1  Q-1", {"order": "1"}),
        (TableName.SUBSCRIPTIONS, "subscription", "crm", {"by": "another"}),
    ],
)
async def test_a_row_that_is_not_ours_keeps_no_event_from_its_consumers(
    bench: Bench,
    table: TableName,
    partition: str,
    key: str,
    columns: dict[str, Value],
) -> None:
    await bench.app.stores.tables.put(table, {"PartitionKey": partition, "RowKey": key, **columns})
    (finding,) = (await reconcile.reconcile(bench.app)).findings
    assert finding.what.startswith(f"The row {partition} {key} in the table {table} is not one of this app's")

    good = await arrived(bench, quote("Q-1"))
    row = await bench.row(good)
    assert (row["status"], row["attempts"]) == ("sent", 1)
    async with asyncio.timeout(60):
        while not (drift := json.loads((await endpoints.drift_report(bench.app)).body)["events"]):
            await asyncio.sleep(0.05)
    assert drift[0]["deliveries"] == 1
    assert list(await bench.app.last_seen.all()) == ["CreateQuote"]
    again = delivery(quote("Q-1"))
    await process(message(Work.of(again).model_copy(update={"settled": True})), bench.app)
    assert (await bench.row(again.id)).get("duplicateOf") == good


@pytest.mark.parametrize("event", ["NoEvent", "CreateCustomer"])
async def test_field_drift_is_reported_without_the_rows_of_another_program(bench: Bench, event: str) -> None:
    columns = {**_COUNTS, "PartitionKey": event, "RowKey": "QuoteDetails"}
    await bench.app.stores.tables.put(TableName.DRIFT, columns)
    assert json.loads((await endpoints.drift_report(bench.app)).body) == {"events": []}


async def test_a_delivery_with_subjects_that_are_not_ours_is_passed_over(bench: Bench) -> None:
    good = await arrived(bench, quote("Q-1"))
    other = delivery(b"").id
    row = {**await bench.row(good), "id": other, "RowKey": newest_first(other), "subjects": "[another's"}
    row = {name: value for name, value in row.items() if isinstance(value, str)}
    await bench.app.stores.tables.put(TableName.DELIVERIES, row)
    listed = await query.page(bench.app.stores.tables, Filter(), size=5)
    assert [each.id for each in listed.rows] == [good]
    (finding,) = (await reconcile.reconcile(bench.app)).findings
    assert "not one of this app's" in finding.what


@pytest.mark.parametrize("selected", [Filter(), Filter(kind=Kind.QUOTE, subject="Q-1")])
async def test_a_page_never_ends_with_a_row_that_is_not_ours(
    bench: Bench, caplog: pytest.LogCaptureFixture, selected: Filter
) -> None:
    last_day, first_day = (datetime.now(UTC) - timedelta(days=days) for days in (1, 2))
    newer, older = [await arrived(bench, quote("Q-1"), at=at) for at in (last_day, first_day)]
    for table, partition in ((TableName.DELIVERIES, day(newer)), (TableName.TIMELINE, "quote|Q-1")):
        row = {"PartitionKey": partition, "RowKey": "zz"}
        await bench.app.stores.tables.put(table, row)
    first = await query.page(bench.app.stores.tables, selected, size=2)
    assert [each.id for each in first.rows] == [newer, older]
    following = await query.page(bench.app.stores.tables, selected, size=2, cursor=first.cursor)
    assert (following.rows, following.cursor) == ((), None)
    assert "zz in the table" in caplog.text


# replays at once


async def test_one_delivery_that_is_replayed_four_times_at_once_is_replayed_once(bench: Bench) -> None:
    each = await arrived(bench, quote("Q-1"))
    asked = await asyncio.gather(*(replay(each, bench.app) for _ in range(4)), return_exceptions=True)
    refused = [outcome for outcome in asked if isinstance(outcome, BaseException)]
    assert all(isinstance(outcome, NotReplayable) for outcome in refused)
    await work_off(bench.app)
    assert len([row for row in await bench.rows("deliveries") if "replayOf" in row]) == 1
    assert {message["delivery"] for message in await bench.sent()} == {
        each,
        *(outcome.id for outcome in asked if not isinstance(outcome, BaseException)),
    }
    assert (await reconcile.reconcile(bench.app)).balanced


async def test_a_filter_that_is_asked_twice_at_once_replays_each_delivery_once(bench: Bench) -> None:
    ids = {await arrived(bench, quote(f"Q{number}")) for number in range(5)}
    await asyncio.gather(*(replay_many(Filter(end=datetime.now(UTC)), bench.app) for _ in range(2)))
    await work_off(bench.app)
    replays = [row["replayOf"] for row in await bench.rows("deliveries") if "replayOf" in row]
    assert sorted(replays) == sorted(ids)


async def test_a_replay_of_what_was_dismissed_at_this_moment_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = await arrived(bench, BROKEN)
    genuine = write.intend_replay

    async def after_a_dismissal(*args: object) -> None:
        await dismiss(each, "sent by hand", bench.app)
        await genuine(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as racing:
        racing.setattr(write, "intend_replay", after_a_dismissal)
        with pytest.raises(NotReplayable, match="at this moment"):
            await replay(each, bench.app)
    assert await bench.depth(INBOX_QUEUE) == 0


async def test_an_event_that_the_catalogue_no_longer_has_cannot_be_replayed_but_the_others_can(
    bench: Bench,
) -> None:
    retired, good = await arrived(bench, quote("Q-1")), await arrived(bench, quote("Q2"))
    tables = bench.app.stores.tables
    row = await tables.get(TableName.DELIVERIES, day(retired), newest_first(retired))
    await tables.put(TableName.DELIVERIES, {**row, "event": "CreateTelegram"})
    with pytest.raises(NotReplayable, match="CreateTelegram"):
        await replay(retired, bench.app)
    done = await replay_many(Filter(), bench.app)
    assert ([each.replay_of for each in done.replayed], done.skipped) == ([good], 1)
    await replay(retired, bench.app, Options(event="CreateQuote"))


# erasure


async def erased(bench: Bench, person: Person = WHOM, *, by: App | None = None) -> list[str]:
    """Erase a person, by another instance of the app if need be; return the deliveries."""
    app, ids = by or bench.app, []
    async for row in erasure.deliveries_of(person, app):
        await erasure.erase(row, "asked for", person, app)
        ids.append(row.id)
    return ids


@pytest.fixture
async def withholding(bench: Bench) -> None:
    """Pause a subscription, so that a row is held of each event that it misses."""
    subscriptions = f'[queues.{RESULTS}]\nevents = ["*"]\n{https("crm", "https://example.com/hook")}'
    bench.app = bench.start(SUBSCRIPTIONS=subscriptions)
    await control.pause("crm", "it moves", bench.app)


async def holds(bench: Bench, text: str) -> list[str]:
    """Return where a text is still held: tables and blobs. With a hyphen, none has it by chance."""
    rows = [f"{table}: {row}" for table in TableName for row in await bench.rows(table) if text in str(row)]
    return rows + [place for place in await bench.blobs() if text.encode() in await bench.blob(place)]


@pytest.mark.usefixtures("withholding")
async def test_a_message_that_comes_again_after_the_erasure_brings_nothing_back(bench: Bench) -> None:
    sent = delivery(quote("Q-1"))
    work = Work.of(sent)
    await process(message(work), bench.app)
    assert await bench.rows(TableName.SENDS, subject="Q-1")
    assert await bench.rows(TableName.SEARCH, subject="Q-1")
    assert await erased(bench) == [sent.id]
    await bench.sent()
    for again in (work, work.model_copy(update={"attempt": 5, "errors": 4})):
        await process(message(again), bench.app)
        await process(message(again)._replace(dequeue_count=2), bench.app)
    assert await bench.sent() == []
    assert await bench.depth(INBOX_QUEUE) == 0
    assert await holds(bench, "Q-1") == []
    assert "erased" in await bench.row(sent.id)


async def record_of(bench: Bench) -> tuple[str, str]:
    (record,) = await bench.rows("records")
    return record["delivery"], record["order"]


NAMED = Person(text="aroha@example.com")


async def test_the_latest_state_that_is_left_is_the_record_once_a_later_one_is_erased(bench: Bench) -> None:
    oldest, left = await arrived(bench, quote("Q-1", 1)), await arrived(bench, quote("Q-1", 2))
    theirs = [await arrived(bench, quote("Q-1", price, Notes="aroha@example.com")) for price in (3, 4)]
    await replay(oldest, bench.app)
    await work_off(bench.app)
    assert sorted(await erased(bench, NAMED)) == theirs
    assert await record_of(bench) == (left, left)
    assert (await reconcile.reconcile(bench.app)).findings == []


# two compressed bodies may unpack to more than may be held at once
@pytest.mark.parametrize("sent_as", [bytes, gzip.compress], ids=["plain", "compressed"])
async def test_the_latest_state_that_is_left_is_the_record_though_an_erased_one_was_still_processed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, sent_as: Callable[[bytes], bytes]
) -> None:
    left = await arrived(bench, sent_as(quote("Q-1", 1)))
    theirs = delivery(sent_as(quote("Q-1", 2, Notes="aroha@example.com")))
    work = Work.of(theirs)
    await process(message(work), bench.app)
    genuine, other = archive.store_raw, bench.start()

    async def while_it_is_erased(*args: object) -> object:
        assert await erased(bench, NAMED, by=other) == [theirs.id]
        return await genuine(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as racing:
        racing.setattr(archive, "store_raw", while_it_is_erased)
        async with asyncio.timeout(300):
            await process(message(work), bench.app)
    assert await record_of(bench) == (left, left)


async def test_a_state_that_is_erased_while_it_becomes_the_record_again_does_not_stay(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [
        await arrived(bench, quote("Q-1", price, Notes=f"{name}@example.com"))
        for price, name in ((1, "hemi"), (2, "aroha"))
    ]
    genuine = write.restore_record

    async def while_that_is_erased(*args: object) -> bool:
        monkeypatch.setattr(write, "restore_record", genuine)
        assert await erased(bench, Person(text="hemi@example.com")) == [both[0]]
        return await genuine(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(write, "restore_record", while_that_is_erased)
    assert await erased(bench, NAMED) == [both[1]]
    assert await holds(bench, "@example.com") == []
    assert await bench.rows("records") == []


async def test_the_record_of_a_replay_outlives_its_original(bench: Bench) -> None:
    old = delivery(quote("Q-1"), at=LONG_AGO)
    work = Work.of(old)
    await process(message(work), bench.app)
    again = await replay(old.id, bench.app)
    await work_off(bench.app)
    await process(message(work), bench.app)  # delivered once more, late
    assert await retention.retain(bench.app) == 1
    assert await record_of(bench) == (again.id, old.id)
    assert (await reconcile.reconcile(bench.app)).findings == []


@pytest.mark.usefixtures("withholding")
async def test_an_erasure_while_the_message_is_processed_leaves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = delivery(quote("Q-1"))
    work = Work.of(sent)
    await process(message(work), bench.app)
    genuine = archive.store_raw

    async def while_it_is_erased(*args: object) -> object:
        assert await erased(bench) == [sent.id]
        return await genuine(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as racing:
        racing.setattr(archive, "store_raw", while_it_is_erased)
        await process(message(work), bench.app)
    assert await holds(bench, "Q-1") == []
    assert "erased" in await bench.row(sent.id)


async def test_an_erasure_while_an_attempt_fails_leaves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = delivery(quote("Q-1"))
    work = Work.of(sent)
    await process(message(work), bench.app)
    genuine = archive.store_raw

    async def while_it_is_erased(*args: object) -> object:
        assert await erased(bench) == [sent.id]
        return await genuine(*args)  # type: ignore[arg-type]

    async def unreachable(*_: object) -> None:
        raise StorageFault("No queue responds.")

    with monkeypatch.context() as racing:
        racing.setattr(archive, "store_raw", while_it_is_erased)
        racing.setattr(results, "send", unreachable)
        await process(message(work), bench.app)
    assert await holds(bench, "Q-1") == []
    assert await bench.depth(INBOX_QUEUE) == 0


class EndOfProcessError(BaseException):
    """The end of the process, which nothing catches."""


async def test_what_a_process_leaves_that_ends_while_its_delivery_is_erased_is_found_and_removed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = delivery(quote("Q-1"))
    work = Work.of(sent)
    await process(message(work), bench.app)
    kept = await arrived(bench, quote("Q2"))
    genuine = archive.store_raw

    async def while_it_is_erased(*args: object) -> object:
        assert await erased(bench) == [sent.id]
        return await genuine(*args)  # type: ignore[arg-type]

    async def the_process_ends(*_: object) -> None:
        raise EndOfProcessError

    with monkeypatch.context() as racing:
        racing.setattr(archive, "store_raw", while_it_is_erased)
        racing.setattr(results, "send", the_process_ends)
        with pytest.raises(EndOfProcessError):
            await process(message(work), bench.app)
    await process(message(work)._replace(dequeue_count=2), bench.app)
    found = await reconcile.reconcile(bench.app)
    assert [(each.id, "duplicate history" in each.what) for each in found.findings] == [(sent.id, True)]
    assert len((await reconcile.repair(bench.app, found)).forgotten) == 1
    assert await holds(bench, "Q-1") == []
    assert (await reconcile.reconcile(bench.app)).findings == []
    assert kept in str([place async for place in duplicates.places(bench.app.stores.tables)])


@pytest.mark.parametrize("body", [quote("Q-1"), BROKEN], ids=["sent", "quarantined"])
async def test_a_replay_that_is_on_its_way_when_its_original_is_erased_is_dropped(
    bench: Bench, body: bytes
) -> None:
    each = await arrived(bench, body)
    await replay(each, bench.app)
    await bench.sent()
    assert await erased(bench, Person(text="QuoteNo")) == [each]
    await work_off(bench.app)
    assert [row["id"] for row in await bench.rows("deliveries")] == [each]
    assert await bench.sent() == []
    assert await bench.blobs() == []
    assert (await reconcile.reconcile(bench.app)).findings == []


@pytest.mark.usefixtures("withholding")
async def test_what_came_back_is_erased_again(bench: Bench) -> None:
    each = await arrived(bench, quote("Q-1"))
    raw = str((await bench.row(each))["raw"])
    await erased(bench)
    blobs, (container, _, name) = bench.app.stores.blobs, raw.partition("/")
    await blobs.put(ContainerName(container), name, quote("Q-1"), "application/json")
    assert not (await reconcile.reconcile(bench.app)).balanced
    assert await erased(bench, Person(text='"Q-1"')) == [each]
    assert await holds(bench, "Q-1") == []


@pytest.mark.parametrize("person", [WHOM, Person(text='"q-1"')], ids=["by subject", "by text"])
async def test_a_delivery_that_is_being_retried_is_erased_and_its_message_dropped(
    bench: Bench, person: Person
) -> None:
    app = bench.start(SUBSCRIPTIONS="nonsense = [")
    sent = delivery(quote("Q-1"))
    await process(message(Work.of(sent)), app)
    assert (await bench.row(sent.id))["status"] == "failing"
    assert await erasure.unsearched(bench.app) == 1
    assert await erased(bench, person) == [sent.id]
    assert await holds(bench, "Q-1") == []
    await work_off(bench.app)
    await process(message(Work.of(sent)), bench.app)
    assert await bench.sent() == []
    assert await holds(bench, "Q-1") == []


@pytest.mark.usefixtures("withholding")
async def test_an_erasure_waits_for_a_row_that_is_written_at_this_moment(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = delivery(quote("Q-1"))
    await process(message(Work.of(sent)), bench.app)
    genuine, calls = write.erase, 0

    async def after_a_late_write(*args: object) -> bool:
        nonlocal calls
        calls += 1
        if calls == 1:
            await process(message(Work.of(sent)), bench.app)
        return await genuine(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as racing:
        racing.setattr(write, "erase", after_a_late_write)
        assert await erased(bench) == [sent.id]
    assert calls == 2
    assert await holds(bench, "Q-1") == []
    assert not await bench.is_open(sent.id)


async def test_only_the_state_that_was_read_is_changed(bench: Bench) -> None:
    each = await arrived(bench, BROKEN)
    row = await query.find(bench.app.stores.tables, each)
    await dismiss(each, "sent by hand", bench.app)
    with pytest.raises(Conflict):
        await write.intend_replay(bench.app.stores.tables, row, "x")
    assert not await write.erase(bench.app.stores.tables, row, "x")
    assert (await bench.row(each))["dismissed"] == "sent by hand"
    assert not await bench.is_open(each)
