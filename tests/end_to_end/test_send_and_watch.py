"""`dev.py send` shows the outcome of an event, also by its exit code; `watch` follows and takes nothing."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from endpoints import endpoint, https
from receiver import CORPUS, Receiver, StartReceiver, marked, sample
from typer.testing import CliRunner, Result

from events import EventType
from tools.commands import send, watch
from tools.commands._exit import ExitCode
from tools.commands._target import StorageAccount
from tools.host.testing import free_port, wait_until

ROOT = Path(__file__).parents[2]


# Longer than a person would wait, for a machine that has other work to do.
PATIENCE = "--wait=180"


def _environment(receiver: Receiver) -> dict[str, str]:
    return {"AzureWebJobsStorage": receiver.storage, "HOT_FOLDER": receiver.storage, "COLUMNS": "200"}


def _send(receiver: Receiver, *arguments: str, **environment: str | None) -> Result:
    command = typer.Typer()
    command.command()(send.main)
    url = [] if "--url" in arguments else ["--url", receiver.host.url]
    return CliRunner().invoke(
        command, [*arguments, *url, PATIENCE], env={**_environment(receiver), **environment}
    )


def elsewhere(receiver: Receiver) -> str:
    """Name this machine otherwise: the commands take the app for one elsewhere, and ask its API."""
    return receiver.host.url.replace("127.0.0.1", "127.1")


@pytest.fixture(scope="module")
def own(start_receiver: StartReceiver) -> Receiver:
    """Return an app of these tests' own: nobody takes messages from its queues."""
    return start_receiver({})


@pytest.fixture
def a_file(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "quote.json"
    path.write_bytes(marked(sample("CreateQuote"), request.node.name))
    return path


@pytest.mark.parametrize("channel", ["webhook", "hot-folder"])
def test_a_sent_event_is_followed_to_ledger_queue_and_archive(
    own: Receiver, a_file: Path, channel: str
) -> None:
    by = ["--hot-folder"] if channel == "hot-folder" else []
    done = _send(own, "createquote", "--file", str(a_file), "--json", *by)
    assert done.exit_code == 0, done.stderr
    reported = json.loads(done.stdout)
    assert (reported["outcome"], reported["channel"]) == ("arrived", channel)
    assert (reported["delivery"]["status"], reported["delivery"]["channel"]) == ("sent", channel)
    assert reported["delivery"]["id"] == reported["id"]
    assert reported["messages"]["printiq-events"]["id"] == reported["id"]
    assert own.blob(reported["delivery"]["raw"]) == a_file.read_bytes()


def test_the_outcome_is_shown_in_plain_words(own: Receiver, a_file: Path) -> None:
    _send(own, "CreateQuote", "--file", str(a_file))
    done = _send(own, "CreateQuote", "--file", str(a_file))
    assert done.exit_code == 0
    for words in (
        "202 accepted",
        "duplicate quote Q005218v2",
        "a short while ago",
        "printiq-events:",
        "archive/",
    ):
        assert words in done.stdout
    assert "\x1b" not in done.stdout, "colours are for terminals"


def test_messages_of_an_app_elsewhere_are_not_looked_for(own: Receiver, a_file: Path) -> None:
    done = _send(own, "CreateQuote", "--file", str(a_file), "--url", elsewhere(own))
    assert done.exit_code == 0, done.stdout
    assert "printiq-events: sent; messages are peeked at only where" in done.stdout
    done = _send(own, "CreateQuote", "--file", str(a_file), "--url", elsewhere(own), "--json")
    reported = json.loads(done.stdout)
    assert (reported["messages"], reported["peeked"]) == ({"printiq-events": None}, False)


PUSHES = '[queues.printiq-events]\nevents = ["*"]\n'


@pytest.mark.parametrize("at", [lambda receiver: receiver.host.url, elsewhere])
def test_a_push_is_waited_for(
    start_receiver: StartReceiver, a_file: Path, at: Callable[[Receiver], str]
) -> None:
    with endpoint(None) as crm:
        receiver = start_receiver({"SUBSCRIPTIONS": PUSHES + https("crm", crm.url("/held"))})

        def release() -> None:
            wait_until(lambda: crm.received and receiver.written("deliveries", status="sent"))
            crm.release()

        releasing = threading.Thread(target=release)
        releasing.start()
        done = _send(receiver, "CreateQuote", "--file", str(a_file), "--url", at(receiver))
        releasing.join()
    assert done.exit_code == 0, done.stdout
    assert "  push      crm: 202 in " in done.stdout
    assert "printiq-events: " in done.stdout


def test_a_push_that_fails_is_shown_with_its_next_attempt_and_ends_with_4(
    start_receiver: StartReceiver, a_file: Path
) -> None:
    with endpoint(None) as crm:
        receiver = start_receiver({"SUBSCRIPTIONS": PUSHES + https("crm", crm.url("/status/500"))})
        done = _send(receiver, "CreateQuote", "--file", str(a_file))
        both = _send(receiver, "--all")
    assert done.exit_code == ExitCode.WAITING
    assert "crm: waiting. It responded with 500. The next attempt comes at " in done.stdout
    assert "→ printiq-events, crm (waiting)" in both.stdout
    assert f"{len(EventType)} of {len(EventType)} arrived. {len(EventType)} not pushed to" in both.stdout


@pytest.mark.parametrize("by", [[], ["--hot-folder"]])
def test_a_refused_event_ends_with_exit_code_1_and_the_reason(own: Receiver, by: list[str]) -> None:
    file = CORPUS / "_refused" / "invoice-sent-to-create-quote.json"
    done = _send(own, "CreateQuote", "--file", str(file), *by)
    assert done.exit_code == 1
    assert "This is an Invoice" in done.stdout
    assert "quarantine/CreateQuote/" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["CreateQote"], "Did you mean CreateQuote"),
        (["Foo"], "Its events are CreateCustomer, CreateCustomerContact"),
        (["CreateQuote", "--url", "localhost:7071"], "localhost:7071 is no address"),
        (["CreateQuote", "--storage-port", "70000"], "less than or equal to 65533"),
        (["CreateQuote", "--file", "tests"], "tests cannot be read: Is a directory"),
        ([], "name an event"),
        (["CreateQuote", "--all"], "it sends a sample of every event"),
        (["CreateQuote", "--file", "no-such-file"], "no-such-file cannot be read: No such file"),
        (["CreateQuote", "--hot-folder", "--url", "http://example.invalid"], "HOT_FOLDER"),
    ],
)
def test_a_wrong_command_line_ends_with_exit_code_2_and_a_hint(
    own: Receiver, arguments: list[str], message: str
) -> None:
    done = _send(own, *arguments, HOT_FOLDER=None)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())


