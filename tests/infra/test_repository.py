"""The files of the repository itself: pipelines, editors, what a package is made of."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.published import INFRA, ROOT
from tools.commands.lock import LOCKS

ISSUE_FORMS = ("defect.yml", "new-event-or-field.yml")
WITH_COMMENTS = [ROOT / ".devcontainer" / "devcontainer.json", *sorted((ROOT / ".vscode").glob("*.json"))]
DEPLOYING = [ROOT / ".github" / "workflows" / "azure-dev.yml", ROOT / ".azdo" / "pipelines" / "deploy.yml"]


def _yaml(file: Path) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    return read


SCHEMAS = {
    "github-workflows": sorted((ROOT / ".github" / "workflows").glob("*.yml")),
    "github-issue-forms": [ROOT / ".github" / "ISSUE_TEMPLATE" / name for name in ISSUE_FORMS],
    "github-issue-config": [ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml"],
    "dependabot": [ROOT / ".github" / "dependabot.yml"],
    "azure-pipelines": sorted((ROOT / ".azdo" / "pipelines").glob("*.yml")),
}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_yaml_is_what_its_reader_takes(tmp_path: Path, schema: str) -> None:
    files = []
    for file in SCHEMAS[schema]:
        # the schema of Azure's pipelines knows no task of an extension
        text = file.read_text("utf-8").replace("task: setup-azd@1", "bash: 'true'")
        files.append(tmp_path / file.name)
        files[-1].write_text(text, "utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--regex-variant=python"]
    done = subprocess.run(
        [*command, f"--builtin-schema=vendor.{schema}", *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_hooks_before_a_commit_run_programs_that_are_installed() -> None:
    (repository,) = _yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    for hook in repository["hooks"]:
        folder, _, program = hook["entry"].split()[0].rpartition("/")
        assert folder == ".venv/bin"
        assert shutil.which(program, path=Path(sys.executable).parent), hook["id"]


@pytest.mark.parametrize("file", WITH_COMMENTS, ids=lambda file: file.name)
def test_json_can_be_read(file: Path) -> None:
    assert json.loads(re.sub(r"^\s*//.*$", "", file.read_text("utf-8"), flags=re.MULTILINE))


PAGES = [*ROOT.glob("*.md")]
for folder in ("docs", "examples", "infra", "tests", "tools"):
    PAGES += (ROOT / folder).rglob("*.md")


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", page.read_text("utf-8"))
    for path, anchor in links:
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in _anchors(target), f"{path}#{anchor}"


def test_every_test_that_holds_a_promise_is_there() -> None:
    files = {file.name: file.read_text("utf-8") for file in (ROOT / "tests").rglob("*.py")}
    named = set(re.findall(r"\btest_\w+(?:\.py)?", (ROOT / "docs" / "reliability.md").read_text("utf-8")))
    tests = set(re.findall(r"\bdef (test_\w+)", "".join(files.values())))
    assert named - tests - files.keys() == set()


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


AUDIT = ROOT / ".github" / "workflows" / "audit.yml"


def _npm_locks() -> list[str]:
    """Return every package-lock.json. git is not asked: in a container of GitHub it refuses the checkout."""
    found = (
        file.relative_to(ROOT) for folder in ROOT.glob("[!.]*/") for file in folder.rglob("package-lock.json")
    )
    return [file.as_posix() for file in found if "node_modules" not in file.parts]


@pytest.mark.parametrize("ecosystem", ["uv", "npm"])
def test_every_lock_is_audited_and_updated(ecosystem: str) -> None:
    locks = list(LOCKS) if ecosystem == "uv" else _npm_locks()
    updates = _yaml(ROOT / ".github" / "dependabot.yml")["updates"]
    folders = next(each["directories"] for each in updates if each["package-ecosystem"] == ecosystem)
    for lock in locks:
        assert (lock if ecosystem == "uv" else f" {Path(lock).parent}") in AUDIT.read_text("utf-8")
        assert "/" + str(Path(lock).parent).removeprefix(".") in folders


@pytest.mark.skipif(sys.platform == "win32", reason="the pipeline runs it by bash")
@pytest.mark.parametrize("step", ["Python packages", "npm packages"])
@pytest.mark.parametrize(
    ("reachable", "vulnerable", "outcome"),
    [(True, True, (1, False)), (True, False, (0, False)), (False, True, (0, True))],
)
def test_an_audit_fails_for_a_vulnerability_and_says_when_it_is_skipped(
    tmp_path: Path, step: str, *, reachable: bool, vulnerable: bool, outcome: tuple[int, bool]
) -> None:
    for name, fails in {
        "curl": not reachable,
        "pip": False,
        "pip-audit": vulnerable,
        "npm": vulnerable,
    }.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nexit {int(fails)}\n", "utf-8")
        program.chmod(0o755)
    (script,) = [each["run"] for each in _yaml(AUDIT)["jobs"]["audit"]["steps"] if each.get("name") == step]
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, b"::warning title=Skipped::" in done.stdout) == outcome


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
