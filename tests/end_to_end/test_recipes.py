"""The recipes of the docs run as they are, on what the app sent."""

import base64
import contextlib
import csv
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient
from receiver import CORPUS, Json, Receiver, sample

from tools.host.azurite import Azurite, install
from tools.host.testing import free_port

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "docs" / "recipes"
TWO_QUEUES = """
[queues.printiq-switch]
events = ["CreateJobXml"]
[queues.printiq-invoices]
events = ["ExportInvoice"]
"""


@pytest.fixture(scope="module")
def own(start_receiver: Any) -> Receiver:
    receiver: Receiver = start_receiver({"SUBSCRIPTIONS": TWO_QUEUES})
    return receiver


def started(recipe: str, folder: Path, queue: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(RECIPES / recipe), str(folder), "--queue", queue, "--once"],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True)
class Recipe:
    """A recipe, the event that it handles, and a state of one subject as the event's body."""

    script: str
    event: str
    queue: str
    file: str
    body: Callable[[str], bytes]

    def run(self, receiver: Receiver, folder: Path) -> subprocess.CompletedProcess[str]:
        done = started(self.script, folder, self.queue, PRINTIQ_STORAGE=receiver.storage)
        assert done.returncode == 0, done.stderr
        return done

    def count(self, receiver: Receiver, folder: Path) -> int:
        """Run it, and return how many events it says that it handled."""
        return int(self.run(receiver, folder).stdout.rpartition(": ")[2])


def invoice(reference: str = "", **changes: Any) -> bytes:
    return json.dumps(
        {**json.loads(sample("ExportInvoice")), "INVInvoiceReference": reference, **changes}
    ).encode()


def job(title: str) -> bytes:
    return f"<Job><JobNumber>J88-01</JobNumber><Title>{title}</Title></Job>".encode()


SWITCH = Recipe("to_switch.py", "CreateJobXml", "printiq-switch", "J88-01.json", job)
ACCOUNTING = Recipe("to_accounting.py", "ExportInvoice", "printiq-invoices", "INV-0041877.csv", invoice)
both = pytest.mark.parametrize("recipe", [SWITCH, ACCOUNTING], ids=["switch", "accounting"])


def sent(receiver: Receiver, recipe: Recipe, body: bytes) -> str:
    """Send an event, wait until its message lies in the recipe's queue, and return its id."""
    return str(receiver.row(receiver.accepted(recipe.event, body))["id"])


def lifted(receiver: Receiver, queue: str) -> list[str]:
    """Take all messages out of a queue, as they are."""
    client = receiver.queues.get_queue_client(queue)
    try:
        messages = list(client.receive_messages())
        for message in messages:
            client.delete_message(message)
    except ResourceNotFoundError:
        return []
    return [message.content for message in messages]


def put(receiver: Receiver, queue: str, *texts: str) -> None:
    client = receiver.queues.get_queue_client(queue)
    with contextlib.suppress(ResourceExistsError):
        client.create_queue()
    for text in texts:
        client.send_message(text)


@both
def test_a_redelivered_message_has_no_effect(recipe: Recipe, own: Receiver, tmp_path: Path) -> None:
    sent(own, recipe, recipe.body("redelivered"))
    (text,) = lifted(own, recipe.queue)
    put(own, recipe.queue, text)
    assert recipe.count(own, tmp_path) == 1
    (tmp_path / recipe.file).unlink()
    put(own, recipe.queue, text)
    assert recipe.count(own, tmp_path) == 0
    assert not (tmp_path / recipe.file).exists()


@both
def test_a_replay_acts_again_to_the_same_end(recipe: Recipe, own: Receiver, tmp_path: Path) -> None:
    first = sent(own, recipe, recipe.body("replayed"))
    assert recipe.count(own, tmp_path) == 1
    before = (tmp_path / recipe.file).read_bytes()
    (tmp_path / recipe.file).unlink()
    answer = httpx.post(f"{own.host.url}/api/deliveries/{first}/replay", json={"queues": [recipe.queue]})
    own.row(answer.raise_for_status().json()["id"])
    assert recipe.count(own, tmp_path) == 1
    assert (tmp_path / recipe.file).read_bytes() == before


