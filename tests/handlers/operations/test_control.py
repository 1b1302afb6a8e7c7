"""Subscriptions under an operator's control: paused, resumed, tested, and given what they missed."""

import asyncio
import json
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import pytest
from bench import ENTITY, RESULTS, THREE_KINDS, Bench, Call, delivery, quote
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from events import Delivery
from handlers.app import App
from handlers.errors import DestinationFault, DestinationRefusal, Missing, NotPossible
from handlers.ids import newest_first
from handlers.ledger.rows import day
from handlers.operations import control, replay
from handlers.operations.maintenance import maintain
from handlers.pipeline.receive import receive
from handlers.pushes import Push
from handlers.stores import (
    DROPS_POISON_QUEUE,
    INBOX_POISON_QUEUE,
    INBOX_QUEUE,
    PUSH_POISON_QUEUE,
    PUSH_QUEUE,
    TableName,
)
from handlers.timings import Timings
from tools.host.service_bus import ServiceBus

pytestmark = pytest.mark.anyio


@pytest.fixture
async def three(bench: Bench, service_bus: ServiceBus) -> tuple[App, ServiceBus]:
    """Return an app with a subscription of each kind, which retries at once and whose clock stands still."""
    now = datetime.now(UTC)
    app = bench.start(
        timings=Timings(now=lambda: now, first_delay=0),
        SUBSCRIPTIONS=THREE_KINDS,
        SERVICE_BUS__fullyQualifiedNamespace=service_bus.namespace,
    )
    return app, service_bus


async def arrive(bench: Bench, app: App, *arriving: Delivery) -> None:
    for each in arriving:
        await receive(each, app)
        await bench.work_off(app)


async def pushed(bench: Bench) -> list[str]:
    """Take what waits to be pushed, and return the deliveries."""
    return [Push.read(each.text)[1].attributes.delivery for each in await bench.waiting(PUSH_QUEUE)]


@pytest.mark.parametrize("name", [RESULTS, ENTITY, "crm"])
async def test_a_paused_subscription_gets_nothing_and_later_all_that_it_missed(
    bench: Bench, three: tuple[App, ServiceBus], name: str
) -> None:
    app, service_bus = three
    await control.pause(name, "the board moves to another system", app, by="anna")
    first, second = delivery(quote("Q1")), delivery(quote("Q2"))
    await arrive(bench, app, first, second)
    others = [each for each in (RESULTS, ENTITY, "crm") if each != name]
    row = await bench.row(first.id)
    assert row["status"] == "sent"
    assert (json.loads(row["queues"]), json.loads(row["withheld"])) == (others, [name])
    state = await control.state(name, app)
    assert (state.missed, state.pause and state.pause.by) == (2, "anna")
    with pytest.raises(NotPossible, match="Resume it first"):
        await control.replay_missed(name, app)

    before: dict[str, list[Any]] = {
        RESULTS: await bench.sent(),
        ENTITY: list(service_bus.held),
        "crm": await pushed(bench),
    }
    assert [len(each) for each in before.values()] == [0 if each == name else 2 for each in before]
    await control.resume(name, app)
    assert await control.replay_missed(name, app, dry_run=True) == control.Missed(2, 0, more=False)
    assert await control.replay_missed(name, app, by="anna") == control.Missed(2, 0, more=False)
    await bench.work_off(app)
    got = {
        RESULTS: [each["replayof"] for each in await bench.sent()],
        ENTITY: [json.loads(each.body)["replayof"] for each in service_bus.held[len(before[ENTITY]) :]],
        "crm": [Push.read(each.text)[1].members["replayof"] for each in await bench.waiting(PUSH_QUEUE)],
    }
    assert {each: sorted(got[each]) for each in got} == {
        each: [first.id, second.id] if each == name else [] for each in got
    }
    assert await control.replay_missed(name, app) == control.Missed(0, 0, more=False)
    assert (await control.state(name, app)).missed == 0


async def test_a_pause_costs_an_event_no_storage_call(bench: Bench, calls: list[Call]) -> None:
    await arrive(bench, bench.app, delivery(quote("Q1")))
    assert "subscriptions()" in {call.path for call in calls}
    calls.clear()
    await arrive(bench, bench.app, delivery(quote("Q2")), delivery(quote("Q3")))
    assert not [call for call in calls if call.path.startswith(("subscriptions", "sends", PUSH_QUEUE))]


async def test_a_pause_is_in_force_in_another_process_after_half_a_minute(bench: Bench) -> None:
    other = bench.start()
    assert await other.pauses.of(RESULTS) is None
    await control.pause(RESULTS, "why", bench.app)
    assert await other.pauses.of(RESULTS) is None
    assert 0 < other.pauses._until - monotonic() <= 30
    other.pauses._until = monotonic()
    pause = await other.pauses.of(RESULTS)
    assert pause is not None
    assert pause.reason == "why"


async def test_a_resumption_is_in_force_in_another_process_after_a_second(bench: Bench) -> None:
    other = bench.start()
    await control.pause(RESULTS, "why", bench.app)
    assert await other.pauses.of(RESULTS)
    await control.resume(RESULTS, bench.app)
    await asyncio.sleep(1)
    assert await other.pauses.of(RESULTS) is None


