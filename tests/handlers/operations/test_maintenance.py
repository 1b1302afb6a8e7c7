"""Maintenance logs the state of the queues and events, and recovers what crashed, on real queues."""

import asyncio
import base64
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import httpx
import pytest
from bench import Bench, Call, delivery, quote, without

from handlers.operations.maintenance import forget_drops, maintain
from handlers.pipeline.receive import receive
from handlers.stores import (
    DROPS_POISON_QUEUE,
    INBOX_POISON_QUEUE,
    INBOX_QUEUE,
    NOTIFICATION_QUEUES,
    ContainerName,
    Found,
    queues,
)
from handlers.work import Replay, Work
from tools.host.testing import StartHost, wait_until

ROOT = Path(__file__).parents[3]
NOW = datetime.now(UTC)
_MS = timedelta(milliseconds=1)

type Logged = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Logged:
    """Return a function that reads the lines that were written under a name."""
    caplog.set_level(logging.INFO, "printiq")

    def of(name: str) -> list[dict[str, Any]]:
        return [
            json.loads(line.removeprefix(f"{name} "))
            for line in caplog.messages
            if line.startswith(f"{name} ")
        ]

    return of


async def come(bench: Bench, event: str = "CreateQuote", *, at: datetime = NOW, number: str = "Q1") -> str:
    """Let a delivery come at a moment and be worked off; return its id."""
    sent = delivery(quote(number), event, at=at)
    await receive(sent, bench.app)
    await bench.work_off()
    return sent.id


async def test_an_idle_app_logs_that_it_runs(bench: Bench, logged: Logged) -> None:
    await maintain(bench.app)
    assert logged("printiq.heartbeat") == [{}]
    assert logged("printiq.event") == []