@both
def test_an_older_state_after_a_newer_one_is_ignored(recipe: Recipe, own: Receiver, tmp_path: Path) -> None:
    for state in ("the older", "the newer"):
        sent(own, recipe, recipe.body(state))
    older, newer = lifted(own, recipe.queue)
    put(own, recipe.queue, newer, older)
    done = recipe.run(own, tmp_path)
    assert done.stdout.rpartition(": ")[2] == "1\n"
    assert "older than what was handled; ignored" in done.stderr
    text = (tmp_path / recipe.file).read_text("utf-8")
    assert "the newer" in text
    assert "the older" not in text


@both
def test_a_duplicate_is_passed_over(recipe: Recipe, own: Receiver, tmp_path: Path) -> None:
    sent(own, recipe, recipe.body("told twice"))
    own.row(own.accepted(recipe.event, recipe.body("told twice")), "duplicate")
    assert recipe.count(own, tmp_path) == 1


@both
def test_messages_that_are_no_events_are_set_aside_and_block_nothing(
    recipe: Recipe, own: Receiver, tmp_path: Path
) -> None:
    lifted(own, f"{recipe.queue}-poison")
    strangers = [
        "not base64",
        *(base64.b64encode(body).decode() for body in (b"\xff", b"{", b"[]", b'{"id": 1}')),
    ]
    put(own, recipe.queue, *strangers)
    sent(own, recipe, recipe.body("behind strangers"))
    assert recipe.count(own, tmp_path) == 1
    assert lifted(own, f"{recipe.queue}-poison") == strangers
    assert lifted(own, recipe.queue) == []


def test_a_folder_that_switch_watches_holds_whole_jobs_and_nothing_else(
    own: Receiver, tmp_path: Path
) -> None:
    for name in ("job-88kb-annual-report", "job-24kb-leaflets", "job-24kb-leaflets"):
        own.row(own.accepted("CreateJobXml", sample("CreateJobXml", name)), "sent", "duplicate")
    folder = tmp_path / "hot-folder"
    assert SWITCH.count(own, folder) == 2
    files = {path.name: json.loads(path.read_text("utf-8")) for path in folder.iterdir()}
    assert {name.removesuffix(".json") for name in files} == {each["JobNumber"] for each in files.values()}
    assert len(files) == 2
    assert SWITCH.count(own, folder) == 0


def test_two_jobs_never_share_a_file(own: Receiver, tmp_path: Path) -> None:
    for number in ("J9/1", "J9_1", "J9%2F1"):
        sent(own, SWITCH, f"<Job><JobNumber>{number}</JobNumber></Job>".encode())
    assert SWITCH.count(own, tmp_path) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"J9%2F1.json", "J9_1.json", "J9%252F1.json"}


def test_a_job_without_a_number_is_handed_on_by_its_id(own: Receiver, tmp_path: Path) -> None:
    body = b"<Job><Title>No number</Title><Config><MeasurementType>Metric</MeasurementType></Config></Job>"
    job = own.accepted("CreateJobXml", body)
    assert "subject" not in own.row(job)
    assert SWITCH.count(own, tmp_path) == 1
    assert json.loads((tmp_path / f"{job}.json").read_text("utf-8"))["Title"] == "No number"


def test_what_fails_is_tried_again_and_after_five_tries_set_aside(own: Receiver, tmp_path: Path) -> None:
    in_the_way, other = (
        own.row(own.accepted("CreateJobXml", f"<Job><JobNumber>{number}</JobNumber></Job>".encode()))
        for number in ("J1-01", "J2-01")
    )
    (tmp_path / "J1-01.json").mkdir()
    done = SWITCH.run(own, tmp_path)
    assert "Jobs handed to Switch: 1" in done.stdout
    assert "Try 1 failed; it comes again" in done.stderr
    assert (tmp_path / f"{other['subject']}.json").is_file()
    queue = own.queues.get_queue_client("printiq-switch")
    assert queue.get_queue_properties().approximate_message_count == 1
    # its lease is five minutes: the same message anew, and handed out three times meanwhile
    lifted(own, "printiq-switch-poison")
    queue.clear_messages()
    replay = httpx.post(f"{own.host.url}/api/deliveries/{in_the_way['id']}/replay", json={})
    own.row(replay.raise_for_status().json()["id"])
    for _ in range(4):
        (message,) = queue.receive_messages()
        queue.update_message(message, visibility_timeout=0)
    assert "it failed 5 times" in SWITCH.run(own, tmp_path).stderr
    assert len(lifted(own, "printiq-switch-poison")) == 1
    assert queue.get_queue_properties().approximate_message_count == 0