def test_an_app_that_does_not_answer_ends_with_exit_code_3(own: Receiver) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = _send(own, "CreateQuote", "--url", url)
    assert done.exit_code == 3
    assert f"The app at {url} does not respond" in done.stdout


def test_the_answer_is_shown_though_storage_cannot_be_read(own: Receiver, a_file: Path) -> None:
    elsewhere = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}
    port = free_port(3)
    done = _send(own, "CreateQuote", "--file", str(a_file), f"--storage-port={port}", **elsewhere)
    assert done.exit_code == 3
    answer, why = done.stdout.index("202 accepted, id "), done.stdout.index(f"http://127.0.0.1:{port}")
    assert answer < why
    assert "--storage-port" in done.stdout


def test_a_message_behind_the_first_that_can_be_seen_is_described_by_the_ledger(
    own: Receiver, a_file: Path
) -> None:
    queue = own.queues.get_queue_client("printiq-events")
    own.row(own.accepted("CreateQuote", marked(sample("CreateQuote"), "first")))
    for _ in range(33):
        queue.send_message("somebody else's")
    done = _send(own, "CreateQuote", "--file", str(a_file))
    queue.clear_messages()
    assert done.exit_code == 0, done.stdout
    assert (
        "printiq-events: com.printiq.CreateQuote, subject Q005218v2; behind the first 32 of " in done.stdout
    )


def test_a_name_in_brackets_is_shown_as_it_is(own: Receiver, a_file: Path) -> None:
    done = _send(own, "[/x]", "--file", str(a_file), "--hot-folder")
    assert done.exit_code == ExitCode.REFUSED, done.output
    assert "[/x]  " in done.stdout
    assert "quarantined" in done.stdout


def test_all_events_are_sent_and_followed(own: Receiver) -> None:
    done = _send(own, "--all", "--json")
    assert done.exit_code == 0, done.stderr
    reported = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["event"] for each in reported] == list(EventType)
    assert {each["outcome"] for each in reported} == {"arrived"}


def test_of_many_events_each_has_a_line(own: Receiver) -> None:
    done = _send(own, "--all")
    assert done.exit_code == 0, done.stdout
    *lines, summary = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [[event, "202"] for event in EventType]
    assert summary == f"{len(EventType)} of {len(EventType)} arrived."


