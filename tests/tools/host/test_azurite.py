"""Azurite keeps its data over restarts, comes back when it dies, and never outlives what started it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.storage.queue import QueueServiceClient

from tools.host.azurite import Azurite, install
from tools.host.errors import HostError, PortTakenError
from tools.host.testing import free_port, wait_until

ROOT = Path(__file__).parents[3]


@pytest.fixture
def program() -> Path:
    return install(ROOT / ".local" / "azurite", print)


@pytest.fixture
def own(program: Path, tmp_path: Path) -> Iterator[Azurite]:
    with Azurite(program, free_port(3), tmp_path) as running:
        yield running


def names(azurite: Azurite) -> list[str]:
    client = QueueServiceClient.from_connection_string(azurite.connection_string, retry_total=0)
    try:
        return [queue.name for queue in client.list_queues()]
    except (ServiceRequestError, ServiceResponseError):
        return []


def test_data_survives_a_stop_and_a_start(program: Path, tmp_path: Path) -> None:
    port = free_port(3)
    with Azurite(program, port, tmp_path) as first:
        QueueServiceClient.from_connection_string(first.connection_string).create_queue("kept")
    with Azurite(program, port, tmp_path) as second:
        assert names(second) == ["kept"]


def test_azurite_is_started_again_when_it_dies(own: Azurite) -> None:
    QueueServiceClient.from_connection_string(own.connection_string).create_queue("kept")
    died = own.pid
    os.kill(died, signal.SIGTERM)
    wait_until(lambda: names(own) == ["kept"] and own.pid != died)


def test_a_taken_port_is_named_with_the_option(program: Path, tmp_path: Path) -> None:
    port = free_port(3)
    with (
        socket.create_server(("127.0.0.1", port + 2)),
        pytest.raises(PortTakenError, match=f"Port {port + 2} is taken.*--storage-port"),
    ):
        Azurite(program, port, tmp_path).__enter__()


def test_two_never_work_on_the_same_data(own: Azurite) -> None:
    with pytest.raises(HostError, match=r"Another dev\.py run has its data in"):
        Azurite(own.program, free_port(3), own.data).__enter__()


def test_azurite_saves_and_ends_when_its_parent_is_killed(program: Path, tmp_path: Path) -> None:
    port = free_port(3)
    code = (
        "import sys, time; from pathlib import Path; from tools.host.azurite import Azurite\n"
        "with Azurite(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])) as a:\n"
        "    print(a.pid, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, str(program), str(port), str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert int(parent.stdout.readline()) > 0
        parent.kill()
    log = tmp_path / "azurite.log"
    wait_until(lambda: "Queue service successfully closed" in log.read_text())
    wait_until(lambda: free_ports(port))


def free_ports(port: int) -> bool:
    try:
        for offset in range(3):
            socket.create_server(("127.0.0.1", port + offset)).close()
    except OSError:
        return False
    return True
