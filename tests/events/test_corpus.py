"""What each sample of the corpus becomes, and that the corpus is complete.

`dev.py test -n 0 tests/events/test_corpus.py --write-expected` writes the expected files anew. Read what
changed: it is what consumers receive.
"""

import json
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from deliveries import CORPUS, read, refused, sample_id, samples

from events import Event, EventError, EventType, Format, Payload
from events.catalogue import payload_types
from events.models import Job

LONGEST_TEXT = 1_000


def short(value: Any) -> Any:
    """Name long texts (thumbnails) by their length and digest, so that a person can read the rest."""
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"({len(value):,} characters, blake2b {blake2b(value.encode(), digest_size=16).hexdigest()})"
    if isinstance(value, dict):
        return {name: short(item) for name, item in value.items()}
    if isinstance(value, list):
        return [short(item) for item in value]
    return value


def outcome(event: Event[Payload]) -> dict[str, Any]:
    return {
        "object": event.payload.OBJECT,
        "subjects": [f"{subject.kind} {subject.key}" for subject in event.subjects],
        "warnings": [f"{warning.pointer} {warning.message}".lstrip() for warning in event.warnings],
        "data": short(json.loads(event.data)),
    }


def written(value: object) -> str:
    # As text, so that the order of names and the forms of numbers count too.
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


@pytest.mark.parametrize("path", samples(), ids=sample_id)
def test_a_sample_becomes_what_its_expected_file_says(path: Path, request: pytest.FixtureRequest) -> None:
    found = outcome(read(path.parent.name, path.read_bytes()))
    expected = path.with_name(f"{path.stem}.expected.json")
    if request.config.getoption("--write-expected"):
        expected.write_text(written(found), encoding="utf-8", newline="\n")
    assert expected.exists(), f"write {expected.name} with --write-expected, then read it"
    assert written(found) == expected.read_text(encoding="utf-8")


def test_no_expected_file_is_left_without_its_sample() -> None:
    expected = {
        path.with_name(path.name.removesuffix(".expected.json")) for path in CORPUS.glob("*/*.expected.json")
    }
    assert expected == {path.with_suffix("") for path in samples()}


@pytest.mark.parametrize("path", refused(), ids=sample_id)
def test_a_refused_sample_is_refused_as_its_about_file_says(path: Path) -> None:
    about = json.loads(path.with_name(f"{path.stem}.about.json").read_text(encoding="utf-8"))
    with pytest.raises(EventError) as refusal:
        read(about["event"], path.read_bytes())
    (problem,) = refusal.value.problems
    assert refusal.value.status == about["status"]
    assert about["says"].lower() in problem.message.lower()
    assert about["pointer"] in {None, problem.pointer}


@pytest.mark.parametrize("event", EventType)
def test_every_event_has_a_typical_sample(event: EventType) -> None:
    suffix = event.wire_format
    typical = CORPUS / event / f"typical.{suffix}"
    assert typical.exists(), f"add tests/corpus/{event}/typical.{suffix}: see the corpus's README"
    assert read(event, typical.read_bytes()).warnings == ()


def test_every_folder_of_the_corpus_is_an_event() -> None:
    assert {path.name for path in CORPUS.iterdir() if path.is_dir()} == {*EventType, "_refused"}


# Samples of a form alone, without amounts.
NO_AMOUNTS = {"dates-narrow-blanks", "default-date", "error-message-without-error", "more-fields"}
INVOICES = [path for path in samples() if path.parent.name == "ExportInvoice" and path.stem not in NO_AMOUNTS]


@pytest.mark.parametrize("path", INVOICES, ids=sample_id)
def test_an_invoice_adds_up(path: Path) -> None:
    data = json.loads(read("ExportInvoice", path.read_bytes()).data)
    net, tax, total = (Decimal(data[f"INVInvoice{part}"]) for part in ("SubTotal", "GST", "Total"))
    assert net + tax == total
    assert total - Decimal(data["INVAmountPaid"]) == Decimal(data["InvoiceRemaining"])
    assert data["IsCreditNote"] is (total < 0)
    for list_name, sums in (
        ("InvoiceDetails", {"IDTPrice_ForeignAmount": net}),
        ("InvoiceSummaryDetails", {"Price_ExTax": net, "Price_Tax": tax, "Price_IncTax": total}),
    ):
        for field, wanted in sums.items() if data[list_name] else ():
            assert sum(Decimal(line[field]) for line in data[list_name]) == wanted, field


TWINS = [
    path.with_suffix("")
    for path in samples()
    if path.with_suffix(".xml") in samples() and path.suffix == ".json"
]


@pytest.mark.parametrize("twin", TWINS, ids=sample_id)
def test_twins_give_the_same_bytes_and_the_same_message(twin: Path) -> None:
    from_json, from_xml = (
        read(twin.parent.name, twin.with_suffix(suffix).read_bytes()) for suffix in (".json", ".xml")
    )
    assert (from_json.format, from_xml.format) == (Format.JSON, Format.XML)
    assert from_json.data == from_xml.data
    assert from_json.digest == from_xml.digest
    assert from_json.subjects == from_xml.subjects
    assert from_json.warnings == from_xml.warnings


@pytest.mark.parametrize("model", [model for model in payload_types() if model is not Job])
def test_every_object_has_twins(model: type[Payload]) -> None:
    assert any(model in EventType.named(twin.parent.name).payloads for twin in TWINS)
