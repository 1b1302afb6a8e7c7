"""The files of the repository itself: pipelines, editors, what a package is made of."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.published import INFRA, ROOT
from tools.commands.lock import LOCKS

PIPELINES = [
    *sorted((ROOT / ".github").rglob("*.yml")),
    *sorted((ROOT / ".azdo").rglob("*.yml")),
    ROOT / ".pre-commit-config.yaml",
]
WITH_COMMENTS = [ROOT / ".devcontainer" / "devcontainer.json", *sorted((ROOT / ".vscode").glob("*.json"))]
DEPLOYING = [ROOT / ".github" / "workflows" / "azure-dev.yml", ROOT / ".azdo" / "pipelines" / "deploy.yml"]


def _yaml(file: Path) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    return read


@pytest.mark.parametrize("file", PIPELINES, ids=lambda file: file.name)
def test_yaml_can_be_read(file: Path) -> None:
    assert _yaml(file)


@pytest.mark.parametrize("file", WITH_COMMENTS, ids=lambda file: file.name)
def test_json_can_be_read(file: Path) -> None:
    assert json.loads(re.sub(r"^\s*//.*$", "", file.read_text("utf-8"), flags=re.MULTILINE))


def test_ci_runs_the_command_of_the_readme() -> None:
    command = "python3 dev.py test --all"
    assert command in (ROOT / "README.md").read_text("utf-8")
    for file in (".ci/run", ".github/workflows/ci.yml", ".azdo/pipelines/azure-dev.yml"):
        assert command in (ROOT / file).read_text("utf-8"), file


def _read_by_the_template() -> set[str]:
    text = (INFRA / "main.bicepparam").read_text("utf-8")
    return set(re.findall(r"readEnvironmentVariable\('(\w+)'", text))


def test_azd_hands_every_parameter_to_the_pipeline() -> None:
    """`azd pipeline config` sets its own variables, and those that azure.yaml names."""
    own = {"AZURE_ENV_NAME", "AZURE_LOCATION"}
    assert set(_yaml(ROOT / "azure.yaml")["pipeline"]["variables"]) == _read_by_the_template() - own


@pytest.mark.parametrize("file", DEPLOYING, ids=lambda file: file.name)
def test_a_pipeline_gives_every_parameter(file: Path) -> None:
    given = set(re.findall(r"^ +([A-Z_]+): \$[({]", file.read_text("utf-8"), re.MULTILINE))
    assert _read_by_the_template() <= given


def test_every_lock_is_audited_and_updated() -> None:
    audit = (ROOT / ".github" / "workflows" / "audit.yml").read_text("utf-8")
    updates = _yaml(ROOT / ".github" / "dependabot.yml")["updates"]
    folders = next(update["directories"] for update in updates if update["package-ecosystem"] == "pip")
    for lock in LOCKS:
        assert lock in audit
        assert "/" + str(Path(lock).parent).removeprefix(".") in folders


def test_the_sample_settings_are_enough_for_core_tools() -> None:
    values = json.loads((ROOT / "local.settings.sample.json").read_text("utf-8"))["Values"]
    assert values["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert {"AzureWebJobsStorage", "HOT_FOLDER"} <= set(values)


def test_the_bicep_that_is_installed_is_one_version_everywhere() -> None:
    """The snapshots are those of one version of the compiler."""
    files = ["CONTRIBUTING.md", ".devcontainer/devcontainer.json", ".github/workflows/ci.yml"]
    files.append(".azdo/pipelines/azure-dev.yml")
    versions = {
        found for name in files for found in re.findall(r"v(0\.\d+\.\d+)", (ROOT / name).read_text("utf-8"))
    }
    assert versions == {"0.49.2"}