def books(folder: Path) -> dict[str, list[dict[str, str]]]:
    """Return the rows of each CSV file, by the invoice's number."""
    found = {}
    for path in folder.glob("*.csv"):
        with path.open(encoding="utf-8-sig", newline="") as opened:
            rows = list(csv.DictReader(opened))
        found[rows[0]["InvoiceNumber"]] = rows
    return found


def test_every_invoice_of_the_corpus_is_booked_exactly_or_set_aside(own: Receiver, tmp_path: Path) -> None:
    bodies = [
        path.read_bytes()
        for path in sorted((CORPUS / "ExportInvoice").iterdir())
        if not path.name.endswith(".expected.json")
    ]
    ids = [own.accepted("ExportInvoice", body) for body in bodies]
    for each in ids:
        own.row(each, "sent", "duplicate")
    texts = lifted(own, "printiq-invoices")
    events = [json.loads(base64.b64decode(text)) for text in texts]
    put(own, "printiq-invoices", *texts)
    done = ACCOUNTING.run(own, tmp_path)
    booked = books(tmp_path)
    why = dict(re.findall(r"printiq-invoices-poison: (\S+): ([A-Za-z ]+)", done.stderr))
    assert set(why.values()) == {
        "INVInvoiceDate is no date",
        "INVInvoiceSubTotal is no amount",
        "nothing for InvoiceNumber",
        "there are no lines",
    }
    for event in events:
        each = event["data"]
        assert (each["INVInvoiceNumber"] in booked) != (event.get("subject", event["id"]) in why)
        rows = booked.get(each["INVInvoiceNumber"])
        if rows is None:
            continue
        net = sum(Decimal(row["Quantity"]) * Decimal(row["UnitAmount"]) for row in rows)
        tax = sum(Decimal(row["TaxAmount"]) for row in rows)
        assert (net, tax, net + tax) == tuple(
            Decimal(each[f"INVInvoice{part}"]) for part in ("SubTotal", "GST", "Total")
        )
        assert {row["Total"] for row in rows} == {each["INVInvoiceTotal"]}
    (credit,) = booked["CN-0002214"]
    assert (credit["Quantity"], credit["UnitAmount"], credit["TaxAmount"]) == ("1", "-96", "-14.40")
    assert (credit["InvoiceDate"], credit["DueDate"]) == ("11/08/2025", "20/09/2025")


LINE = json.loads(sample("ExportInvoice"))["InvoiceDetails"][0]
NOT_BOOKED: list[tuple[str, Json]] = [
    ("subtotal 1284.5 and tax 192.67 do not come to the total", {"INVInvoiceGST": 192.67}),
    ("the lines come to 1150, the subtotal is 1284.5", {"InvoiceDetails": [LINE]}),
    ("IsCreditNote is True, the total 1477.175", {"IsCreditNote": True}),
    ("INVInvoiceTotal is no amount: None", {"INVInvoiceTotal": None}),
    (
        "the lines' rates do not come to the tax, 192.675",
        {"InvoiceDetails": [{**LINE, "IDTPrice_ForeignAmount": 1284.5, "IDTGSTRate": 0.125}]},
    ),
    ("nothing for Currency", {"CurCode": None}),
    ("printIQ reports a tax error: no such code", {"TaxIntegrationError": "no such code"}),
]