async def test_what_was_withheld_is_not_sent_by_a_retry_after_the_pause(
    bench: Bench, three: tuple[App, ServiceBus]
) -> None:
    app, service_bus = three
    await control.pause(RESULTS, "why", app)
    service_bus.answer = lambda number: 404 if number == 1 else None
    sent = delivery(quote("Q1"))
    await arrive(bench, app, sent)
    failing = await bench.row(sent.id)
    assert (failing["status"], json.loads(failing["withheld"])) == ("failing", [RESULTS])
    await control.resume(RESULTS, app)
    await bench.work_off(app)
    row = await bench.row(sent.id)
    assert (row["status"], json.loads(row["withheld"])) == ("sent", [RESULTS])
    assert await bench.sent() == []
    assert (await control.replay_missed(RESULTS, app)).matched == 1
    await bench.work_off(app)
    assert [each["replayof"] for each in await bench.sent()] == [sent.id]
    assert len(service_bus.held) == 1


async def test_missed_deliveries_come_a_call_at_a_time_and_oldest_first(bench: Bench) -> None:
    await control.pause(RESULTS, "why", bench.app)
    arriving = [delivery(quote(f"Q{number}")) for number in range(3)]
    await arrive(bench, bench.app, *arriving)
    await control.resume(RESULTS, bench.app)
    assert await control.replay_missed(RESULTS, bench.app, limit=2) == control.Missed(2, 0, more=True)
    await bench.work_off()
    assert [each["replayof"] for each in await bench.sent()] == [each.id for each in arriving[:2]]
    assert await control.replay_missed(RESULTS, bench.app, limit=2) == control.Missed(1, 0, more=False)


async def test_a_call_that_takes_long_stops_before_the_platform_ends_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await control.pause(RESULTS, "why", bench.app)
    await arrive(bench, bench.app, delivery(quote("Q1")))
    await control.resume(RESULTS, bench.app)
    with monkeypatch.context() as hurried:
        hurried.setattr(replay, "SECONDS", -1)
        assert await control.replay_missed(RESULTS, bench.app) == control.Missed(0, 0, more=True)
    assert await control.replay_missed(RESULTS, bench.app) == control.Missed(1, 0, more=False)


async def test_what_is_no_longer_kept_is_passed_over(bench: Bench) -> None:
    await control.pause(RESULTS, "why", bench.app)
    sent = delivery(quote("Q1"))
    await arrive(bench, bench.app, sent)
    await control.resume(RESULTS, bench.app)
    await bench.app.stores.tables.delete(TableName.DELIVERIES, day(sent.id), newest_first(sent.id))
    assert await control.replay_missed(RESULTS, bench.app) == control.Missed(0, 1, more=False)


async def test_a_test_event_goes_to_its_subscription_alone_though_it_is_paused(
    bench: Bench, three: tuple[App, ServiceBus]
) -> None:
    app, service_bus = three
    for name in (RESULTS, ENTITY, "crm"):
        await control.pause(name, "why", app)
    ids = {name: await control.test(name, app) for name in (RESULTS, ENTITY, "crm")}
    (message,) = await bench.sent()
    assert (message["id"], message["type"]) == (ids[RESULTS], "com.printiq.test")
    assert list(service_bus.sessions(ENTITY)) == [f"test|{ids[ENTITY]}"]
    assert await pushed(bench) == [ids["crm"]]
    read = JSONFormat().read(CloudEvent, json.dumps(message))
    assert read.get_extension("sequence") == message["id"]


async def test_a_test_of_a_destination_that_refuses_says_so(
    bench: Bench, three: tuple[App, ServiceBus]
) -> None:
    app, service_bus = three
    service_bus.answer = lambda _: 400
    with pytest.raises(DestinationRefusal, match="it answered 400"):
        await control.test(ENTITY, app)
    service_bus.answer = lambda _: 403
    with pytest.raises(DestinationFault, match="Azure Service Bus Data Sender"):
        await control.test(ENTITY, app)


async def test_the_state_of_a_subscription_shows_its_load(
    bench: Bench, three: tuple[App, ServiceBus]
) -> None:
    app, _ = three
    await arrive(bench, app, delivery(quote("Q1"), at=app.timings.now()))
    by_name = {each.subscription.name: each for each in await control.states(app)}
    assert [(each.this_hour, each.last_day) for each in by_name.values()] == [(1, 1)] * 3
    queue, topic, crm = by_name.values()
    assert (queue.waiting, topic.waiting, crm.waiting) == (1, None, 0)
    assert queue.oldest_seconds is not None
    with pytest.raises(Missing, match="The subscriptions are printiq-events, job-status, crm"):
        await control.state("nonsense", app)


async def test_what_waits_to_be_pushed_is_logged_for_the_alerts(
    three: tuple[App, ServiceBus], caplog: pytest.LogCaptureFixture
) -> None:
    app, _ = three
    caplog.set_level("INFO", logger="printiq.telemetry")
    await maintain(app)
    lines = [
        json.loads(text.partition(" ")[2]) for text in caplog.messages if text.startswith("printiq.queue")
    ]
    assert {line["queue"]: line["role"] for line in lines} == {
        INBOX_QUEUE: "inbox",
        INBOX_POISON_QUEUE: "poison",
        PUSH_QUEUE: "push",
        PUSH_POISON_QUEUE: "poison",
        DROPS_POISON_QUEUE: "poison",
        RESULTS: "result",
        "crm": "result",
    }
