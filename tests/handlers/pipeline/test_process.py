"""A message of the inbox becomes outputs, also when it comes twice; what fails comes back and says why."""

import asyncio
import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from bench import RESULTS, Bench, Call, delivery, quote, without

from events import BodyTooLarge, Delivery, Kind
from handlers.errors import NotReplayable, StorageFault
from handlers.ledger import write
from handlers.ledger.query import Filter, page
from handlers.operations import reconcile
from handlers.operations.replay import replay
from handlers.paths import raw_path
from handlers.pipeline import inbox, results, retry
from handlers.pipeline import process as processing
from handlers.pipeline.process import process
from handlers.pipeline.receive import receive
from handlers.stores import INBOX_POISON_QUEUE, INBOX_QUEUE, BlobRef, ContainerName, Stores
from handlers.timings import DEFAULTS, Timings
from handlers.work import Message, Work

ROOT = Path(__file__).parents[3]


def message(work: Work, *, dequeue_count: int = 1) -> Message:
    return Message("1", work.received_at, work.encode().decode(), dequeue_count)


def work_of(sent: Delivery, **changes: Any) -> Work:
    return Work.of(sent).model_copy(update=changes)


async def test_a_message_that_comes_twice_has_the_same_outcome_twice(bench: Bench) -> None:
    sent = delivery(quote("Q1"))
    for _ in range(2):
        await process(message(work_of(sent)), bench.app)
    events = await bench.sent()
    assert [event["id"] for event in events] == [sent.id] * 2
    assert events[0] == events[1]
    assert len(await bench.rows("deliveries")) == 1
    assert len(await bench.rows("timeline")) == 1
    assert (await bench.row(sent.id))["status"] == "sent"


async def test_an_event_that_nobody_subscribes_to_is_archived_and_accounted_for(bench: Bench) -> None:
    app = bench.start(SUBSCRIPTIONS='[queues.printiq-invoices]\nevents = ["ExportInvoice"]')
    sent = delivery(quote("Q1"))
    await process(message(work_of(sent)), app)
    row = await bench.row(sent.id)
    assert row["status"] == "sent"
    assert "queues" not in row
    assert await bench.blob(row["raw"]) == sent.body


@pytest.mark.parametrize(
    ("size", "travels"), [(1_000, "data"), (30_000, "data"), (45_000, "data"), (60_000, "dataref")]
)
async def test_data_that_does_not_fit_is_referred_to(bench: Bench, size: int, travels: str) -> None:
    sent = delivery(quote("Q1", Noise="x" * size))
    await process(message(work_of(sent)), bench.app)
    (event,) = await bench.sent()
    assert travels in event
    row = await bench.row(sent.id)
    if travels == "dataref":
        assert event["dataref"] == row["dataRef"]
        path = event["dataref"].partition("/archive/")[2]
        assert json.loads(await bench.blob(f"archive/{path}"))["Noise"] == "x" * size


@pytest.mark.parametrize("noise", ["🖨" * 8_500, "é" * 20_000, "\ufffe" * 6_000, "\u0001" * 6_000])
async def test_text_of_many_bytes_fits_into_message_and_row_or_is_referred_to(
    bench: Bench, noise: str
) -> None:
    app = bench.start(SUBSCRIPTIONS=f'[queues.{RESULTS}]\nevents = ["*"]\nencoding = "none"')
    sent = delivery(quote("Q1", Noise=noise))
    await process(message(work_of(sent)), app)
    assert (await bench.row(sent.id))["status"] == "sent"
    (waiting,) = await bench.waiting(RESULTS)
    assert json.loads(waiting.text)["data"]["Noise"] == noise
    (record,) = await bench.rows("records")
    assert ("data" in record) != ("dataRef" in record)


@pytest.mark.parametrize(
    "number", ["Q" * 4000, "🖨" * 4000, "Q" + "🖨" * 4000, "Q~~" * 1000, '"' * 4000, "Q/1 #?%\\", "~"]
)
async def test_a_subject_of_any_text_is_sent_and_accounted_for(bench: Bench, number: str) -> None:
    sent = delivery(quote(number))
    await process(message(work_of(sent)), bench.app)
    row = await bench.row(sent.id)
    assert row["status"] == "sent", row["error"]
    (event,) = await bench.sent()
    assert event["subject"] == number
    assert len(await bench.rows("timeline")) == len(await bench.rows("records")) == 1


