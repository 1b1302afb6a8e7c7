"""Blob triggers run as Microsoft's do; each test quotes what was observed of the genuine host."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from sample import Sample

from tools.host.blobs import Announcement, _pattern, is_run
from tools.host.testing import StartHost, wait_until

EVENT_GRID = {"DROPS_SOURCE": "EventGrid"}


def test_a_blob_that_the_path_names_is_handled_once_until_it_changes(
    start_host: StartHost, storage: str
) -> None:
    sample = Sample(start_host, storage)
    first = sample.start()
    sample.drop("orders/a b é.xml", "not asked for")
    sample.drop("orders/a b é.txt", "one")
    note = wait_until(lambda: sample.notes("drop"))[0]
    assert note == {"by": "drop", "name": "drops/orders/a b é.txt", "text": "one", "length": 3}
    first.stop()
    sample.start()
    sample.drop("orders/b.txt", "two")
    wait_until(lambda: len(sample.notes("drop")) > 1)
    sample.drop("orders/a b é.txt", "three")
    wait_until(lambda: len(sample.notes("drop")) > 2)
    assert [note["text"] for note in sample.notes("drop")] == ["one", "two", "three"]


def test_a_blob_that_fails_five_times_is_named_in_the_poison_queue_of_its_own_account(
    start_host: StartHost, storage: str, other_storage: str
) -> None:
    """Quote: "five tries in half a second, then poison"; "in the **data** account, base64, 7 days"."""
    host_side = Sample(start_host, storage)
    sample = Sample(start_host, other_storage)
    host_side.start(settings={"DROPS": other_storage})
    sample.drop("orders/a.txt", "please fail")
    (message,) = wait_until(lambda: sample.taken("webjobs-blobtrigger-poison"))
    named = json.loads(base64.b64decode(message.content))
    assert (named["ContainerName"], named["BlobName"]) == ("drops", "orders/a.txt")
    assert message.expires_on
    assert message.inserted_on
    assert (message.expires_on - message.inserted_on).days == 7
    assert len(host_side.notes("drop")) == 5
    assert not host_side.messages("webjobs-blobtrigger-poison")
    sample.drop("orders/b.txt", "fine")
    wait_until(lambda: len(host_side.notes("drop")) > 5)
    assert host_side.notes("drop")[-1]["text"] == "fine"


def test_a_message_of_a_blob_is_base64_of_indented_json_with_a_quoted_etag() -> None:
    """Quote: "indented JSON (`Type, FunctionId, BlobType, ContainerName, BlobName, ETag` with quotes)"."""
    text = base64.b64decode(Announcement("drop", "drops", "a.txt", '"0x1"').encode()).decode()
    assert text.splitlines()[1:] == [
        '  "Type": "BlobTrigger",',
        '  "FunctionId": "Host.Functions.drop",',
        '  "BlobType": "BlockBlob",',
        '  "ContainerName": "drops",',
        '  "BlobName": "a.txt",',
        '  "ETag": "\\"0x1\\""',
        "}",
    ]


def test_a_blob_in_work_when_the_host_dies_is_run_again_when_its_message_comes_back(
    start_host: StartHost, storage: str
) -> None:
    """Quote: "no second message after restart: … run again when the message is visible, 600 s later"."""
    sample = Sample(start_host, storage)
    first = sample.start("--lease=6")
    sample.drop("orders/a.txt", "sleep 60")
    wait_until(lambda: sample.notes("drop"))
    first.kill()
    second = sample.start("--lease=6")
    sample.drop("orders/b.txt", "b")
    wait_until(lambda: len(sample.notes("drop")) == 3)
    assert sorted(note["text"] for note in sample.notes("drop")) == ["b", "sleep 60", "sleep 60"]
    wait_until(lambda: "try 2" in second.log())


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("/a.txt", False),
        ("x/", False),
        ("x/./a.txt", False),
        ("../a.txt", False),
        ("x/..", False),
        ("x/a\nb.txt", False),
        ("x/a.txt\r", False),
        ("x//a.txt", True),
        ("x/..a.txt", True),
        ("x/a.", True),
    ],
)
def test_some_names_are_never_run(name: str, run: bool) -> None:
    """Quote: "leading or trailing `/`, a segment `.` or `..`, a line break: skipped in silence"."""
    assert is_run(name) == run


def test_a_name_that_is_never_run_is_not_announced(start_host: StartHost, storage: str) -> None:
    sample = Sample(start_host, storage)
    for name in ("x/a\nb.txt", "/x/a.txt", "x//a.txt"):
        sample.drop(name, name)
    sample.start()
    wait_until(lambda: sample.notes("drop"))
    sample.drop("x/last.txt", "last")
    wait_until(lambda: len(sample.notes("drop")) == 2)
    assert {note["text"] for note in sample.notes("drop")} == {"x//a.txt", "last"}


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("a/b/c.txt", {"folder": "a/b", "file": "c"}),
        ("a/.txt", {"folder": "a", "file": ""}),
        ("a.txt", None),
        ("a/b.TXT", None),
    ],
)
def test_a_path_splits_at_the_last_slash_and_its_parameters_may_be_empty(
    name: str, bound: dict[str, str] | None
) -> None:
    """Quote: "greedy, takes slashes; `{a}/{b}` splits at the last slash; case-sensitive; … may be empty"."""
    match = _pattern("{folder}/{file}.txt").fullmatch(name)
    assert (match and match.groupdict()) == bound


def event(url: str, kind: str = "Microsoft.Storage.BlobCreated") -> Mapping[str, Any]:
    return {"eventType": kind, "subject": "any", "data": {"api": "PutBlob", "url": url}}


class EventGrid:
    """What Event Grid does for a sample app whose blob trigger it feeds."""

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        self.host = sample.start(settings=EVENT_GRID)

    def send(
        self, *events: Mapping[str, Any], kind: str = "Notification", function: str = "Host.Functions.drop"
    ) -> httpx.Response:
        return httpx.post(
            f"{self.host.url}/runtime/webhooks/blobs",
            params={"functionName": function},
            headers={"aeg-event-type": kind},
            json=events,
            timeout=60,
        )

    def url(self, name: str, container: str = "drops") -> str:
        return str(self.sample.blobs.get_blob_client(container, name).url)


@pytest.fixture
def grid(start_host: StartHost, storage: str) -> EventGrid:
    return EventGrid(Sample(start_host, storage))


def test_event_grid_announces_by_the_webhook_and_nobody_lists(grid: EventGrid) -> None:
    """Quote: "answers 202 and queues the same message; validation 200; other `aeg-event-type` 400".

    And: "no listing (existing files are never run)"; "an event twice is two runs"; "a BlobDeleted whose blob
    exists is run".
    """
    sample = grid.sample
    sample.drop("x/silent.txt", "never announced")
    sample.drop("x/é 1.txt", "one")
    validation = grid.send({"data": {"validationCode": "c"}}, kind="SubscriptionValidation")
    assert (validation.status_code, validation.json()) == (200, {"validationResponse": "c"})
    assert grid.send(kind="Unsubscribe").status_code == 400
    assert grid.send(event(grid.url("x/é 1.txt"))).status_code == 202
    assert wait_until(lambda: sample.notes("drop"))[0]["name"] == "drops/x/é 1.txt"
    grid.send(event(grid.url("x/é 1.txt"), "Microsoft.Storage.BlobDeleted"))
    wait_until(lambda: len(sample.notes("drop")) == 2)
    assert {note["text"] for note in sample.notes("drop")} == {"one"}


def test_event_grid_checks_nothing(grid: EventGrid) -> None:
    """Quote: "another container is not filtered (a bound `{name}` then fails five times: poison)"."""
    sample = grid.sample
    assert grid.send(event(grid.url("x/1.txt")), function="Host.Functions.nope").status_code == 202
    assert grid.send(event(grid.url("x/gone.txt"))).status_code == 202
    assert grid.send(event(grid.url("x/1.txt", "elsewhere"))).status_code == 202
    (poison,) = wait_until(lambda: sample.messages("webjobs-blobtrigger-poison"))
    named = json.loads(base64.b64decode(poison))
    assert (named["ContainerName"], named["ETag"]) == ("elsewhere", None)
    assert not sample.notes("drop")
