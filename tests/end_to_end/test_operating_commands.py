"""`dev.py replay`, `verify` and `erase` on a running app: what they do, say, and end with."""

import json
from typing import Any

import pytest
import typer
from bench import quote
from receiver import Receiver
from typer.testing import CliRunner, Result

from handlers.stores import INBOX_QUEUE
from tools.commands import erase, replay, verify
from tools.commands._exit import ExitCode
from tools.host.testing import wait_until


@pytest.fixture(scope="module")
def own(start_receiver: Any) -> Receiver:
    """Return an app of these tests' own, with an account of its own."""
    receiver: Receiver = start_receiver({})
    return receiver


def called(receiver: Receiver, main: Any, *arguments: str) -> Result:
    command = typer.Typer()
    command.command()(main)
    environment = {"AzureWebJobsStorage": receiver.storage, "HOT_FOLDER": receiver.storage, "COLUMNS": "200"}
    return CliRunner().invoke(command, list(arguments), env=environment)


def test_one_delivery_is_replayed_under_its_old_id(own: Receiver) -> None:
    first = own.accepted("CreateQuote", quote("Q-replay"))
    own.row(first)
    done = called(own, replay.main, first, "--url", own.host.url, "--json")
    assert done.exit_code == 0, done.stderr
    (replayed,) = json.loads(done.stdout)["replayed"]
    own.row(replayed["id"])
    one, two = own.messages(first)
    assert "replayof" not in one
    assert two["replayof"] == first


def test_a_replay_that_is_refused_again_says_so_and_ends_with_1(own: Receiver) -> None:
    broken = own.post("CreateQuote", b'{"QuoteNo": ').json()["id"]
    own.row(broken, "quarantined")
    done = called(own, replay.main, broken, "--url", own.host.url)
    assert done.exit_code == 1
    assert f"{broken}  CreateQuote  replayed as " in done.stdout
    assert ": quarantined: " in done.stdout


def test_a_dry_run_of_one_delivery_only_looks_it_up(own: Receiver) -> None:
    mine = own.accepted("CreateQuote", quote("Q-look"))
    own.row(mine)
    looked = called(own, replay.main, mine, "--dry-run", "--as", "AcceptQuote", "--url", own.host.url)
    assert looked.exit_code == 0
    assert f"{mine}  AcceptQuote  is sent" in looked.stdout
    assert "1 delivery would be replayed" in looked.stdout
    assert "replaying" not in own.row(mine)
    assert [row["id"] for row in own.written("timeline", subject="Q-look")] == [mine]


def test_a_dry_run_says_what_could_not_be_replayed(own: Receiver) -> None:
    unnamed = own.post("CreateQoute", quote("Q-unnamed")).json()["id"]
    own.row(unnamed, "quarantined")
    lost = own.accepted("CreateQuote", quote("Q-gone"))
    container, _, name = own.row(lost)["raw"].partition("/")
    blob = own.blobs.get_blob_client(container, name)
    body = blob.download_blob().readall()
    blob.delete_blob()
    for each, reason in ((unnamed, "Name the event"), (lost, "Its bytes are no longer at")):
        looked = called(own, replay.main, each, "--dry-run", "--url", own.host.url)
        assert looked.exit_code == 1
        assert reason in looked.stdout
    blob.upload_blob(body)  # other tests look at this app's account
    looked = called(own, replay.main, lost, "--dry-run", "--queue", "printiq-invoices", "--url", own.host.url)
    assert looked.exit_code == 1
    assert "No subscription sends CreateQuote to printiq-invoices" in looked.stdout


def test_a_filter_is_counted_before_it_is_replayed(own: Receiver) -> None:
    own.row(own.accepted("AcceptQuote", quote("Q-many")))
    counted = called(own, replay.main, "--event", "AcceptQuote", "--dry-run", "--url", own.host.url)
    assert "1 delivery would be replayed" in counted.stdout
    done = called(own, replay.main, "--event", "AcceptQuote", "--url", own.host.url)
    assert "1 replayed" in done.stdout
    again = called(own, replay.main, "--event", "AcceptQuote", "--url", own.host.url)
    assert "0 replayed" in again.stdout


def test_a_replay_that_cannot_be_is_refused_with_the_reason(own: Receiver) -> None:
    done = called(own, replay.main, "01a20c85-28f3-7725-98fa-0ae6b24c90ff", "--url", own.host.url)
    assert done.exit_code == 1
    assert "No delivery has the id" in done.stdout


