"""The contracts as documents: valid in themselves, true of every sample, and kept by the running app."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from openapi_spec_validator import validate

from events import EventType
from handlers.http.openapi import openapi_document
from handlers.http.routes import ROUTES
from tools.host.testing import StartHost

ROOT = Path(__file__).parents[3]
ADDRESS = "https://receiver.example/api/schemas/{}"


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


@pytest.mark.slow
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
