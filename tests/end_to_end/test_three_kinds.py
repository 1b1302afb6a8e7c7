"""One event goes to a queue, to Service Bus and to an https address, in one run of the app."""

import json
from collections.abc import Iterator

import httpx
import pytest
from endpoints import Endpoint
from receiver import RESULTS, Json, Receiver, StartReceiver, sample

from tools.host.service_bus import ServiceBus
from tools.host.testing import free_port, wait_until

BOARD = "job-status"
SUBSCRIPTIONS = """
[queues.printiq-events]
events = ["*"]

[service-bus.job-status]
events = ["*Job*"]
title = "Production board"

[https.crm]
events = ["*"]
url = "{url}"
auth = "none"
"""


@pytest.fixture(scope="module")
def service_bus() -> Iterator[ServiceBus]:
    with ServiceBus([BOARD], free_port()) as running:
        yield running


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    serving = Endpoint(None)
    yield serving
    serving.close()


@pytest.fixture(scope="module")
def shop(start_receiver: StartReceiver, service_bus: ServiceBus, endpoint: Endpoint) -> Receiver:
    return start_receiver(
        {
            "SUBSCRIPTIONS": SUBSCRIPTIONS.format(url=endpoint.url()),
            "SERVICE_BUS__fullyQualifiedNamespace": service_bus.namespace,
        }
    )


def pushed(endpoint: Endpoint, event_id: str) -> list[Json]:
    return [each for each in map(json.loads, endpoint.bodies("/ok")) if each["id"] == event_id]


def held(service_bus: ServiceBus, event_id: str) -> list[Json]:
    return [each for each in (json.loads(held.body) for held in service_bus.held) if each["id"] == event_id]


def test_an_event_goes_to_all_three_kinds(
    shop: Receiver, service_bus: ServiceBus, endpoint: Endpoint
) -> None:
    event_id = shop.accepted("UpdateJobStatus", sample("UpdateJobStatus"))
    row = shop.row(event_id)
    assert json.loads(row["queues"]) == [RESULTS, BOARD, "crm"]
    (from_queue,) = shop.messages(event_id)
    (from_board,) = held(service_bus, event_id)
    (from_address,) = wait_until(lambda: pushed(endpoint, event_id))
    assert from_queue == from_board == from_address
    assert service_bus.refused == []
    assert list(service_bus.sessions(BOARD)) == [f"job|{from_queue['subject']}"]


def test_an_operator_pauses_one_of_them_and_later_gives_it_what_it_missed(
    shop: Receiver, service_bus: ServiceBus
) -> None:
    def control(what: str, body: Json) -> Json:
        address = f"{shop.host.url}/api/subscriptions/{BOARD}/{what}"
        return dict(httpx.post(address, json=body, timeout=60).raise_for_status().json())

    assert control("pause", {"reason": "the board is being repaired", "by": "anna"})["paused"]
    event_id = shop.accepted("CompleteJob", sample("CompleteJob"))
    row = shop.row(event_id)
    assert (json.loads(row["queues"]), json.loads(row["withheld"])) == ([RESULTS, "crm"], [BOARD])
    assert held(service_bus, event_id) == []
    assert not control("resume", {"by": "anna"})["paused"]
    assert control("replay", {"by": "anna"}) == {"matched": 1, "skipped": 0, "more": False}
    (message,) = wait_until(lambda: held(service_bus, event_id))
    assert message["replayof"] == event_id
    assert len(shop.messages(event_id)) == 1