def until_worked_off(receiver: Receiver) -> None:
    """Wait until the inbox is empty: a message goes after the last row of its delivery."""
    inbox = receiver.queues.get_queue_client(INBOX_QUEUE)
    wait_until(lambda: not inbox.get_queue_properties().approximate_message_count)


def test_the_account_of_a_good_day_ends_with_0_and_says_so(own: Receiver) -> None:
    own.row(own.accepted("CreateQuote", quote("Q-verify")))
    until_worked_off(own)
    done = called(own, verify.main, "--json")
    answer = json.loads(done.stdout)
    assert (answer["balanced"], answer["findings"]) == (True, [])
    assert done.exit_code == 0


def test_the_account_names_what_is_missing_and_ends_with_1(start_receiver: Any) -> None:
    receiver: Receiver = start_receiver({})
    lost = receiver.accepted("CreateQuote", quote("Q-lost"))
    container, _, name = receiver.row(lost)["raw"].partition("/")
    receiver.blobs.get_blob_client(container, name).delete_blob()
    done = called(receiver, verify.main)
    assert done.exit_code == 1
    assert f"{lost}: its bytes are not at archive/" in done.stdout


def test_a_subject_that_a_search_would_miss_is_named_and_corrected(start_receiver: Any) -> None:
    receiver: Receiver = start_receiver({})
    receiver.row(receiver.accepted("CreateQuote", quote("Q-hidden")))
    until_worked_off(receiver)
    row, *_ = receiver.written("search", subject="Q-hidden")
    receiver.tables.get_table_client("search").delete_entity(row["PartitionKey"], row["RowKey"])
    done = called(receiver, verify.main, "--repair")
    assert done.exit_code == 1
    assert "\nthe search index lacks rows of quote Q-hidden\n" in done.stdout
    assert "Corrected the search index of 1 subject." in done.stdout
    assert called(receiver, verify.main).exit_code == 0


def test_what_is_named_may_hold_any_characters(start_receiver: Any) -> None:
    receiver: Receiver = start_receiver({})
    receiver.row(receiver.accepted("CreateQuote", quote("Q[/x]")))
    (row,) = receiver.written("timeline", subject="Q[/x]")
    receiver.tables.get_table_client("timeline").delete_entity(row["PartitionKey"], row["RowKey"])
    assert "the timeline of quote Q[/x] lacks it" in called(receiver, verify.main).stdout
    asked = called(receiver, replay.main, "--open", "--queue", "[/x]", "--url", receiver.host.url)
    assert asked.exit_code == ExitCode.REFUSED
    assert "No subscription is named [/x]. The subscriptions are printiq-events." in asked.stdout
    mine = row["id"]
    refused = called(receiver, replay.main, mine, "--queue", "[/x]", "--url", receiver.host.url)
    assert "No subscription sends CreateQuote to [/x]." in refused.stdout
    unknown = called(receiver, replay.main, "[/x]", "--url", receiver.host.url)
    assert unknown.exit_code == ExitCode.UNREACHABLE
    assert "/api/deliveries/[/x]/replay answered 404" in unknown.stdout


def test_a_person_is_shown_first_and_erased_when_it_is_meant(own: Receiver) -> None:
    body = json.dumps({"ContactKey": 77, "Email": "aroha@example.com"}).encode()
    theirs = own.accepted("CreateCustomerContact", body)
    own.row(theirs)
    own.written("records", PartitionKey="contact")
    shown = called(own, erase.main, "--subject", "contact/77")
    assert theirs in shown.stdout
    assert "1 delivery would be erased" in shown.stdout
    assert called(own, erase.main, "--subject", "contact/77", "--yes").exit_code == 2
    done = called(own, erase.main, "--subject", "contact/77", "--yes", "--reason", "asked for")
    assert "Erased 1 delivery," in done.stdout
    assert own.rows("records", PartitionKey="contact") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Name the person to erase"),
        (["--subject", "contact"], "Write KIND/KEY"),
        (["--subject", "person/7"], "Write KIND/KEY"),
        (["--subject", ""], "Write KIND/KEY"),
        (["--subject", "contact/ "], "needs its key"),
        (["--text", ""], "at least 3 characters"),
        (["--text", "  a  "], "at least 3 characters"),
        (["--subject", "contact/78", "--text", " "], "at least 3 characters"),
    ],
)
def test_the_person_to_erase_has_to_be_named(own: Receiver, arguments: list[str], message: str) -> None:
    done = called(own, erase.main, *arguments, "--yes", "--reason", "asked for")
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
