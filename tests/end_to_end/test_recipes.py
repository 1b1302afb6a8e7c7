"""The recipes of the docs run as they are, on what the app sent."""

import base64
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import trustme
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient
from receiver import Receiver, marked, sample

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


def run(recipe: str, folder: Path, queue: str, receiver: Receiver) -> str:
    done = started(recipe, folder, queue, PRINTIQ_STORAGE=receiver.storage)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_new_jobs_lie_in_the_hot_folder_of_switch_each_once(own: Receiver, tmp_path: Path) -> None:
    for name in ("job-88kb-annual-report", "job-24kb-leaflets", "job-24kb-leaflets"):
        own.row(own.accepted("CreateJobXml", sample("CreateJobXml", name)), "sent", "duplicate")
    assert "Jobs handed to Switch: 2" in run("to_switch.py", tmp_path, "printiq-switch", own)
    files = {path.name: json.loads(path.read_text("utf-8")) for path in tmp_path.glob("*.json")}
    assert {name.removesuffix(".json") for name in files} == {each["JobNumber"] for each in files.values()}
    assert len(files) == 2
    assert "Jobs handed to Switch: 0" in run("to_switch.py", tmp_path, "printiq-switch", own)


def test_an_invoice_becomes_a_file_for_accounting(own: Receiver, tmp_path: Path) -> None:
    body = marked(sample("ExportInvoice"), "recipe")
    own.row(own.accepted("ExportInvoice", body))
    assert "Invoices exported: 1" in run("to_accounting.py", tmp_path, "printiq-invoices", own)
    (file,) = tmp_path.glob("*.csv")
    with file.open(encoding="utf-8-sig", newline="") as opened:
        rows = list(csv.DictReader(opened))
    invoice = json.loads(body)
    assert len(rows) == len(invoice["InvoiceDetails"])
    assert rows[0]["InvoiceNumber"] == invoice["INVInvoiceNumber"]


def test_a_job_without_a_number_is_handed_on_by_its_id(own: Receiver, tmp_path: Path) -> None:
    body = b"<Job><Title>No number</Title><Config><MeasurementType>Metric</MeasurementType></Config></Job>"
    job = own.accepted("CreateJobXml", body)
    assert "subject" not in own.row(job)
    assert "Jobs handed to Switch: 1" in run("to_switch.py", tmp_path, "printiq-switch", own)
    assert json.loads((tmp_path / f"{job}.json").read_text("utf-8"))["Title"] == "No number"


def test_a_job_that_cannot_be_handed_on_stays_in_the_queue_and_stops_no_other(
    own: Receiver, tmp_path: Path
) -> None:
    in_the_way, other = (
        own.row(own.accepted("CreateJobXml", f"<Job><JobNumber>{number}</JobNumber></Job>".encode()))
        for number in ("J1-01", "J2-01")
    )
    (tmp_path / "J1-01.json").mkdir()
    done = started("to_switch.py", tmp_path, "printiq-switch", PRINTIQ_STORAGE=own.storage)
    assert done.returncode == 0, done.stderr
    assert "Jobs handed to Switch: 1" in done.stdout
    assert f"{in_the_way['id']} failed; it comes again" in done.stderr
    assert (tmp_path / f"{other['subject']}.json").is_file()
    queue = own.queues.get_queue_client("printiq-switch")
    assert queue.get_queue_properties().approximate_message_count == 1


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
            "dataref": f"{archive.url}/CreateJobXml/1.data.json",
        }
        queue.send_message(base64.b64encode(json.dumps(event).encode()).decode())
        done = started(
            "to_switch.py",
            tmp_path / "switch",
            "printiq-switch",
            PRINTIQ_STORAGE=queue.url.removesuffix("/printiq-switch"),
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
