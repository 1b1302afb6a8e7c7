"""Service Bus: a session for each subject, an id that the broker knows duplicates by, and what it refuses."""

import asyncio
import json
import math
import random
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from bench import ENTITY, TWO_KINDS, Bench, Json, delivery, quote

from events import Delivery
from handlers.app import App
from handlers.operations.replay import replay
from handlers.pipeline.process import process
from handlers.pipeline.receive import receive
from handlers.stores import INBOX_QUEUE
from handlers.timings import DEFAULTS
from handlers.work import Message, Work
from tools.host.service_bus import ServiceBus
from tools.host.testing import free_port

pytestmark = pytest.mark.anyio

AT_ONCE = replace(DEFAULTS, settle=0, first_delay=0, longest_delay=0)

type Start = Callable[..., App]


@pytest.fixture
def start(bench: Bench, service_bus: ServiceBus) -> Start:
    """Return a function that starts the app with a Service Bus subscription."""

    def start(subscriptions: str = TWO_KINDS, **more: str) -> App:
        return bench.start(
            timings=AT_ONCE,
            SUBSCRIPTIONS=subscriptions,
            SERVICE_BUS__fullyQualifiedNamespace=service_bus.namespace,
            **more,
        )

    return start


async def arrive(bench: Bench, app: App, *arriving: Delivery) -> None:
    for each in arriving:
        await receive(each, app)
    await work_off(bench, app)


async def work_off(bench: Bench, app: App) -> None:
    while await bench.work_off(app):
        pass


def bodies(service_bus: ServiceBus) -> list[Json]:
    return [json.loads(held.body) for held in service_bus.held]


async def test_a_subjects_events_are_one_session_in_the_documented_form(
    bench: Bench, service_bus: ServiceBus, start: Start
) -> None:
    app = start()
    first, second, other = delivery(quote("Q1")), delivery(quote("Q1", 2)), delivery(quote("Ω/2"))
    await arrive(bench, app, first, second, other)
    assert service_bus.refused == []
    sessions = service_bus.sessions(ENTITY)
    assert {name: [each.message_id for each in held] for name, held in sessions.items()} == {
        "quote|Q1": [first.id, second.id],
        "quote|Ω/2": [other.id],
    }
    assert {each.label for each in service_bus.held} == {"com.printiq.CreateQuote"}
    assert {each.content_type for each in service_bus.held} == {"application/cloudevents+json; charset=utf-8"}
    assert bodies(service_bus) == await bench.sent()


async def test_a_key_that_is_too_long_for_a_session_is_shortened_and_stays_unique(
    bench: Bench, service_bus: ServiceBus, start: Start
) -> None:
    keys = ["🖨" * 100, "🖨" * 101, "Q" * 122, "Q" * 123]
    await arrive(bench, start(), *(delivery(quote(key)) for key in keys))
    sessions = list(service_bus.sessions(ENTITY))
    assert len(set(sessions)) == 4
    assert sessions[2] == f"quote|{'Q' * 122}"
    assert service_bus.refused == []


async def test_a_retry_is_dropped_by_the_broker_and_a_replay_is_not(
    bench: Bench, service_bus: ServiceBus, start: Start
) -> None:
    app = start()
    sent = delivery(quote("Q1"))
    for _ in range(2):  # as after a crash
        await process(_message(sent), app)
    assert [each.message_id for each in service_bus.held] == [sent.id]
    done = await replay(sent.id, app)
    await work_off(bench, app)
    assert [each.message_id for each in service_bus.held] == [sent.id, f"{sent.id};replay={done.id}"]
    assert {message["id"] for message in bodies(service_bus)} == {sent.id}


async def test_what_turned_out_to_be_no_duplicate_is_not_dropped_as_one(
    bench: Bench, service_bus: ServiceBus, start: Start
) -> None:
    app = start()
    a, b, again = delivery(quote("Q1")), delivery(quote("Q1", 2)), delivery(quote("Q1"))
    works = [Work.of(each).model_copy(update={"settled": True}) for each in (a, again, b)]
    for work in works:
        await process(Message("m", work.received_at, work.encode().decode()), app)
    await work_off(bench, app)
    marks = [(each.get("duplicateof"), each["delivery"]) for each in bodies(service_bus)]
    assert marks == [(None, a.id), (a.id, again.id), (None, b.id), (None, again.id)]


