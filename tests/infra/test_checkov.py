"""checkov finds nothing in Bicep or Terraform that is not explained where it stands."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.published import INFRA, environment_of, program

SKIP = re.compile(r"checkov:skip=(\w+): *(.*)")


def _checkov(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the results by framework."""
    environment = environment_of("checkov==3.3.30")
    command = [program(environment, "python"), program(environment, "checkov"), f"--directory={folder}"]
    command += ["--framework", "bicep", "terraform", "--skip-download", "--compact", "--output", "json"]
    alone = {
        name: value for name, value in os.environ.items() if not name.startswith(("BC_", "CKV_", "PRISMA_"))
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=alone)
    assert done.stdout.startswith(("[", "{")), done.stdout + done.stderr
    found = json.loads(done.stdout)
    return {each["check_type"]: each for each in (found if isinstance(found, list) else [found])}


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, Any]]:
    return _checkov(INFRA)


@pytest.mark.parametrize("framework", ["bicep", "terraform"])
def test_every_file_was_read_and_nothing_was_found(
    results: dict[str, dict[str, Any]], framework: str
) -> None:
    found = results[framework]
    assert found["results"]["parsing_errors"] == []
    assert [
        f"{each['check_id']} {each['resource']}: {each['check_name']}"
        for each in found["results"]["failed_checks"]
    ] == []
    assert found["summary"]["passed"] > 20


def test_every_skip_has_its_reason() -> None:
    for file in [*INFRA.rglob("*.bicep"), *INFRA.rglob("*.tf")]:
        for check, reason in SKIP.findall(file.read_text("utf-8")):
            assert len(reason.split()) > 3, f"{file.name}: {check}"


def test_a_weakness_would_be_found(tmp_path: Path) -> None:
    for name, right, wrong in (
        ("app/function-app.bicep", "httpsOnly: true", "httpsOnly: false"),
        ("terraform/storage.tf", '"TLS1_2"', '"TLS1_0"'),
    ):
        (tmp_path / name).parent.mkdir()
        text = (INFRA / name).read_text("utf-8")
        assert right in text
        (tmp_path / name).write_text(text.replace(right, wrong, 1), "utf-8")
    found = _checkov(tmp_path)
    assert found["bicep"]["results"]["failed_checks"]
    assert found["terraform"]["results"]["failed_checks"]
