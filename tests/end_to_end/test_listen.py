"""`dev.py listen` hands messages to a web handler as its consumer; `dev.py reset` empties local data."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import typer
from endpoints import SECRET
from receiver import Json, Receiver, StartReceiver
from standardwebhooks import Webhook
from typer.testing import CliRunner

from tools.commands import reset
from tools.host.azurite import Azurite, install
from tools.host.testing import free_port, wait_until

ROOT = Path(__file__).parents[2]
QUEUES = '[queues.printiq-listened]\nevents = ["*"]'


@pytest.fixture(scope="module")
def own(start_receiver: StartReceiver) -> Receiver:
    return start_receiver({"SUBSCRIPTIONS": QUEUES})


class Handler:
    """A web handler that keeps what it is sent, and answers from a list (then 200 for ever)."""

    def __init__(self, statuses: list[int]) -> None:
        self.events: list[Json] = []
        self.tries: list[str | None] = []
        self.types: set[str | None] = set()
        self.requests: list[tuple[bytes, dict[str, str]]] = []
        outer = self

        class Answering(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((body, dict(self.headers)))
                outer.events.append(json.loads(body))
                outer.tries.append(self.headers["X-Try"])
                outer.types.add(self.headers["Content-Type"])
                self.send_response(statuses.pop(0) if statuses else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self._server.server_port}/events"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def subjects(self) -> list[str]:
        return [event["subject"] for event in self.events]


class Listening:
    """A running `dev.py listen`, and the lines that it prints."""

    def __init__(self, receiver: Receiver, to: str, *arguments: str) -> None:
        command = [sys.executable, "-m", "tools", "listen", f"--to={to}", "--queue=printiq-listened"]
        self._process = subprocess.Popen(
            [*command, f"--url={receiver.host.url}", *arguments],
            cwd=ROOT,
            env={**os.environ, "AzureWebJobsStorage": receiver.storage, "LISTEN_SECRET": SECRET},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        wait_until(lambda: self.lines)

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.lines.extend(line for line in iter(self._process.stdout.readline, ""))

    def interrupt(self) -> int:
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(60)
        self._reader.join()
        return code

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._reader.join()


@pytest.fixture
def handler(request: pytest.FixtureRequest) -> Iterator[Handler]:
    handler = Handler(list(getattr(request, "param", ())))
    yield handler
    handler.close()


@pytest.fixture
def listening(own: Receiver, handler: Handler, request: pytest.FixtureRequest) -> Iterator[Listening]:
    queue = own.queues.get_queue_client("printiq-listened")
    if any(each.name == queue.queue_name for each in own.queues.list_queues()):
        queue.clear_messages()
    listening = Listening(own, handler.url, *getattr(request, "param", ()))
    yield listening
    listening.kill()


def waiting(receiver: Receiver, queue: str = "printiq-listened") -> int:
    properties = receiver.queues.get_queue_client(queue).get_queue_properties()
    return properties.approximate_message_count or 0


def quote(receiver: Receiver, number: str, event: str = "CreateQuote") -> str:
    return receiver.accepted(event, json.dumps({"QuoteNo": number}).encode())


def test_a_handler_gets_each_message_once_as_a_consumer_does(
    own: Receiver, handler: Handler, listening: Listening
) -> None:
    sent = quote(own, "Q-1")
    wait_until(lambda: handler.events)
    wait_until(lambda: waiting(own) == 0)
    assert listening.interrupt() == 0
    (event,) = handler.events
    assert (event["delivery"], event["type"]) == (sent, "com.printiq.CreateQuote")
    assert event["data"]["QuoteNo"] == "Q-1"
    assert handler.types == {"application/cloudevents+json"}
    assert "CreateQuote" in listening.lines[-1]
    assert "quote Q-1  200 in " in listening.lines[-1]


@pytest.mark.parametrize("handler", [[500, 404]], indirect=True)
def test_what_is_not_answered_with_a_2xx_comes_again(
    own: Receiver, handler: Handler, listening: Listening
) -> None:
    quote(own, "Q-2")
    wait_until(lambda: len(handler.events) == 3)
    wait_until(lambda: waiting(own) == 0)
    assert handler.tries == ["1", "2", "3"]
    assert any("500 in " in line and "; try 1 of 5, again in 1 s" in line for line in listening.lines)


@pytest.mark.parametrize("listening", [["--event=*quote", "--subject=Q-3"]], indirect=True)
def test_what_the_filters_exclude_is_passed_over(
    own: Receiver, handler: Handler, listening: Listening
) -> None:
    own.row(quote(own, "Q-3", "UpdateJobStatus"))
    own.row(quote(own, "Q-4"))
    quote(own, "Q-3", "RejectQuote")
    wait_until(lambda: handler.events)
    wait_until(lambda: waiting(own) == 0)
    assert [event["type"] for event in handler.events] == ["com.printiq.RejectQuote"]
    assert handler.subjects == ["Q-3"]
    assert listening.interrupt() == 0


def test_what_is_no_event_is_set_aside_and_a_missing_handler_is_named(
    own: Receiver, handler: Handler, listening: Listening
) -> None:
    own.row(quote(own, "Q-5"))
    wait_until(lambda: handler.events)
    handler.close()
    own.queues.get_queue_client("printiq-listened").send_message("no event")
    wait_until(lambda: any("no event, moved to printiq-listened-poison" in line for line in listening.lines))
    assert waiting(own, "printiq-listened-poison") == 1
    quote(own, "Q-6")
    wait_until(
        lambda: any("no answer" in line and "try 1 of 5, again in 1 s" in line for line in listening.lines)
    )


@pytest.mark.parametrize("listening", [["--secret-setting=LISTEN_SECRET"]], indirect=True)
def test_a_push_is_signed_as_a_subscription_signs_it(
    own: Receiver, handler: Handler, listening: Listening
) -> None:
    sent = quote(own, "Q-7")
    wait_until(lambda: handler.requests)
    ((body, headers),) = handler.requests
    assert Webhook(SECRET).verify(body, headers)["subject"] == "Q-7"
    assert headers["webhook-id"] == sent


@pytest.mark.parametrize("listening", [["--mode=binary"]], indirect=True)
def test_a_push_can_be_the_data_alone(own: Receiver, handler: Handler, listening: Listening) -> None:
    quote(own, "Q-8")
    wait_until(lambda: handler.requests)
    ((body, headers),) = handler.requests
    assert json.loads(body)["QuoteNo"] == headers["ce-subject"] == "Q-8"


def test_reset_empties_the_data_of_a_stopped_app_alone(tmp_path: Path) -> None:
    command = typer.Typer()
    command.command()(reset.main)
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "keys.json").write_text("{}")
    (tmp_path / "mine.txt").write_text("not the app's")
    with Azurite(install(ROOT / ".local" / "azurite", print), free_port(3), tmp_path / "azurite"):
        refused = CliRunner().invoke(command, [f"--data={tmp_path}", "--yes"])
        assert refused.exit_code == 1
        assert "end its dev.py run first" in refused.stdout
    unsure = CliRunner().invoke(command, [f"--data={tmp_path}"], input="n\n")
    assert unsure.exit_code == 1
    assert (tmp_path / "azurite").is_dir()
    done = CliRunner().invoke(command, [f"--data={tmp_path}", "--yes"])
    assert done.exit_code == 0, done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert "There is nothing in" in CliRunner().invoke(command, [f"--data={tmp_path}"]).stdout
