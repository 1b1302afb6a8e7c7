"""`dev.py drift` and `dev.py adopt`: how a shop learns what its own printIQ sends, and teaches the models."""

import json
import re
from pathlib import Path

import httpx
import pytest
from bench import without
from command_line import ROOT, copy_project, dev
from receiver import Receiver

from events import Channel, Delivery, differences, parse
from events.differences import Differences
from handlers.ids import time_of
from tools.commands._invented import Inventor
from tools.host.testing import HostProcess, StartHost, wait_until

CORPUS = ROOT / "tests" / "corpus"
SAMPLES = sorted(
    path
    for path in CORPUS.glob("[!_]*/*")
    if path.suffix in {".json", ".xml"}
    and not path.name.endswith(".expected.json")
    # to the inventor a document inside a text is a text
    and path.stem not in {"json-in-member", "json-in-string", "xml-in-soap", "xml-in-string"}
)


def send(host: HostProcess, event: str, body: bytes) -> str:
    with httpx.Client(base_url=f"{host.url}/api", timeout=60) as client:
        delivery_id = str(client.post(f"/webhooks/{event}", content=body).json()["id"])
        wait_until(lambda: client.get(f"/deliveries/{delivery_id}").status_code == 200)
    return delivery_id


def form(event: str, body: bytes) -> Differences:
    delivery_id = "01989765-1d49-7000-8000-000000000001"
    came = Delivery(
        id=delivery_id, event=event, body=body, channel=Channel.WEBHOOK, received_at=time_of(delivery_id)
    )
    return differences(parse(came).payload)


def test_drift_shows_unknown_fields_and_a_backtest_what_a_changed_model_would_do(
    start_host: StartHost, tmp_path: Path
) -> None:
    host = start_host(ROOT)
    assert dev("drift", "--url", host.url).returncode == 0
    body = {"Code": "KOWSEED", "Nickname": "Jo Bloggs", "Loyalty": "007"}
    send(host, "CreateCustomer", json.dumps(body).encode())
    send(host, "CreateQuote", b"not JSON")
    wait_until(lambda: httpx.get(f"{host.url}/api/drift", timeout=60).json()["events"])
    shown = dev("drift", "--url", host.url, "--json")
    assert shown.returncode == 1
    assert [each["field"] for each in json.loads(shown.stdout)[0]["unknown"]] == ["Loyalty", "Nickname"]
    assert "Bloggs" not in shown.stdout

    unchanged = dev("drift", "--backtest", "--url", host.url)
    assert unchanged.returncode == 0, unchanged.stdout
    assert "2 payloads, exactly" in unchanged.stdout

    copy_project(tmp_path)
    model = tmp_path / "events" / "models" / "customer.py"
    changed_model = model.read_text("utf-8").replace(
        "    Fax: Text = None\n", "    Loyalty: Integer = None\n"
    )
    model.write_text(f"from events.values import Integer\n{changed_model}", "utf-8")
    changed = dev("drift", "--backtest", "--url", host.url, "--json", folder=tmp_path)
    assert changed.returncode == 1, changed.stderr
    changes = json.loads(changed.stdout)["changes"]
    assert [(each["field"], each["before"], each["after"]) for each in changes] == [("Loyalty", "007", 7)]