@pytest.mark.parametrize(("tier", "size"), [("standard", 200_000), ("premium", 1_000_000)])
async def test_a_message_contains_its_data_as_far_as_the_tier_allows(
    bench: Bench, start: Start, tier: str, size: int
) -> None:
    with ServiceBus([ENTITY], free_port(), most_bytes=1024 * 1024) as service_bus:
        app = bench.start(
            SUBSCRIPTIONS=f'[service-bus.{ENTITY}]\nevents = ["*"]\ntier = "{tier}"',
            SERVICE_BUS__fullyQualifiedNamespace=service_bus.namespace,
        )
        await arrive(bench, app, delivery(quote("Q1", Notes="x" * size)))
        await arrive(bench, app, delivery(quote("Q2", Notes="x" * size * 2)))
        whole, referring = bodies(service_bus)
    assert len(whole["data"]["Notes"]) == size
    assert "data" not in referring
    assert "/archive/CreateQuote/" in referring["dataref"]


FAULTS = [
    (401, "does not accept the app's identity"),
    (403, "needs the role Azure Service Bus Data Sender"),
    (404, f"could not send to {ENTITY} of 127.0.0.1:"),
    (410, "There is no such queue or topic"),
    (429, "it answered 429"),
    (500, "it answered 500"),
    (503, "it answered 503"),
]


@pytest.mark.parametrize(("status", "said"), FAULTS)
async def test_a_fault_is_named_and_waited_out_however_long_it_takes(
    bench: Bench, service_bus: ServiceBus, start: Start, status: int, said: str
) -> None:
    app = start()
    service_bus.answer = lambda _: status
    sent = delivery(quote("Q1"))
    await receive(sent, app)
    for _ in range(app.timings.max_errors + 1):
        assert await bench.work_off(app) == 1
    row = await bench.row(sent.id)
    assert (row["status"], row["queues"]) == ("failing", '["printiq-events"]')
    assert said in row["error"]
    service_bus.answer = None
    await work_off(bench, app)
    row = await bench.row(sent.id)
    assert (row["status"], row["queues"]) == ("sent", f'["printiq-events","{ENTITY}"]')
    assert len(service_bus.held) == 1


async def test_a_fault_of_one_destination_sends_nothing_twice_to_the_others(
    bench: Bench, service_bus: ServiceBus, start: Start
) -> None:
    app = start()
    service_bus.answer = lambda number: 404 if number <= 3 else None
    await arrive(bench, app, delivery(quote("Q1")))
    assert service_bus.sends == 4
    assert len(await bench.sent()) == 1
    assert len(service_bus.held) == 1


async def test_where_the_inbox_has_no_room_to_remember_who_got_it_everyone_gets_it_again(
    bench: Bench, service_bus: ServiceBus, start: Start
) -> None:
    names = [f"a-queue-with-a-very-long-name-for-many-results-{number:02}" for number in range(99)]
    queues = "\n".join(f'[queues.{name}]\nevents = ["*"]' for name in names)
    app = start(f'{queues}\n[service-bus.{ENTITY}]\nevents = ["*"]')
    service_bus.answer = lambda number: 404 if number == 1 else None
    sent = delivery(quote("Q1", Notes=random.Random(7).randbytes(46_500).hex()))
    work = Work.of(sent)
    assert 60_000 < len(work.encode()) < 65_000
    await process(Message("m", sent.received_at, work.encode().decode()), app)
    await work_off(bench, app)
    assert len(service_bus.held) == 1
    assert await bench.depth(names[0]) == 2


@pytest.mark.parametrize("status", [400, 413])
async def test_what_is_refused_for_good_fails_with_the_reason_once_the_others_have_it(
    bench: Bench, service_bus: ServiceBus, start: Start, status: int
) -> None:
    app = start()
    service_bus.answer = lambda _: status
    sent = delivery(quote("Q1"))
    await arrive(bench, app, sent)
    row = await bench.row(sent.id)
    assert (row["status"], row["queues"]) == ("failed", '["printiq-events"]')
    assert f"it answered {status}. as the test wants it" in row["error"]
    assert service_bus.sends == app.timings.max_errors
    assert len(await bench.sent()) == 1
    service_bus.answer = None
    await replay(sent.id, app)
    await work_off(bench, app)
    assert len(service_bus.held) == 1