async def test_an_event_takes_one_storage_call_for_each_place_it_goes_to(
    bench: Bench, calls: list[Call]
) -> None:
    await process(message(work_of(delivery(quote("Q0")))), bench.app)  # makes the tables
    for price, method, of_new in ((1, "POST", ["POST $batch"]), (2, "PUT", [])):
        calls.clear()
        await process(message(work_of(delivery(quote("Q1", price)))), bench.app)
        made = [f"{call.method} {call.path.partition('(')[0].partition('/')[0]}" for call in calls]
        in_background = ("POST Tables", "lastseen", "drift")
        assert sorted(each for each in made if not each.endswith(in_background)) == sorted(
            [
                "GET deliveries",  # was it erased?
                "PUT archive",
                f"{method} duplicates",
                "POST printiq-events",
                "PUT timeline",
                f"{method} records",
                *of_new,  # what a new subject is found by
                "POST deliveries",
            ]
        )


async def test_delays_grow_to_an_hour() -> None:
    assert [DEFAULTS.delay_after(attempt) for attempt in (1, 2, 3, 9, 10, 1025)] == [
        10,
        20,
        40,
        2560,
        3600,
        3600,
    ]


async def test_storage_faults_are_tried_again_for_ever_with_growing_delays(
    bench: Bench, calls: list[Call]
) -> None:
    app = bench.start(without(bench.storage, "Blob"))
    attempts = (1, 3, 400)
    sent = [delivery(quote(f"Q{attempt}")) for attempt in attempts]
    works = [work_of(each, attempt=attempt) for each, attempt in zip(sent, attempts, strict=True)]
    await asyncio.gather(*(process(message(work), app) for work in works))
    for each, attempt in zip(sent, attempts, strict=True):
        row = await bench.row(each.id)
        assert (row["status"], row["attempts"]) == ("failing", attempt)
        assert "could not write archive/CreateQuote" in row["error"]
        assert not await bench.is_open(each.id)
    requeued = [call for call in calls if call.path == f"{INBOX_QUEUE}/messages"]
    assert {call.query["visibilitytimeout"][0] for call in requeued} == {"10", "40", "3600"}
    assert await bench.depth(INBOX_QUEUE) == 3


async def test_what_was_failing_is_sent_once_storage_answers(bench: Bench) -> None:
    sent = delivery(quote("Q1"))
    await process(message(work_of(sent)), bench.start(without(bench.storage, "Blob")))
    await process(message(work_of(sent, attempt=2)), bench.app)
    row = await bench.row(sent.id)
    assert (row["status"], row["attempts"], row["error"]) == ("sent", 2, "")


async def test_a_fault_of_the_tables_themselves_is_tried_again_too(bench: Bench) -> None:
    sent = delivery(quote("Q1"))
    await process(message(work_of(sent)), bench.start(without(bench.storage, "Table")))
    assert await bench.depth(INBOX_QUEUE) == 1
    assert await bench.sent() == [], "the verdict has to be stored before the first send"


