"""The recipes of the docs run as they are, on what the app sent."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from receiver import Receiver, marked, sample

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"
TWO_QUEUES = """
[queues.printiq-switch]
events = ["CreateJobXml"]
[queues.printiq-invoices]
events = ["ExportInvoice"]
"""


@pytest.fixture(scope="module")
def own(start_receiver: Any) -> Receiver:  # noqa: ANN401 - a function
    receiver: Receiver = start_receiver({"SUBSCRIPTIONS": TWO_QUEUES})
    return receiver


def run(recipe: str, folder: Path, queue: str, receiver: Receiver) -> str:
    done = subprocess.run(
        [sys.executable, str(RECIPES / recipe), str(folder), "--queue", queue, "--once"],
        env={**os.environ, "PRINTIQ_STORAGE": receiver.storage},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_new_jobs_lie_in_the_hot_folder_of_switch_each_once(own: Receiver, tmp_path: Path) -> None:
    for name in ("job-88kb-annual-report", "job-24kb-leaflets", "job-24kb-leaflets"):
        own.row(own.accepted("CreateJobXml", sample("CreateJobXml", name)), "sent", "duplicate")
    assert "2 jobs handed to Switch." in run("to_switch.py", tmp_path, "printiq-switch", own)
    files = {path.name: json.loads(path.read_text("utf-8")) for path in tmp_path.glob("*.json")}
    assert {name.removesuffix(".json") for name in files} == {each["JobNumber"] for each in files.values()}
    assert len(files) == 2
    assert "0 jobs" in run("to_switch.py", tmp_path, "printiq-switch", own)


def test_an_invoice_becomes_a_file_for_accounting(own: Receiver, tmp_path: Path) -> None:
    body = marked(sample("ExportInvoice"), "recipe")
    own.row(own.accepted("ExportInvoice", body))
    assert "1 invoices exported." in run("to_accounting.py", tmp_path, "printiq-invoices", own)
    (file,) = tmp_path.glob("*.csv")
    with file.open(encoding="utf-8-sig", newline="") as opened:
        rows = list(csv.DictReader(opened))
    invoice = json.loads(body)
    assert len(rows) == len(invoice["InvoiceDetails"])
    assert rows[0]["InvoiceNumber"] == invoice["INVInvoiceNumber"]