async def test_nothing_goes_out_over_http_where_the_app_runs_in_azure(
    bench: Bench, service_bus: ServiceBus, start: Start
) -> None:
    app = start(WEBSITE_HOSTNAME="func-printiq.azurewebsites.net", SERVICE_BUS__clientId="nobody")
    sent = delivery(quote("Q1"))
    await receive(sent, app)
    await bench.work_off(app)
    assert service_bus.sends == 0
    assert "could not send to job-status" in (await bench.row(sent.id))["error"]


async def test_an_unknown_namespace_is_waited_out(bench: Bench) -> None:
    app = bench.start(
        timings=AT_ONCE,
        SUBSCRIPTIONS=TWO_KINDS,
        SERVICE_BUS__fullyQualifiedNamespace=f"127.0.0.1:{free_port()}",
    )
    sent = delivery(quote("Q1"))
    await receive(sent, app)
    await bench.work_off(app)
    assert "could not send to job-status of 127.0.0.1:" in (await bench.row(sent.id))["error"]
    assert await bench.depth(INBOX_QUEUE) == 1


async def test_an_address_in_place_of_the_namespaces_host_name_is_named(bench: Bench) -> None:
    app = bench.start(
        timings=AT_ONCE,
        SUBSCRIPTIONS=TWO_KINDS,
        SERVICE_BUS__fullyQualifiedNamespace="https://shop.servicebus.windows.net/",
    )
    sent = delivery(quote("Q1"))
    await receive(sent, app)
    await bench.work_off(app)
    assert "must be a host name, such as NAME.servicebus.windows.net" in (await bench.row(sent.id))["error"]
    assert await bench.depth(INBOX_QUEUE) == 1


async def test_a_namespace_that_does_not_respond_is_left_alone_for_a_while_and_then_tried_once(
    bench: Bench,
) -> None:
    with ServiceBus([ENTITY], free_port()) as service_bus:
        namespace = service_bus.namespace
    app = bench.start(SUBSCRIPTIONS=TWO_KINDS, SERVICE_BUS__fullyQualifiedNamespace=namespace)
    first, second, third = (delivery(quote(f"Q{number}")) for number in range(3))
    await arrive(bench, app, first)
    with ServiceBus([ENTITY], service_bus.port) as service_bus:
        app.stores.service_bus._rests_until = math.inf
        await arrive(bench, app, second)
        assert service_bus.sends == 0
        assert "it did not respond a moment ago" in (await bench.row(second.id))["error"]
        assert {each["id"] for each in await bench.sent()} == {first.id, second.id}
        app.stores.service_bus._rests_until = 0
        tried, answered = threading.Event(), threading.Event()

        def answer(_: int) -> int:
            tried.set()
            answered.wait(30)
            return 404

        service_bus.answer = answer
        trying = asyncio.create_task(process(_message(first), app))
        assert await asyncio.to_thread(tried.wait, 30)
        await process(_message(second), app)
        answered.set()
        await trying
        assert service_bus.sends == 1
        service_bus.answer = None
        await arrive(bench, app, third)
        assert [held.message_id for held in service_bus.held] == [third.id]


def _message(each: Delivery) -> Message:
    return Message("m", each.received_at, Work.of(each).encode().decode())


async def test_the_later_of_two_has_the_greater_sequence_whatever_order_they_arrive_in(
    bench: Bench, service_bus: ServiceBus, start: Start
) -> None:
    """A session keeps the order of arrival, which a retry can change: a consumer compares `sequence`."""
    app = start()
    earlier, later = delivery(quote("Q1", 1)), delivery(quote("Q1", 2))
    service_bus.answer = lambda number: 503 if number <= 3 else None  # the three tries of one send
    await receive(earlier, app)
    await bench.work_off(app)
    service_bus.answer = None
    await receive(later, app)
    messages = await bench.waiting()
    await asyncio.gather(*(process(each, app) for each in messages))
    (session,) = service_bus.sessions(ENTITY).values()
    sequences = {each.message_id: json.loads(each.body)["sequence"] for each in session}
    assert sorted(sequences, key=sequences.__getitem__) == [earlier.id, later.id]


async def test_an_old_state_that_is_replayed_has_its_old_sequence(
    bench: Bench, service_bus: ServiceBus, start: Start
) -> None:
    app = start()
    first, second = delivery(quote("Q1", 1)), delivery(quote("Q1", 2))
    await arrive(bench, app, first, second)
    await replay(first.id, app)
    await work_off(bench, app)
    *_, late = bodies(service_bus)
    assert late["replayof"] == first.id
    assert late["sequence"] < bodies(service_bus)[1]["sequence"]