def test_what_is_too_large_to_be_read_is_skipped_and_counted(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host(ROOT, settings={"MAX_BODY_BYTES": "1000"})
    send(host, "CreateCustomer", b'{"Code": "KOWSEED"}')
    large = send(host, "CreateCustomer", json.dumps({"Code": "KOWSEED", "Notes": "x" * 1000}).encode())
    tested = dev("drift", "--backtest", "--url", host.url)
    assert tested.returncode == 0, tested.stdout
    assert "too large for the app to read: 1." in tested.stdout
    assert "1 payload, exactly" in tested.stdout
    answer = json.loads(dev("drift", "--backtest", "--url", host.url, "--json").stdout)
    assert (answer["parsed"], answer["notKept"], answer["tooLarge"]) == (1, 0, 1)
    adopted = dev("adopt", large, "--corpus", str(tmp_path), "--url", host.url)
    assert adopted.returncode == 1
    assert "too many to show here" in adopted.stdout


def test_an_app_whose_storage_fails_is_quoted(start_host: StartHost, storage: str) -> None:
    host = start_host(ROOT, settings={"AzureWebJobsStorage": without(storage, "Table")})
    for command in (["drift"], ["adopt", "01a20c5b-d87b-7fc6-beab-10d18cdc4ed9"]):
        answer = dev(*command, "--url", host.url)
        assert answer.returncode == 3
        assert "503 Service Unavailable. Storage does not respond." in " ".join(answer.stdout.split())


def test_adopt_saves_the_form_of_a_payload_without_its_data(receiver: Receiver, tmp_path: Path) -> None:
    host = receiver.host
    body = (CORPUS / "CreateJobXml" / "typical.xml").read_bytes()
    delivery_id = send(host, "CreateJobXml", body)
    done = dev("adopt", delivery_id, "--name", "ours", "--corpus", str(tmp_path), "--url", host.url)
    assert done.returncode == 0, done.stdout
    sample = (tmp_path / "CreateJobXml" / "ours.xml").read_bytes()
    assert [set(each) for each in form("CreateJobXml", sample)] == [
        set(each) for each in form("CreateJobXml", body)
    ]
    for personal in (b"KOWSEED", b"J29528", b"@kowhai", b"Wellington"):
        assert personal not in sample
    again = dev("adopt", delivery_id, "--name", "ours", "--corpus", str(tmp_path), "--url", host.url)
    assert again.returncode == 1
    assert "another --name" in again.stdout


def test_adopt_says_why_it_cannot(receiver: Receiver, tmp_path: Path) -> None:
    host = receiver.host
    refused = send(host, "CreateQuote", b"not JSON")
    answer = dev("adopt", refused, "--corpus", str(tmp_path), "--url", host.url)
    assert answer.returncode == 1
    assert "refuse it" in answer.stdout
    unknown = dev("adopt", "01a20c5b-d87b-7fc6-beab-10d18cdc4ed9", "--url", host.url)
    assert unknown.returncode == 1
    assert not list(tmp_path.glob("Create*"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_invented_data_has_the_form_of_the_real(path: Path) -> None:
    body = path.read_bytes()
    invented = Inventor(b"seed").payload(body)
    before, after = form(path.parent.name, body), form(path.parent.name, invented)
    assert [set(each) for each in before] == [set(each) for each in after]


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        ("Kōwhai Seed", r"[A-Z]ö[a-z]{4} [A-Z][a-z]{3}"),
        ("J29328-01", r"[A-Z]\d{5}-0\d"),
        ("jo.bloggs@shop.co.nz", r"[a-z]{2}\.[a-z]{6}@example\.com"),
        ("https://shop.co.nz/a/jobs", r"https://example\.com/[a-z]/[a-z]{4}"),
        ("39.9500000000", r"\d\d\.\d{10}"),
        ("3f2504e0-4f89-41d3-9a0c-0305e82c3301", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    ],
)
def test_an_invented_value_has_the_same_form_and_says_nothing(value: str, pattern: str) -> None:
    invented = Inventor().value(value)
    assert re.fullmatch(pattern, invented)
    assert invented != value


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "Yes",
        "false",
        "-1",
        "0",
        "1",
        "2025-08-11T15:50:52.6970000Z",
        "20/06/24 12:00 PM",
        "00:   05",
    ],
)
def test_what_says_nothing_of_anybody_is_kept(value: str) -> None:
    assert Inventor().value(value) == value


def test_a_number_that_stands_in_two_places_still_does() -> None:
    inventor = Inventor()
    job, folder = inventor.value("J29328-01"), inventor.value(r"\\files\jobs\J29328-01")
    assert folder.endswith(rf"\{job}")
    assert Inventor().value("J29328-01") != job or Inventor().value("Q005218") != inventor.value("Q005218")
