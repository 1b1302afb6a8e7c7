"""`dev.py send --check` shows an operator whether a deployment works, and what does not."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from bench import without
from command_line import ROOT, dev, words
from receiver import Receiver, StartReceiver

from tools.host.testing import HostProcess, StartHost

# Another name of this machine: the command takes the app for one elsewhere, and asks its API.
ELSEWHERE = "127.1"


def check(
    url: str, *options: str, settings: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any], str]:
    """Run the command; return its exit code, its findings by part, and what else it says."""
    done = dev("send", "--check", "--json", f"--url={url}", *options, settings=settings)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {line["part"]: line for line in lines}, done.stderr


def elsewhere(host: HostProcess) -> str:
    return host.url.replace("127.0.0.1", ELSEWHERE)


@pytest.fixture(scope="module")
def guarded(start_receiver: StartReceiver) -> HostProcess:
    """Start the app so that it asks for keys."""
    return start_receiver({}, "--keys").host


def test_an_app_that_works_is_good_in_every_part(receiver: Receiver) -> None:
    settings = {"AzureWebJobsStorage": receiver.storage, "HOT_FOLDER": receiver.storage}
    code, findings, message = check(receiver.host.url, settings=settings)
    assert code == 0, (findings, message)
    assert list(findings) == ["health", "functions", "API", "webhook", "hot folder"]
    assert all(found["good"] for found in findings.values())
    for part, channel in (("webhook", "webhook"), ("hot folder", "hot-folder")):
        delivery_id = findings[part]["message"].partition(" ")[0]
        (row,) = receiver.written("timeline", id=delivery_id)
        assert (row["event"], row["subject"], row["channel"]) == ("ExpireQuote", "SMOKE-TEST", channel)
        assert row["status"] == "sent"


def test_an_app_elsewhere_is_asked_through_its_api(guarded: HostProcess) -> None:
    code, findings, message = check(elsewhere(guarded), f"--key={guarded.ready['keys']['host']}")
    assert code == 0, (findings, message)
    assert findings["keys"]["good"]
    assert "went to printiq-events" in findings["webhook"]["message"]
    assert findings["hot folder"]["good"] is None
    assert "HOT_FOLDER" in findings["hot folder"]["message"]


@pytest.mark.parametrize("key", ["wrong", None])
def test_a_wrong_key_is_reported_as_such(guarded: HostProcess, key: str | None) -> None:
    code, findings, _ = check(elsewhere(guarded), *([f"--key={key}"] if key else []))
    assert code == 1
    assert list(findings) == ["health", "functions", "API"]
    assert "key" in findings["API"]["message"]


@pytest.mark.parametrize(
    ("command", "code"),
    [(["send", "--check"], 1), (["send", "CreateQuote"], 3), (["drift"], 3), (["replay", "--open"], 3)],
    ids=["check", "send", "drift", "replay"],
)
def test_the_webhooks_own_key_is_reported_to_open_the_webhook_alone(
    guarded: HostProcess, command: list[str], code: int
) -> None:
    key = guarded.ready["keys"]["functions"]["webhook"]
    done = dev(*command, f"--url={elsewhere(guarded)}", f"--key={key}")
    assert done.returncode == code, done.stdout
    assert "is for that function alone: give a host key" in words(done.stdout)


def test_a_webhook_that_opens_without_a_key_is_not_good(receiver: Receiver) -> None:
    code, findings, message = check(elsewhere(receiver.host), "--key=some")
    assert code == 1
    assert findings["keys"]["good"] is False
    assert findings["webhook"]["good"]
    assert "Does not work: keys." in message


def test_storage_that_does_not_answer_is_reported_as_such(start_host: StartHost, storage: str) -> None:
    host = start_host(ROOT, settings={"AzureWebJobsStorage": without(storage, "Queue")})
    code, findings, _ = check(elsewhere(host))
    assert code == 1
    assert findings["health"]["good"] is False
    assert "storage" in findings["health"]["message"]


def test_nobody_there_is_an_exit_code_of_its_own() -> None:
    code, findings, message = check("http://127.0.0.1:9")
    assert (code, findings) == (3, {})
    assert "does not respond" in message


def test_the_check_chooses_its_event_itself() -> None:
    code, _, message = check("http://127.0.0.1:9", "CreateJob")
    assert code == 2
    assert "name nothing else" in words(message)