class Watching:
    """A running `dev.py watch --json`, and the lines that it has printed."""

    def __init__(self, receiver: Receiver, url: str, *options: str) -> None:
        self.lines: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tools", "watch", "--json", "--since", "1", "--url", url, *options],
            cwd=ROOT,
            env={**os.environ, **_environment(receiver)},
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def interrupt(self) -> int:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(180)
        self._reader.join()
        return code

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join()


@pytest.fixture
def watching(own: Receiver) -> Iterator[Watching]:
    watching = Watching(own, own.host.url)
    yield watching
    watching.kill()


def test_watch_shows_deliveries_and_queues_and_takes_no_message(own: Receiver, watching: Watching) -> None:
    own.accepted("CreateQuote", marked(sample("CreateQuote"), "before"))
    wait_until(lambda: watching.lines)
    delivery_id = own.accepted("CreateQuote", marked(sample("CreateQuote"), "watched"))

    def reported() -> list[dict[str, Any]]:
        rows = [line["delivery"] for line in watching.lines if "delivery" in line]
        return [row for row in rows if row["id"] == delivery_id]

    row = wait_until(reported)[-1]
    assert (row["status"], row["subject"], row["queues"]) == ("sent", "Q005218v2", ["printiq-events"])
    depths = [
        line["queue"] for line in watching.lines if line.get("queue", {}).get("name") == "printiq-events"
    ]
    assert watching.interrupt() == 0
    assert own.messages(delivery_id)
    assert all(len(depth["first"]) <= 32 for depth in depths)


@pytest.fixture
def watching_some(own: Receiver) -> Iterator[Watching]:
    watching = Watching(own, own.host.url, "--event", "rejectquote", "--status=sent", "--subject=Q-watched")
    yield watching
    watching.kill()


def test_watch_shows_what_its_filters_select(own: Receiver, watching_some: Watching) -> None:
    for number in ("Q-other", "Q-watched"):
        own.row(own.accepted("RejectQuote", f'{{"QuoteNo": "{number}"}}'.encode()))
    own.row(own.accepted("ExpireQuote", b'{"QuoteNo": "Q-watched"}'))

    def shown() -> list[dict[str, Any]]:
        return [line["delivery"] for line in watching_some.lines if "delivery" in line]

    assert wait_until(shown)[0]["subject"] == "Q-watched"
    assert {row["event"] for row in shown()} == {"RejectQuote"}


def test_a_queue_whose_messages_change_but_not_their_number_has_no_new_line(own: Receiver) -> None:
    queue = own.queues.create_queue("of-a-test")
    seeing = watch.Watch(StorageAccount(own.storage), datetime.now(UTC), {})
    first = queue.send_message("one")
    assert "queue of-a-test: 1" in list(seeing.changed_depths())
    queue.delete_message(first)
    queue.send_message("another")
    assert not [line for line in seeing.changed_depths() if "of-a-test" in line]
    queue.delete_queue()
    assert "queue of-a-test: 0" in list(seeing.changed_depths())


def test_a_line_of_watch_fits_a_terminal_of_80_columns() -> None:
    row = {
        "receivedAt": "2026-11-24T06:42:37.128Z",
        "status": "quarantined",
        "event": "InventoryTransactionInserted",
        "kind": "purchase-order",
        "subject": "PO-012044-with-a-long-tail",
        "channel": "hot-folder",
        "queues": ["printiq-events"],
        "error": "line 1 is no JSON",
    }
    first, second = watch.line(row, 80).plain.splitlines()
    assert len(first) == 80
    assert "purchase-order PO-" in first
    assert second.strip() == "line 1 is no JSON"


@pytest.fixture
def watching_elsewhere(own: Receiver) -> Iterator[Watching]:
    watching = Watching(own, elsewhere(own))
    yield watching
    watching.kill()


def test_watch_shows_an_address_with_brackets_as_it_is(own: Receiver) -> None:
    command = typer.Typer()
    command.command()(watch.main)
    done = CliRunner().invoke(command, ["--url", "http://127.1:9/[/x]"], env=_environment(own))
    assert done.exit_code == 3
    assert "Watching http://127.1:9/[/x] through its API" in done.stdout


def test_of_an_app_elsewhere_watch_shows_how_many_messages_wait_and_not_which(
    own: Receiver, watching_elsewhere: Watching
) -> None:
    own.row(own.accepted("CreateQuote", marked(sample("CreateQuote"), "watched from elsewhere")))

    def depths() -> list[dict[str, Any]]:
        queues = [line["queue"] for line in watching_elsewhere.lines if "queue" in line]
        return [queue for queue in queues if queue["name"] == "printiq-events" and queue["messages"]]

    assert all(depth["first"] is None for depth in wait_until(depths))
