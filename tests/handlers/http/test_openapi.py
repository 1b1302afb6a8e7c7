"""The contracts as documents: valid in themselves, true of every sample, and kept by the running app."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from telling import CORPUS

from events import Channel, Delivery, Event, EventType, Payload, parse
from handlers.http.openapi import DIALECT, data_schema, openapi_document
from handlers.http.routes import ROUTES
from tools.host.testing import StartHost

ROOT = Path(__file__).parents[3]
ADDRESS = "https://receiver.example/api/schemas/{}"
SAMPLES = sorted(
    path
    for path in CORPUS.glob("[!_]*/*")
    if path.suffix in {".json", ".xml"} and not path.name.endswith(".expected.json")
)


def read(path: Path) -> Event[Payload]:
    return parse(
        Delivery(
            id="01989765-1d49-7000-8000-000000000001",
            event=path.parent.name,
            body=path.read_bytes(),
            channel=Channel.WEBHOOK,
            received_at=datetime(2025, 8, 11, tzinfo=UTC),
        )
    )


def without_tolerance(schema: Any) -> Any:
    """Return a schema that no longer allows what could not be read to stay as it came."""
    if isinstance(schema, dict):
        return {
            name: [without_tolerance(each) for each in value if each not in (True, {})]
            if name == "anyOf"
            else without_tolerance(value)
            for name, value in schema.items()
        }
    return [without_tolerance(each) for each in schema] if isinstance(schema, list) else schema


@pytest.mark.parametrize("event", EventType)
def test_each_schema_keeps_to_its_meta_schema(event: EventType) -> None:
    schema = data_schema(event, ADDRESS.format(event))
    assert schema["$schema"] == DIALECT
    assert schema["$id"] == f"https://receiver.example/api/schemas/{event}"
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_data_of_each_sample_keeps_to_the_schema_of_its_event(path: Path) -> None:
    event = read(path)
    data = json.loads(event.data)
    schema = data_schema(event.type, ADDRESS.format(event.type))
    Draft202012Validator(schema).validate(data)
    if not any("kept as it came" in warning.message for warning in event.warnings):
        Draft202012Validator(without_tolerance(schema)).validate(data)


def test_a_value_of_another_type_is_told_by_the_schema_without_tolerance() -> None:
    schema = without_tolerance(data_schema(EventType.EXPORT_INVOICE, ADDRESS.format("ExportInvoice")))
    errors = list(Draft202012Validator(schema).iter_errors({"INVID": "x", "InvoiceDetails": 7}))
    assert [error.json_path for error in errors] == ["$.INVID", "$.InvoiceDetails"]


def test_the_openapi_document_keeps_to_its_meta_schema() -> None:
    validate(openapi_document(ROUTES, "https://receiver.example/api"))


def test_the_app_publishes_its_contracts_and_has_the_routes_of_the_table(start_host: StartHost) -> None:
    host = start_host(ROOT, settings={"WEBSITE_HOSTNAME": "receiver.example"})
    with httpx.Client(base_url=host.url, timeout=60) as client:
        document = client.get("/api/openapi.json").json()
        listed = client.get("/api/schemas").json()["schemas"]
        quote = client.get("/api/schemas/createquote")
        unknown = client.get("/api/schemas/CreateQoute")
    assert document == openapi_document(ROUTES, "https://receiver.example/api")
    assert [each["event"] for each in listed] == list(EventType)
    assert quote.headers["Content-Type"] == "application/schema+json"
    assert quote.json()["$id"] == listed[3]["schema"] == ADDRESS.format("CreateQuote")
    assert "Did you mean CreateQuote" in unknown.json()["detail"]
    assert host.ready["routes"] == [f"{route.method} /api/{route.path}" for route in ROUTES]


@pytest.mark.budget
def test_schemathesis_finds_nothing_in_the_running_app(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host(ROOT, "--keys")
    keys = json.loads((host.log_file.parent / "state" / "keys.json").read_text("utf-8"))
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            f"--config-file={Path(__file__).with_name('schemathesis.toml')}",
            "--no-color",
            "run",
            f"{host.url}/api/openapi.json",
            f"--url={host.url}/api",
            f"--header=x-functions-key: {keys['host']}",
            "--phases=coverage,fuzzing",
            "--max-examples=5",
            "--max-time=25",
            "--request-timeout=60",
            "--generation-database=none",
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
            "PYTHONPATH": str(Path(__file__).parent),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