async def test_it_is_logged_whether_a_start_has_to_compile(
    bench: Bench, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled, source = ModuleSpec("compiled", None), ModuleSpec("source", None)
    compiled.cached = __file__
    monkeypatch.setattr("handlers.telemetry.__spec__", source)
    monkeypatch.setattr("pydantic.__spec__", compiled)
    await maintain(bench.app)
    assert logged("printiq.bytecode") == [{"app": False, "packages": True}]


async def test_the_queues_of_both_accounts_are_logged_with_depth_and_age(
    bench: Bench, logged: Logged
) -> None:
    await come(bench)
    await receive(delivery(quote("Q2")), bench.app)
    await bench.app.stores.drop_queues.send(DROPS_POISON_QUEUE, b"{}")
    await maintain(bench.app)
    lines = logged("printiq.queue")
    assert {line["queue"]: (line["role"], line["depth"]) for line in lines} == {
        INBOX_QUEUE: ("inbox", 1),
        INBOX_POISON_QUEUE: ("poison", 0),
        DROPS_POISON_QUEUE: ("poison", 1),
        "printiq-events": ("result", 1),
    }
    assert all(line["oldestSeconds"] >= 0 for line in lines)


async def test_notifications_that_the_blob_trigger_does_not_handle_are_reported(
    bench: Bench, logged: Logged
) -> None:
    queue = f"{NOTIFICATION_QUEUES}func-printiq-host"
    await bench.app.stores.queues.send(queue, b"{}")
    await maintain(bench.app)
    (line,) = [line for line in logged("printiq.queue") if line["role"] == "notifications"]
    assert (line["queue"], line["depth"]) == (queue, 1)


async def test_wrong_subscriptions_leave_the_inbox_that_fills_up_logged(bench: Bench, logged: Logged) -> None:
    app = bench.start(SUBSCRIPTIONS="nonsense = [")
    await receive(delivery(quote("Q1")), app)
    await maintain(app)
    assert {line["queue"]: line["depth"] for line in logged("printiq.queue")}[INBOX_QUEUE] == 1


async def test_the_age_of_a_queue_is_that_of_its_oldest_message(bench: Bench, logged: Logged) -> None:
    await come(bench, number="Q1")
    await maintain(bench.app)
    waited = (datetime.now(UTC) - NOW).total_seconds()
    (line,) = [line for line in logged("printiq.queue") if line["queue"] == "printiq-events"]
    assert 0 <= line["oldestSeconds"] <= waited + 1


async def test_the_silence_of_an_event_counts_from_its_latest_delivery(bench: Bench, logged: Logged) -> None:
    now = datetime.now(UTC)
    await come(bench, "CreateQuote", at=now - timedelta(hours=30), number="Q1")
    await come(bench, "CreateQuote", at=now - timedelta(hours=5), number="Q2")
    await come(bench, "AcceptQuote", at=now - timedelta(hours=50), number="Q2")
    await maintain(bench.app)
    silent = {line["event"]: line["silentHours"] for line in logged("printiq.event")}
    assert silent == {"CreateQuote": pytest.approx(5, abs=0.1), "AcceptQuote": pytest.approx(50, abs=0.1)}


async def test_a_delivery_that_is_worked_off_late_does_not_put_the_clock_back(bench: Bench) -> None:
    """Neither in the process that saw the later one nor in another."""
    await come(bench, at=NOW, number="Q1")
    early = delivery(quote("Q2"), at=NOW - timedelta(days=2))
    for app in (bench.app, bench.start()):
        await receive(early, app)
        await bench.work_off(app)
    assert await bench.app.last_seen.all() == {"CreateQuote": pytest.approx(NOW, abs=_MS)}


async def test_what_was_refused_came_all_the_same(bench: Bench) -> None:
    refused = delivery(b'{"QuoteNo": ', at=NOW)
    work = Work.of(refused)
    await bench.app.stores.queues.send(INBOX_QUEUE, work.encode())
    await bench.work_off()
    assert (await bench.row(refused.id))["status"] == "quarantined"
    assert list(await bench.app.last_seen.all()) == ["CreateQuote"]


async def test_a_replay_is_no_sign_of_life(bench: Bench) -> None:
    original = delivery(quote("Q1"), at=NOW)
    work = Work.of(original).model_copy(update={"replay": Replay(of=original.id, origin=original.id)})
    await bench.app.stores.queues.send(INBOX_QUEUE, work.encode())
    await bench.work_off()
    assert (await bench.row(original.id))["status"] == "sent"
    assert await bench.app.last_seen.all() == {}


async def test_a_busy_app_writes_an_arrival_once_in_minutes(bench: Bench, calls: list[Call]) -> None:
    await come(bench, at=NOW, number="Q0")
    calls.clear()
    for number in range(1, 4):
        await come(bench, at=NOW + timedelta(seconds=number), number=f"Q{number}")
    assert [call for call in calls if call.path.startswith("lastseen")] == []
    later = NOW + timedelta(minutes=6)
    await come(bench, at=later, number="Q9")
    assert [call.method for call in calls if call.path.startswith("lastseen")] == ["GET", "PUT"]
    assert await bench.app.last_seen.all() == {"CreateQuote": pytest.approx(later, abs=_MS)}


async def test_what_lies_in_the_poison_queue_returns_to_the_inbox(bench: Bench) -> None:
    sent = delivery(quote("Q1"))
    await bench.app.stores.queues.send(INBOX_POISON_QUEUE, Work.of(sent).encode())
    await maintain(bench.app)
    assert await bench.depth(INBOX_POISON_QUEUE) == 0
    assert await bench.work_off() == 1
    assert (await bench.row(sent.id))["status"] == "sent"


@pytest.mark.parametrize("service", ["Table", "Queue", "Blob"])
async def test_the_heartbeat_goes_on_while_a_part_of_storage_does_not_answer(
    bench: Bench, logged: Logged, service: str
) -> None:
    await maintain(bench.start(without(bench.storage, service)))
    assert logged("printiq.heartbeat") == [{}]


def notice(name: str) -> bytes:
    return json.dumps(
        {"Type": "BlobTrigger", "FunctionId": "hot_folder", "ContainerName": "hot-folder", "BlobName": name}
    ).encode()


@pytest.mark.parametrize("encode", [bytes, base64.b64encode], ids=["as it is", "base64"])
async def test_what_is_said_of_a_file_that_was_taken_since_is_forgotten(
    bench: Bench, encode: Callable[[bytes], bytes]
) -> None:
    stores = bench.app.stores
    lies = "CreateQuote/lies there.json"
    await stores.drops.put(ContainerName.HOT_FOLDER, lies, quote("Q1"), "application/json")
    for name in (lies, "CreateQuote/taken.json"):
        await stores.drop_queues.send(DROPS_POISON_QUEUE, encode(notice(name)))
    await stores.drop_queues.send(DROPS_POISON_QUEUE, b"no notice")
    await maintain(bench.app)
    assert await bench.depth(DROPS_POISON_QUEUE) == 2


async def test_files_that_stay_do_not_keep_maintenance_from_ending(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores, seen = bench.app.stores, 0
    lies = "CreateQuote/lies there.json"
    await stores.drops.put(ContainerName.HOT_FOLDER, lies, quote("Q1"), "application/json")
    await stores.drop_queues.send(DROPS_POISON_QUEUE, notice(lies))
    genuine = stores.drops.find

    async def slow(container: ContainerName, name: str) -> Found:
        nonlocal seen
        seen += 1
        await asyncio.sleep(1.5)
        return await genuine(container, name)

    monkeypatch.setattr(queues, "LEASE_SECONDS", 1)
    monkeypatch.setattr(stores.drops, "find", slow)
    async with asyncio.timeout(60):
        await forget_drops(bench.app)
    assert seen == 1


def test_what_a_running_app_tells_is_in_its_log(start_host: StartHost) -> None:
    """The lines pass through Microsoft's own worker library to the host."""
    host = start_host(ROOT)
    answer = httpx.post(f"{host.url}/api/webhooks/CreateQuote", content=quote("Q1"), timeout=60)
    assert answer.status_code == 202
    wait_until(lambda: f'printiq.delivery {{"id": "{answer.json()["id"]}"' in host.log())
