"""A message of the push queue reaches its endpoint, or comes back; what became of it stands in its row."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme
from bench import Bench, Call, Json, delivery, quote, without
from endpoints import Endpoint, https

from events import Delivery, Kind, Subject
from handlers.app import App
from handlers.errors import StorageFault
from handlers.http import endpoints
from handlers.ledger import sends, write
from handlers.ledger.query import find
from handlers.operations import control, erasure, reconcile, retention
from handlers.operations.maintenance import maintain
from handlers.paths import data_path
from handlers.pipeline import inbox
from handlers.pipeline.process import process
from handlers.pipeline.push import MAX_INLINE, push
from handlers.push import lanes
from handlers.pushes import Push
from handlers.stores import PUSH_POISON_QUEUE, PUSH_QUEUE, ContainerName, TableName
from handlers.timings import DEFAULTS, Timings
from handlers.work import Message, Work

pytestmark = pytest.mark.usefixtures("trusting")

AT_ONCE = replace(DEFAULTS, first_delay=0, longest_delay=0, push=5)
LATE = timedelta(days=3)


class Shop:
    """An app that pushes to one endpoint, and what it pushes."""

    def __init__(self, bench: Bench, serving: Endpoint) -> None:
        self.bench = bench
        self.serving = serving
        self.app = bench.app

    def pushing_to(self, path: str, *, timings: Timings = AT_ONCE, **more: Any) -> App:
        self.path = path
        subscriptions = https("crm", self.serving.url(path), **more)
        self.app = self.bench.start(SUBSCRIPTIONS=subscriptions, timings=timings)
        return self.app

    async def event(self, number: str = "Q1", **more: Any) -> Delivery:
        """Let an event come in, as far as the push queue."""
        sent = delivery(quote(number, **more))
        await inbox.put(self.app.stores, sent)
        await self.bench.work_off(self.app)
        return sent

    async def push(self) -> list[Message]:
        """Push what waits now, and return what it was."""
        messages = await self.bench.waiting(PUSH_QUEUE)
        for message in messages:
            await push(message, self.app)
        return messages

    async def row(self, sent: Delivery, subscription: str = "crm") -> Json:
        (row,) = await self.bench.rows("sends", PartitionKey=subscription, delivery=sent.id)
        return row

    async def undelivered(self) -> list[str]:
        return [row["delivery"] for row in await self.bench.rows("sends", PartitionKey="crm|open")]

    @property
    def requests(self) -> int:
        return len([each for each in self.serving.received if each.path == self.path])


@pytest.fixture
async def shop(bench: Bench, serving: Endpoint) -> Shop:
    serving.received.clear()
    serving.statuses.clear()
    return Shop(bench, serving)


async def test_an_event_reaches_its_endpoint_and_its_row_says_so(shop: Shop) -> None:
    shop.pushing_to("/ok")
    sent = await shop.event()
    await shop.push()
    (received,) = shop.serving.received
    event = json.loads(received.body)
    assert (event["delivery"], event["data"]["QuoteNo"]) == (sent.id, "Q1")
    row = await shop.row(sent)
    assert (row["state"], row["status"], row["attempts"]) == ("delivered", 202, 1)
    assert (row["event"], row["kind"], row["subject"]) == ("CreateQuote", "quote", "Q1")
    assert row["latencyMs"] >= 0
    assert not await shop.undelivered()
    assert await shop.bench.depth(PUSH_QUEUE) == 0


async def test_what_fails_comes_back_until_it_is_delivered(shop: Shop) -> None:
    shop.pushing_to("/ok")
    shop.serving.statuses += [500, 404]
    sent = await shop.event()
    for status, attempts in (500, 1), (404, 2):
        await shop.push()
        row = await shop.row(sent)
        assert (row["state"], row["status"], row["attempts"]) == ("waiting", status, attempts)
        assert row["error"] == f"It responded with {status}."
        assert "nextAt" in row
        assert await shop.undelivered() == [sent.id]
    await shop.push()
    row = await shop.row(sent)
    assert (row["state"], row["status"], row["attempts"]) == ("delivered", 202, 3)
    assert "error" not in row
    assert "nextAt" not in row
    assert not await shop.undelivered()


@pytest.mark.parametrize(
    ("attempt", "least", "most"),
    [(1, 8, 12), (2, 16, 24), (9, 2048, 3072), (10, 2880, 3600), (9999, 2880, 3600)],
)
async def test_delays_grow_from_ten_seconds_to_an_hour(
    shop: Shop, calls: list[Call], attempt: int, least: int, most: int
) -> None:
    shop.pushing_to("/status/500", timings=DEFAULTS)
    sent = await shop.event()
    (message,) = await shop.bench.waiting(PUSH_QUEUE)
    item, _ = Push.read(message.text)
    await push(
        message._replace(text=item.model_copy(update={"attempt": attempt}).encode().decode()), shop.app
    )
    assert least <= delay_of(calls) <= most
    row = await shop.row(sent)
    pause = datetime.fromisoformat(row["nextAt"]) - datetime.fromisoformat(row["lastAt"])
    assert least - 2 <= pause.total_seconds() <= most + 2


@pytest.mark.parametrize(
    ("path", "least", "most"),
    [
        ("/retry/429/7", 7, 9),
        ("/retry/503/100", 100, 120),
        ("/retry/429/0", 1, 1),
        ("/retry/503/999999", 3600, 3600),
        ("/retry/500/100", 8, 12),
    ],
)
async def test_retry_after_is_honoured_within_bounds(
    shop: Shop, calls: list[Call], path: str, least: int, most: int
) -> None:
    shop.pushing_to(path, timings=DEFAULTS)
    await shop.event()
    await shop.push()
    assert least <= delay_of(calls) <= most


def delay_of(calls: list[Call]) -> int:
    """Return the delay of the message that was queued last."""
    sent = [call for call in calls if call.path == f"{PUSH_QUEUE}/messages"]
    return int(sent[-1].query["visibilitytimeout"][0])


async def test_after_three_days_a_push_is_given_up_and_can_be_replayed(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    now = datetime.now(UTC)
    shop.pushing_to("/status/500", timings=replace(AT_ONCE, now=lambda: now))
    sent = await shop.event()
    await shop.push()
    now += LATE - timedelta(seconds=1)
    await shop.push()
    assert (await shop.row(sent))["state"] == "waiting"
    now += timedelta(seconds=1)
    with caplog.at_level("INFO"):
        await shop.push()
    row = await shop.row(sent)
    assert (row["state"], row["status"], row["attempts"]) == ("failed", 500, 3)
    assert await shop.bench.depth(PUSH_QUEUE) == 0
    assert [each.delivery async for each in sends.missed(shop.app.stores.tables, "crm")] == [sent.id]
    assert 'printiq.send {"subscription": "crm", "state": "failed"}' in caplog.text


async def test_an_endpoint_that_is_gone_pauses_its_subscription(shop: Shop) -> None:
    app = shop.pushing_to("/status/410")
    first = await shop.event("Q1")
    second = await shop.event("Q2")
    await shop.push()
    pause = await app.pauses.of("crm")
    assert pause is not None
    assert "410 Gone" in pause.reason
    assert shop.requests == 1
    for sent in (first, second):
        row = await shop.row(sent)
        assert row["state"] == "paused"
        assert "410 Gone" in row["error"]
    assert await shop.undelivered() == [first.id, second.id]
    assert await shop.bench.depth(PUSH_QUEUE) == 0


async def test_a_test_event_goes_out_although_its_subscription_is_paused(shop: Shop) -> None:
    app = shop.pushing_to("/ok")
    await shop.event()
    (message,) = await shop.bench.waiting(PUSH_QUEUE)
    await app.pauses.pause("crm", "a move")
    text = message.text.replace("com.printiq.CreateQuote", "com.printiq.test")
    await push(message._replace(text=text), app)
    assert shop.requests == 1


async def test_a_message_that_comes_again_after_its_success_is_not_sent_again(shop: Shop) -> None:
    shop.pushing_to("/ok")
    sent = await shop.event()
    (message,) = await shop.push()
    row = await shop.row(sent)
    copy = {**row, "PartitionKey": "crm|open", "RowKey": sent.id.replace("-", "")}
    await shop.app.stores.tables.put(TableName.SENDS, copy)  # as a crash may leave it
    await push(message._replace(dequeue_count=2), shop.app)
    assert shop.requests == 1
    assert not await shop.undelivered()


async def test_what_lost_its_duplicate_mark_is_another_push(shop: Shop) -> None:
    shop.pushing_to("/ok")
    sent = await shop.event()
    (message,) = await shop.bench.waiting(PUSH_QUEUE)
    marked = message.text.replace('"channel"', f'"duplicateof":"{sent.id}","channel"')
    for text in (marked, message.text):
        await push(message._replace(text=text), shop.app)
    assert ["duplicateof" in json.loads(each.body) for each in shop.serving.received] == [True, False]


async def test_a_push_of_an_erased_delivery_is_dropped(shop: Shop) -> None:
    shop.pushing_to("/status/500")
    sent = await shop.event()
    await shop.push()
    assert await shop.bench.rows("sends")
    tables = shop.app.stores.tables
    assert await write.erase(tables, await find(tables, sent.id), "asked for")
    await shop.push()
    assert shop.requests == 1
    assert not await shop.bench.rows("sends")
    assert await shop.bench.depth(PUSH_QUEUE) == 0


async def test_an_erasure_removes_what_became_of_the_delivery(shop: Shop) -> None:
    shop.pushing_to("/status/500")
    sent = await shop.event("Q1")
    other = await shop.event("Q2")
    await shop.push()
    person = erasure.Person(subject=Subject(Kind.QUOTE, "Q1"))
    async for row in erasure.deliveries_of(person, shop.app):
        await erasure.erase(row, "asked for", person, shop.app)
    assert {row["delivery"] for row in await shop.bench.rows("sends")} == {other.id}
    await shop.push()
    assert {row["delivery"] for row in await shop.bench.rows("sends")} == {other.id}
    assert sent.id not in "".join(map(str, await shop.bench.rows("sends")))


@pytest.mark.parametrize("paused", [False, True])
async def test_rows_go_after_their_retention(shop: Shop, *, paused: bool) -> None:
    """What was withheld goes with its delivery: nothing of it could be replayed."""
    app = shop.pushing_to("/ok")
    if paused:
        await app.pauses.pause("crm", "closed")
    long_ago = datetime.now(UTC) - timedelta(days=3)
    sent = delivery(quote("Q1"), at=long_ago)
    for each in (sent, delivery(quote("Q2"))):
        await inbox.put(shop.app.stores, each)
    await shop.bench.work_off(shop.app)
    await shop.push()
    await retention.retain(shop.bench.start(RETENTION_DAYS="2"))
    assert {row["subject"] for row in await shop.bench.rows("sends")} == {"Q2"}


async def test_what_another_program_wrote_is_set_aside_and_goes_nowhere(shop: Shop) -> None:
    app = shop.pushing_to("/ok")
    await app.stores.queues.send(PUSH_QUEUE, b'printiq-push/1\n{"subscription":"crm"}\n{"evil":true}')
    await shop.push()
    await shop.bench.work_off(app)
    assert not shop.serving.received
    (row,) = await shop.bench.rows("deliveries", PartitionKey="open")
    assert row["status"] == "quarantined"
    assert "printiq-push is not from this app" in row["error"]
    assert b'{"evil":true}' in await shop.bench.blob(row["raw"])


@pytest.mark.parametrize(
    ("subscriptions", "why"),
    [
        ('[queues.crm]\nevents = ["*"]', "crm is not pushed to any more: it is a queue."),
        ('[queues.others]\nevents = ["*"]', "Unknown subscription 'crm'"),
    ],
)
async def test_what_has_no_endpoint_any_more_is_open_for_a_replay(
    shop: Shop, subscriptions: str, why: str
) -> None:
    shop.pushing_to("/ok")
    sent = await shop.event()
    shop.app = shop.bench.start(SUBSCRIPTIONS=subscriptions)
    await shop.push()
    row = await shop.row(sent)
    assert row["state"] == "failed"
    assert why in row["error"]


async def test_a_push_waits_while_the_subscriptions_are_wrong(shop: Shop) -> None:
    shop.pushing_to("/ok")
    await shop.event()
    shop.app = shop.bench.start(SUBSCRIPTIONS="[https.crm]")
    await shop.push()
    assert not await shop.bench.rows("sends")
    assert await shop.bench.depth(PUSH_QUEUE) == 1


@pytest.mark.parametrize("mode", ["structured", "binary"])
async def test_data_too_large_for_the_queue_is_pushed_all_the_same(shop: Shop, mode: str) -> None:
    shop.pushing_to("/ok", mode=f'"{mode}"')
    await shop.event(Noise="x" * 100_000)
    await shop.push()
    (received,) = shop.serving.received
    body = json.loads(received.body)
    data = body if mode == "binary" else body["data"]
    assert data["Noise"] == "x" * 100_000
    assert "dataref" not in body
    assert "ce-dataref" not in {name.lower() for name in received.headers}


async def test_data_beyond_the_bound_or_gone_is_referred_to(shop: Shop) -> None:
    app = shop.pushing_to("/ok")
    await shop.event("Q1", Noise="x" * MAX_INLINE)
    gone = await shop.event("Q2", Noise="x" * 100_000)
    await app.stores.blobs.delete(ContainerName.ARCHIVE, data_path("CreateQuote", gone.id))
    await shop.push()
    for received in shop.serving.received:
        event = json.loads(received.body)
        assert "data" not in event
        assert event["dataref"].endswith(".data.json")


async def test_binary_mode_sends_the_data_with_the_attributes_in_headers(shop: Shop) -> None:
    shop.pushing_to("/ok", mode='"binary"')
    sent = await shop.event("Q 1")
    await shop.push()
    (received,) = shop.serving.received
    headers = {name.lower(): value for name, value in received.headers.items()}
    assert json.loads(received.body)["QuoteNo"] == "Q 1"
    assert (headers["ce-id"], headers["ce-subject"]) == (sent.id, "Q%201")
    assert headers["content-type"] == "application/json"


async def test_a_push_that_takes_long_leaves_its_place_and_is_recorded_when_it_ends(shop: Shop) -> None:
    shop.pushing_to("/held", timings=replace(DEFAULTS, push=600, push_place=0.1))
    sent = await shop.event()
    async with asyncio.timeout(60):
        await shop.push()  # ends before there is a response
    assert not await shop.bench.rows("sends")
    assert await shop.bench.depth(PUSH_QUEUE) == 1  # the hidden copy
    async with asyncio.timeout(60):
        while not shop.requests:
            await asyncio.sleep(0.1)
        shop.serving.release()
        while await shop.bench.depth(PUSH_QUEUE):
            await asyncio.sleep(0.1)
    row = await shop.row(sent)
    assert (row["state"], row["status"], row["attempts"]) == ("delivered", 202, 1)


async def test_a_push_without_a_response_outside_of_its_place_is_recorded_and_tried_again(shop: Shop) -> None:
    shop.pushing_to("/hang", timings=replace(DEFAULTS, push=3, push_place=0.1))
    sent = await shop.event()
    await shop.push()
    async with asyncio.timeout(60):
        while not await shop.bench.rows("sends"):
            await asyncio.sleep(0.1)
    row = await shop.row(sent)
    assert (row["state"], row["attempts"]) == ("waiting", 1)
    assert row["error"] == "No response came within 3 seconds."
    async with asyncio.timeout(60):
        while await shop.bench.depth(PUSH_QUEUE) != 1:  # the next attempt, and no copy beside it
            await asyncio.sleep(0.1)


async def test_a_process_that_ends_while_an_endpoint_hangs_leaves_the_next_attempt(shop: Shop) -> None:
    app = shop.pushing_to("/hang", timings=replace(DEFAULTS, push=600, push_place=0.1))
    await shop.event()
    await shop.push()
    await app.pushes.close()
    assert not await shop.bench.rows("sends")
    assert await shop.bench.depth(PUSH_QUEUE) == 1


async def test_a_hanging_endpoint_takes_no_place_from_another_subscription(
    shop: Shop, authority: trustme.CA
) -> None:
    dead = https("dead", shop.serving.url("/hang"))
    alive = https("alive", shop.serving.url("/alive"))
    timings = replace(DEFAULTS, push=600, push_place=0.1)
    shop.app = shop.bench.start(SUBSCRIPTIONS=f"{dead}\n{alive}", timings=timings)
    for number in range(12):
        await shop.event(f"Q{number}")
    places = asyncio.Semaphore(16)  # as many as the platform has

    async def placed(message: Message) -> None:
        async with places:
            await push(message, shop.app)

    messages = await shop.bench.waiting(PUSH_QUEUE)
    messages.sort(key=lambda message: '"dead"' not in message.text)
    await asyncio.gather(*map(placed, messages))
    async with asyncio.timeout(120):
        while len(shop.serving.bodies("/alive")) < 12:  # a live one that found no turn comes back
            await asyncio.gather(*map(placed, await shop.bench.waiting(PUSH_QUEUE)))
            await asyncio.sleep(0.1)
    # every place is free again, and each live one has its event, while the dead endpoint still hangs
    assert len(shop.serving.bodies("/alive")) == 12
    assert 1 <= len(shop.serving.bodies("/hang")) <= 4
    await shop.app.pushes.close()


async def test_nothing_is_sent_while_it_cannot_be_recorded(shop: Shop, storage: str) -> None:
    shop.pushing_to("/ok")
    await shop.event()
    subscriptions = https("crm", shop.serving.url("/ok"))
    shop.app = shop.bench.start(without(storage, "Table"), SUBSCRIPTIONS=subscriptions)
    with pytest.raises(StorageFault):  # the platform delivers the message again
        await shop.push()
    assert not shop.serving.received


async def test_a_failure_whose_next_attempt_cannot_be_queued_is_left_to_the_platform(
    shop: Shop, storage: str
) -> None:
    shop.pushing_to("/status/500")
    sent = await shop.event()
    (message,) = await shop.bench.waiting(PUSH_QUEUE)
    subscriptions = https("crm", shop.serving.url("/status/500"))
    app = shop.bench.start(without(storage, "Queue"), SUBSCRIPTIONS=subscriptions)
    with pytest.raises(StorageFault):
        await push(message, app)
    assert (await shop.row(sent))["state"] == "waiting"


async def test_an_endpoint_that_keeps_failing_rests(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for rest in ("_FIRST_REST", "_LONGEST_REST"):  # not over before the last is pushed
        monkeypatch.setattr(lanes, rest, 600.0)
    shop.pushing_to("/status/500")
    sent = [await shop.event(f"Q{number}") for number in range(6)]
    await shop.push()
    assert shop.requests == 3
    rows = [await shop.row(each) for each in sent]
    assert [row["attempts"] for row in rows] == [1, 1, 1, 0, 0, 0]
    assert {row["state"] for row in rows} == {"waiting"}
    assert "other requests to its endpoint fail" in rows[-1]["error"]
    assert await shop.bench.depth(PUSH_QUEUE) == 6
    again = [Push.read(message.text)[0] for message in await shop.bench.waiting(PUSH_QUEUE)]
    assert sorted(item.attempt for item in again) == [1, 1, 1, 2, 2, 2], "what was put off was not tried"


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(
    ("waited", "least", "most"),
    [(0, 30, 36), (300, 30, 36), (3000, 300, 360), (2 * 24 * 3600, 3600, 3600)],
)
async def test_what_is_put_off_is_tried_soon_after_the_rest_as_long_as_it_is_young(
    shop: Shop, calls: list[Call], waited: int, least: int, most: int
) -> None:
    now = datetime.now(UTC)
    shop.pushing_to("/retry/503/30", timings=replace(DEFAULTS, now=lambda: now))
    await shop.event()
    sent = await shop.event("Q2")
    first, second = await shop.bench.waiting(PUSH_QUEUE)
    await push(first, shop.app)
    item, _ = Push.read(second.text)
    tried = item.model_copy(update={"attempt": 9, "first_at": now - timedelta(seconds=waited)})
    await push(second._replace(text=tried.encode().decode()), shop.app)
    assert shop.requests == 1
    assert least <= delay_of(calls) <= most
    assert (await shop.row(sent))["attempts"] == 0


@pytest.mark.usefixtures("still")
async def test_a_test_event_shows_at_once_whether_a_resting_endpoint_works_again(shop: Shop) -> None:
    app = shop.pushing_to("/ok", timings=DEFAULTS)
    shop.serving.statuses += [503] * 3
    for number in range(4):
        await shop.event(f"Q{number}")
    *some, last = await shop.bench.waiting(PUSH_QUEUE)
    for message in some:
        await push(message, app)
    assert app.pushes.lane("crm").rest
    await push(last._replace(text=last.text.replace("com.printiq.CreateQuote", "com.printiq.test")), app)
    assert shop.requests == 4
    assert not app.pushes.lane("crm").rest, "its success ends the rest"


async def test_an_endpoint_that_refuses_some_events_gets_the_others(shop: Shop) -> None:
    shop.pushing_to("/status/422", timings=DEFAULTS)
    for number in range(6):
        await shop.event(f"Q{number}")
    await shop.push()
    assert shop.requests == 6


async def test_a_poison_message_is_brought_back(shop: Shop) -> None:
    app = shop.pushing_to("/ok")
    await shop.event()
    (message,) = await shop.bench.waiting(PUSH_QUEUE)
    await app.stores.queues.send(PUSH_POISON_QUEUE, message.text.encode())
    await maintain(app)
    await shop.push()
    assert shop.requests == 1
    assert await shop.bench.depth(PUSH_POISON_QUEUE) == 0


async def test_a_second_message_of_the_inbox_pushes_once(shop: Shop) -> None:
    app = shop.pushing_to("/ok")
    sent = delivery(quote("Q1"))
    for _ in range(2):
        await process(Message("1", sent.received_at, Work.of(sent).encode().decode()), app)
        await shop.push()
    assert shop.requests == 1


async def test_the_delivery_shows_what_became_of_it(shop: Shop) -> None:
    app = shop.pushing_to("/status/500")
    sent = await shop.event()
    before = json.loads((await endpoints.delivery(sent.id, {}, app)).body)
    assert (before["queues"], before["sends"]) == (["crm"], [])
    await shop.push()
    (found,) = json.loads((await endpoints.delivery(sent.id, {}, app)).body)["sends"]
    assert (found["subscription"], found["state"], found["attempts"]) == ("crm", "waiting", 1)
    assert (found["status"], found["answer"]) == (500, "The answer is 500.")


async def test_a_test_event_has_a_row_like_any_other(shop: Shop) -> None:
    app = shop.pushing_to("/ok")
    test_id = await control.test("crm", app)
    await shop.push()
    (received,) = shop.serving.received
    assert json.loads(received.body)["type"] == "com.printiq.test"
    (row,) = await shop.bench.rows("sends", PartitionKey="crm")
    assert (row["delivery"], row["event"], row["state"]) == (test_id, "test", "delivered")


async def test_what_was_given_up_reaches_its_endpoint_by_a_replay(shop: Shop) -> None:
    app = shop.pushing_to("/ok", timings=replace(AT_ONCE, push_gives_up=0))
    shop.serving.statuses += [500, 500]
    sent = [await shop.event("Q1"), await shop.event("Q2")]
    await shop.push()
    assert await shop.undelivered() == [each.id for each in sent]
    done = await control.replay_missed("crm", app, by="an operator")
    assert done.matched == 2
    await shop.bench.work_off(app)
    await shop.push()
    assert not await shop.undelivered()
    events = [json.loads(each.body) for each in shop.serving.received[2:]]
    assert [event["id"] for event in events] == [each.id for each in sent]
    for each, received in zip(sent, shop.serving.received[2:], strict=True):
        row = await shop.row(each)
        assert (row["state"], row["replayedBy"]) == ("replayed", json.loads(received.body)["delivery"])


async def test_verify_counts_what_is_not_delivered_and_names_what_lost_its_message(shop: Shop) -> None:
    app = shop.pushing_to("/status/500")
    sent = await shop.event()
    await shop.push()
    found = await reconcile.reconcile(app)
    assert (found.findings, found.pushing, found.undelivered["crm"].waiting) == ([], 1, 1)
    assert await shop.bench.waiting(PUSH_QUEUE)  # taken away, as by a hand
    found = await reconcile.reconcile(app)
    (finding,) = found.findings
    assert finding.id == sent.id
    assert finding.what == "it is to be pushed to crm, but the push queue has no message of it"