def test_what_does_not_add_up_is_set_aside_with_the_reason(own: Receiver, tmp_path: Path) -> None:
    lifted(own, "printiq-invoices-poison")
    for number, (_, changes) in enumerate(NOT_BOOKED):
        sent(own, ACCOUNTING, invoice(**{"INVInvoiceNumber": f"BAD-{number}", **changes}))
    done = ACCOUNTING.run(own, tmp_path)
    for number, (reason, _) in enumerate(NOT_BOOKED):
        assert f"BAD-{number}: {reason}" in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert len(lifted(own, "printiq-invoices-poison")) == len(NOT_BOOKED)


def test_tax_in_percent_or_as_a_fraction_comes_to_the_same(own: Receiver, tmp_path: Path) -> None:
    """Three lines of 33.35 at 15 %: a third of the tax has more digits than a cent."""
    line = {**LINE, "IDTPrice_ForeignAmount": "33.35"}
    totals = {"INVInvoiceSubTotal": "100.05", "INVInvoiceGST": "15.01", "INVInvoiceTotal": "115.06"}
    for number, rate in (("T-1", 15), ("T-2", 0.15)):
        lines = [{**line, "IDTGSTRate": rate}] * 3
        sent(own, ACCOUNTING, invoice(INVInvoiceNumber=number, InvoiceDetails=lines, **totals))
    ACCOUNTING.run(own, tmp_path)
    for rows in (found := books(tmp_path)).values():
        assert [row["TaxAmount"] for row in rows] == ["5.00", "5.00", "5.01"]
    assert set(found) == {"T-1", "T-2"}


@pytest.mark.skipif(sys.platform == "win32", reason="the invented az is a shell script")
def test_an_identity_opens_queue_and_archive_where_there_is_no_key(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    _write_az(tmp_path)
    options = (
        "--oauth=basic",
        f"--cert={tmp_path / 'cert.pem'}",
        f"--key={tmp_path / 'key.pem'}",
    )
    program = install(ROOT / ".local" / "azurite", print)
    with Azurite(program, free_port(3), tmp_path / "azurite", options=options) as azurite:
        storage = azurite.connection_string.replace("http", "https")
        trusting: Any = {"connection_verify": str(tmp_path / "ca.pem")}
        blobs = BlobServiceClient.from_connection_string(storage, **trusting)
        archive = blobs.create_container("archive")
        archive.upload_blob("CreateJobXml/1.data.json", b'{"Title": "Far away"}')
        queue = QueueClient.from_connection_string(storage, "printiq-switch", **trusting)
        queue.create_queue()
        event = {
            "id": "1",
            "type": "com.printiq.CreateJobXml",
            "sequence": "1",
            "delivery": "1",
            # whichever host a message names, the token goes to the account that the consumer knows
            "dataref": "https://elsewhere.example/archive/CreateJobXml/1.data.json",
        }
        queue.send_message(base64.b64encode(json.dumps(event).encode()).decode())
        endpoint = (archive.url.removesuffix("/archive"), queue.url.removesuffix("/printiq-switch"))
        done = started(
            "to_switch.py",
            tmp_path / "switch",
            "printiq-switch",
            PRINTIQ_STORAGE=f"BlobEndpoint={endpoint[0]};QueueEndpoint={endpoint[1]}",
            REQUESTS_CA_BUNDLE=str(tmp_path / "ca.pem"),
            PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            AZURE_TOKEN_CREDENTIALS="AzureCliCredential",
        )
        assert done.returncode == 0, done.stderr
        assert "1: Far away" in done.stdout
        assert queue.get_queue_properties().approximate_message_count == 0


def _write_az(folder: Path) -> None:
    """Write an `az` that is signed in: its tokens are of the form that Azurite looks at."""
    now = int(time.time())
    claims = {
        "aud": "https://storage.azure.com",
        "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/",
        "nbf": now - 60,
        "iat": now - 60,
        "exp": now + 3600,
    }
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims, "unsigned"))
    token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    answer = {"accessToken": token, "expires_on": now + 3600, "tokenType": "Bearer"}
    az = folder / "az"
    az.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    az.chmod(0o755)
