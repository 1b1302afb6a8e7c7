"""The local Service Bus takes what Microsoft documents, and refuses what it does not."""

import json
import socket
import struct
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from tools.host.service_bus import ServiceBus
from tools.host.testing import free_port, wait_until

PROPERTIES = {"MessageId": "1", "SessionId": "job|J1", "Label": "com.printiq.CompleteJob"}
HEADERS = {"Authorization": "Bearer x", "Content-Type": "application/json"}


@pytest.fixture
def service_bus() -> Iterator[ServiceBus]:
    with ServiceBus(["job-status"], free_port()) as running:
        yield running


def send(
    service_bus: ServiceBus,
    path: str = "/job-status/messages",
    body: bytes = b"{}",
    properties: object = PROPERTIES,
    **headers: str,
) -> int:
    connection = HTTPConnection("127.0.0.1", service_bus.port)
    given = {"BrokerProperties": json.dumps(properties), **HEADERS, **headers}
    connection.request("POST", path, body, {name: value for name, value in given.items() if value})
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_message_is_held_once_by_its_id_and_listed(service_bus: ServiceBus) -> None:
    assert [send(service_bus), send(service_bus, "/Job-Status/messages?timeout=60")] == [201, 201]
    assert [each.body for each in service_bus.sessions("job-status")["job|J1"]] == ["{}"]
    connection = HTTPConnection("127.0.0.1", service_bus.port)
    connection.request("GET", "/")
    assert [each["message_id"] for each in json.loads(connection.getresponse().read())] == ["1"]
    connection.close()


@pytest.mark.parametrize(
    ("status", "wrong"),
    [
        (401, {"Authorization": ""}),
        (400, {"Content-Type": ""}),
        (410, {"path": "/other/messages"}),
        (400, {"path": "/job-status"}),
        (400, {"path": "/job-status/messages?ttl=5"}),
        (403, {"body": b"x" * 256 * 1024}),
        (400, {"BrokerProperties": ""}),
        (400, {"properties": []}),
        (400, {"properties": {**PROPERTIES, "Subject": "x"}}),
        (400, {"properties": {**PROPERTIES, "Label": 1}}),
        (400, {"properties": {"MessageId": "1"}}),
        (400, {"properties": {**PROPERTIES, "SessionId": "x" * 129}}),
    ],
)
def test_another_form_is_refused(service_bus: ServiceBus, status: int, wrong: dict[str, Any]) -> None:
    assert send(service_bus, **wrong) == status
    assert (len(service_bus.refused), service_bus.held) == (1, [])


def test_a_client_that_resets_its_connection_leaves_no_trace(
    service_bus: ServiceBus, capfd: pytest.CaptureFixture[str]
) -> None:
    before = set(threading.enumerate())
    client = socket.create_connection(("127.0.0.1", service_bus.port))
    client.sendall(b"POST /job-status/messages HTTP/1.1\r\nContent-Length: 5\r\n\r\n{")
    serving = wait_until(lambda: set(threading.enumerate()) - before)
    # to linger for no time is to reset
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    wait_until(lambda: not serving & set(threading.enumerate()))
    assert capfd.readouterr().err == ""
    assert send(service_bus) == 201
