"""checkov finds nothing in Bicep or Terraform that is not explained where it stands.

Its parser of Bicep knows no user-defined types, so it reads what Bicep makes: the kept snapshots, in the form
of templates. A `checkov:skip` in a Bicep file is for the resource around it.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.bicep_cli import Snapshot, kept_snapshot
from infra.published import INFRA, environment_of, program

pytestmark = pytest.mark.slow

SKIP = re.compile(r"checkov:skip=(\w+): *(.*)")
SKIPS_OF_RESOURCE = re.compile(
    r"^resource \w+ '([\w./]+)@[^\n]+\n((?: +// checkov:skip[^\n]+\n)+)", re.MULTILINE
)
TIERS = ("uat", "prod")


def _template(snapshot: Snapshot) -> str:
    schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
    resources = snapshot["predictedResources"]
    return json.dumps({"$schema": schema, "contentVersion": "1.0.0.0", "resources": resources}, indent=1)


def _checkov(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the results by framework."""
    environment = environment_of(Path(__file__).parent / "checkov" / "requirements.txt")
    command = [program(environment, "python"), program(environment, "checkov"), f"--directory={folder}"]
    command += ["--framework", "arm", "terraform", "--skip-download", "--compact", "--output", "json"]
    alone = {
        name: value for name, value in os.environ.items() if not name.startswith(("BC_", "CKV_", "PRISMA_"))
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=alone)
    assert done.stdout.startswith(("[", "{")), done.stdout + done.stderr
    found = json.loads(done.stdout)
    return {each["check_type"]: each for each in (found if isinstance(found, list) else [found])}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("checkov")
    for tier in TIERS:
        (folder / f"{tier}.json").write_text(_template(kept_snapshot(INFRA, tier)), "utf-8")
    shutil.copytree(INFRA / "terraform", folder / "terraform")
    return _checkov(folder)


@pytest.mark.parametrize("framework", ["arm", "terraform"])
def test_every_file_was_read(results: dict[str, dict[str, Any]], framework: str) -> None:
    found = results[framework]
    assert found["results"]["parsing_errors"] == []
    assert found["summary"]["passed"] > 20


def test_nothing_was_found_in_terraform(results: dict[str, dict[str, Any]]) -> None:
    assert [
        f"{each['check_id']} {each['resource']}: {each['check_name']}"
        for each in results["terraform"]["results"]["failed_checks"]
    ] == []


def test_nothing_was_found_in_what_bicep_makes_that_is_not_skipped(
    results: dict[str, dict[str, Any]],
) -> None:
    skipped = {
        (check, resource_type)
        for file in INFRA.rglob("*.bicep")
        for resource_type, comments in SKIPS_OF_RESOURCE.findall(file.read_text("utf-8"))
        for check, _ in SKIP.findall(comments)
    }
    found = {
        (each["check_id"], each["resource"].rpartition(".")[0])
        for each in results["arm"]["results"]["failed_checks"]
    }
    assert found == skipped


def test_every_skip_has_its_reason() -> None:
    for file in [*INFRA.rglob("*.bicep"), *INFRA.rglob("*.tf")]:
        for check, reason in SKIP.findall(file.read_text("utf-8")):
            assert len(reason.split()) > 3, f"{file.name}: {check}"


def test_a_weakness_would_be_found(tmp_path: Path) -> None:
    snapshot = kept_snapshot(INFRA, "prod")
    site = next(each for each in snapshot["predictedResources"] if each["type"] == "Microsoft.Web/sites")
    site["properties"]["httpsOnly"] = False
    (tmp_path / "prod.json").write_text(_template(snapshot), "utf-8")
    text = (INFRA / "terraform" / "storage.tf").read_text("utf-8")
    assert '"TLS1_2"' in text
    (tmp_path / "storage.tf").write_text(text.replace('"TLS1_2"', '"TLS1_0"', 1), "utf-8")
    found = _checkov(tmp_path)
    assert "CKV_AZURE_14" in {each["check_id"] for each in found["arm"]["results"]["failed_checks"]}
    assert found["terraform"]["results"]["failed_checks"]