async def test_where_nothing_can_be_requeued_the_platform_has_to_try_again(bench: Bench) -> None:
    app = bench.start(without(bench.storage, "Queue"), timings=Timings(requeue=0))
    with pytest.raises(Exception, match="could not send to queue printiq-inbox"):
        await process(message(work_of(delivery(quote("Q1")))), app)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a bug in the app."""

    async def parse_delivery(*_: object) -> None:
        raise KeyError("a bug")

    for module in (processing, retry):
        monkeypatch.setattr(module, "parse_delivery", parse_delivery)


@pytest.mark.usefixtures("broken")
async def test_another_error_is_failing_four_times_and_failed_the_fifth_with_its_bytes(bench: Bench) -> None:
    sent = delivery(quote("Q1"))
    for attempt in range(1, 5):
        await process(message(work_of(sent, attempt=attempt, errors=attempt - 1)), bench.app)
        row = await bench.row(sent.id)
        assert (row["status"], row["attempts"], row["error"]) == ("failing", attempt, "KeyError: 'a bug'")
    assert not await bench.is_open(sent.id)
    await process(message(work_of(sent, attempt=5, errors=4)), bench.app)
    row = await bench.row(sent.id)
    assert (row["status"], row["attempts"], row["error"]) == ("failed", 5, "KeyError: 'a bug'")
    assert await bench.is_open(sent.id)
    assert await bench.blob(row["raw"]) == sent.body
    assert await bench.depth(INBOX_QUEUE) == 4, "one for each failed try, and none for the last"


async def test_what_failed_is_found_by_what_it_is_about(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(results, "send", send)
    sent = delivery(quote("Q1"))
    await process(message(work_of(sent, attempt=5, errors=4)), bench.app)
    for selected in (Filter(subject="Q1"), Filter(subject="Q1", open=True), Filter(kind=Kind.QUOTE)):
        (row,) = (await page(bench.app.stores.tables, selected, size=10)).rows
        assert (row.id, row.status) == (sent.id, "failed")
    assert await bench.rows("records") == [], "nobody was told"


async def test_of_what_is_too_large_nothing_is_read(bench: Bench, calls: list[Call]) -> None:
    app = bench.start(MAX_BODY_BYTES="10")
    refused = delivery(quote("Q1"))
    with contextlib.suppress(BodyTooLarge):
        await receive(refused, app)
    await bench.work_off(app)
    raw = str((await bench.row(refused.id))["raw"])
    with pytest.raises(NotReplayable, match=r"at most 10 are read .* Raise that setting first"):
        await replay(refused.id, app)
    calls.clear()
    # as `verify --repair` puts it into the inbox where its row is missing
    await reconcile.adopt(bench.app, BlobRef.read(raw))
    await bench.work_off(app)
    assert not [call for call in calls if call.method == "GET" and call.path == raw]
    row = await bench.row(refused.id)
    assert (row["status"], row["raw"]) == ("quarantined", raw)
    assert "at most 10 are read" in row["error"]


@pytest.mark.usefixtures("broken")
async def test_faults_of_storage_do_not_count_towards_giving_up(bench: Bench) -> None:
    sent = delivery(quote("Q1"))
    await process(message(work_of(sent, attempt=300)), bench.app)
    assert (await bench.row(sent.id))["status"] == "failing"


@pytest.mark.usefixtures("broken")
async def test_a_large_delivery_that_failed_keeps_its_bytes_too(bench: Bench) -> None:
    sent = delivery(quote("Q1", Noise=os.urandom(60_000).hex()))
    await receive(sent, bench.app)
    (waiting,) = await bench.waiting()
    work = Work.read(waiting).model_copy(update={"attempt": 5, "errors": 4})
    assert work.blob is not None
    await process(message(work), bench.app)
    row = await bench.row(sent.id)
    assert row["status"] == "failed"
    assert await bench.blob(row["raw"]) == sent.body


async def test_a_delivery_whose_blob_is_gone_is_failed_in_the_end_and_says_so(bench: Bench) -> None:
    sent = delivery(b"")
    gone = BlobRef(ContainerName.ARCHIVE, raw_path("CreateQuote", sent.id, "json"))
    work = Work.of(sent, blob=gone).model_copy(update={"attempt": 5, "errors": 4})
    await process(message(work), bench.app)
    row = await bench.row(sent.id)
    assert row["status"] == "failed"
    assert f"{sent.id}.json: it is not there" in row["error"]


async def test_what_ended_its_process_is_requeued_before_it_is_parsed_again(
    bench: Bench, calls: list[Call]
) -> None:
    sent = [delivery(quote(f"Q{number}")) for number in range(20)]
    for each in sent:
        await process(message(work_of(each), dequeue_count=2), bench.app)
    assert {row["status"] for row in await bench.rows("deliveries")} == {"failing"}
    row = await bench.row(sent[0].id)
    assert row["error"] == "CrashedError: The process ended while working on this."
    assert await bench.sent() == []
    requeued = [int(call.query["visibilitytimeout"][0]) for call in calls if call.path.endswith("/messages")]
    assert len(requeued) >= 20
    assert min(requeued) >= 10
    assert len(set(requeued)) > 1, "what did not end the process comes back apart from what did"


async def test_what_ended_its_process_five_times_is_failed_unparsed_with_its_bytes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def parse_delivery(*_: object) -> None:
        pytest.fail("it would end this process too")

    monkeypatch.setattr(processing, "parse_delivery", parse_delivery)
    monkeypatch.setattr(retry, "parse_delivery", parse_delivery)
    sent = delivery(quote("Q1"))
    for attempt in range(1, 6):
        work = work_of(sent, attempt=attempt, errors=attempt - 1)
        await process(message(work, dequeue_count=2), bench.app)
    row = await bench.row(sent.id)
    assert (row["status"], row["attempts"]) == ("failed", 5)
    assert await bench.is_open(sent.id)
    assert await bench.blob(row["raw"]) == sent.body
    assert await bench.depth(INBOX_QUEUE) == 4


async def test_what_was_delivered_again_for_another_reason_is_sent_after_all(bench: Bench) -> None:
    app = bench.start(timings=Timings(first_delay=0))
    sent = delivery(quote("Q1"))
    await process(message(work_of(sent), dequeue_count=2), app)
    assert await bench.work_off() == 1
    assert (await bench.row(sent.id))["status"] == "sent"


def test_the_host_never_moves_a_message_to_the_poison_queue() -> None:
    """What lies there expires after seven days, as the host sets no time-to-live."""
    host = json.loads((ROOT / "host.json").read_text())
    assert host["extensions"]["queues"]["maxDequeueCount"] == 2**31 - 1


async def test_a_message_that_was_moved_to_the_poison_queue_returns_as_it_was(bench: Bench) -> None:
    for number in range(40):
        text = work_of(delivery(quote(f"Q{number}"))).encode() if number % 2 else b"hello"
        await bench.app.stores.queues.send(INBOX_POISON_QUEUE, text)
    await retry.recover_poison(bench.app)
    assert await bench.depth(INBOX_POISON_QUEUE) == 0
    assert await bench.depth(INBOX_QUEUE) == 40


async def test_a_fault_of_the_queue_is_waited_out_before_the_platform_has_to_try_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = iter([StorageFault("not now"), StorageFault("not now")])
    genuine = inbox.requeue

    async def requeue(stores: Stores, work: Work, *, delay: int) -> None:
        for fault in faults:
            raise fault
        await genuine(stores, work, delay=delay)

    monkeypatch.setattr(inbox, "requeue", requeue)
    await process(message(work_of(delivery(quote("Q1"))), dequeue_count=2), bench.app)
    assert await bench.depth(INBOX_QUEUE) == 1


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("errors", [0, 4], ids=["failing", "given up"])
async def test_an_error_of_recording_itself_loses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, errors: int
) -> None:
    async def record(*_: object) -> None:
        raise OverflowError("too large for a column")

    monkeypatch.setattr(write, "record", record)
    await process(message(work_of(delivery(quote("Q1")), errors=errors)), bench.app)
    assert await bench.depth(INBOX_QUEUE) == 1


async def test_wrong_subscriptions_keep_nothing_from_being_received_and_all_from_being_lost(
    bench: Bench,
) -> None:
    wrong = bench.start(SUBSCRIPTIONS="no TOML at all")
    sent = delivery(quote("Q1"))
    await receive(sent, wrong)
    assert await bench.work_off(wrong) == 1
    await process(message(work_of(sent, attempt=50)), wrong)
    row = await bench.row(sent.id)
    assert row["status"] == "failing"
    assert row["error"].startswith("The subscriptions are not valid TOML")
    await process(message(work_of(sent, attempt=51)), bench.app)
    assert (await bench.row(sent.id))["status"] == "sent"


async def test_records_never_go_back_in_time(bench: Bench) -> None:
    older, newer = delivery(quote("Q1", price=1)), delivery(quote("Q1", price=2))
    for each in (newer, older):
        await process(message(work_of(each)), bench.app)
    (record,) = await bench.rows("records")
    assert (record["delivery"], record["order"]) == (newer.id, newer.id)
    assert '"Price":"2"' in record["data"]
    assert len(await bench.rows("timeline")) == 2


async def test_an_unreadable_delivery_is_quarantined_and_never_tried_again(bench: Bench) -> None:
    sent = delivery(b"<html></html>")
    await process(message(work_of(sent)), bench.app)
    assert (await bench.row(sent.id))["status"] == "quarantined"
    assert await bench.depth(INBOX_QUEUE) == 0
    assert len([name for name in await bench.blobs() if name.endswith(".problem.json")]) == 1


async def test_queues_that_drop_duplicates_get_the_first_only(bench: Bench) -> None:
    app = bench.start(SUBSCRIPTIONS=f'[queues.{RESULTS}]\nevents = ["*"]\nduplicates = "drop"')
    first, second = delivery(quote("Q1")), delivery(quote("Q1"))
    for each in (first, second):
        await process(message(work_of(each, settled=True)), app)
    assert [event["id"] for event in await bench.sent()] == [first.id]
    row = await bench.row(second.id)
    assert (row["status"], row["duplicateOf"]) == ("duplicate", first.id)


async def test_a_fault_that_heals_by_itself_is_no_error_in_the_log(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    app = bench.start(without(bench.storage, "Blob"))
    for attempt, level in ((1, "WARNING"), (5, "ERROR")):
        caplog.clear()
        await process(message(work_of(delivery(quote("Q1")), attempt=attempt)), app)
        assert {record.levelname for record in caplog.records if record.name == "printiq.retry"} == {level}
