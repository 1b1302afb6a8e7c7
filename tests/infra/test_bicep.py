"""Bicep: compiled and linted by Microsoft's own CLI, and compared with the snapshots that are kept."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.bicep_cli import FOR_NOBODY, bicep, new_snapshot
from infra.published import INFRA

ENTRY_POINTS = [INFRA / "main.bicep", INFRA / "app" / "hot-folder-events.bicep"]
PARAMETERS = [INFRA / "main.bicepparam", *sorted((INFRA / "snapshots").glob("*.bicepparam"))]
TIERS = ["uat", "prod"]
# What azd has in the environment: some of it is its own, the rest comes from `azd env set`.
ENVIRONMENT = {
    "AZURE_ENV_NAME": "printiq-uat",
    "AZURE_LOCATION": "australiaeast",
    "PRINTIQ_SITE": "acme-uat",
    "ALERT_EMAIL": "operators@example.com",
}

WRONG = {
    "a misspelt property": ("app/function-app.bicep", "httpsOnly: true", "httpOnly: true", "BCP089"),
    "a value that is not allowed": ("app/storage.bicep", "'Allow'", "'Alow'", "BCP088"),
    "a text for a boolean": (
        "app/storage.bicep",
        "allowSharedKeyAccess: false",
        "allowSharedKeyAccess: 'false'",
        "BCP036",
    ),
    "a missing property": ("app/storage.bicep", "  kind: 'StorageV2'\n", "", "BCP035"),
    "an API version that is not there": (
        "app/key-vault.bicep",
        "vaults@2025-05-01",
        "vaults@2025-05-02",
        "BCP081",
    ),
    "a name that is not declared": ("app/rbac.bicep", "name: identityName", "name: identityNam", "BCP057"),
    "a parameter of a module that is missing": (
        "main.bicep",
        "    planName: names.plan\n",
        "",
        "BCP035",
    ),
    "an output that a module lacks": (
        "main.bicep",
        "functionApp.outputs.url",
        "functionApp.outputs.uri",
        "BCP083",
    ),
    "a name that only a deployment knows": (
        "main.bicep",
        "identityName: names.identity",
        "identityName: functionApp.outputs.url",
        "what-if-short-circuiting",
    ),
    "a memory size that Azure does not offer": (
        "environments/prod.json",
        '"instanceMemoryMB": 2048',
        '"instanceMemoryMB": 1024',
        "BCP036",
    ),
    "a number for a text": (
        "environments/uat.json",
        '"quarantineStatus": ""',
        '"quarantineStatus": 202',
        "BCP036",
    ),
    "a misspelt key of the profile": ("environments/uat.json", '"dateOrder"', '"dateOrdr"', "BCP03"),
    "more instances than Azure offers": (
        "environments/prod.json",
        '"maximumInstanceCount": 100',
        '"maximumInstanceCount": 1001',
        "BCP327",
    ),
}


@pytest.mark.parametrize("file", ENTRY_POINTS, ids=lambda file: file.name)
def test_compiles_without_a_warning_with_every_rule_of_the_linter(file: Path) -> None:
    outcome = bicep("lint", file)
    assert outcome.code == 0
    assert outcome.problems == ""


@pytest.mark.parametrize("file", PARAMETERS, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_parameters_fit_the_template(file: Path) -> None:
    outcome = bicep("build-params", file, "--stdout", **ENVIRONMENT)
    assert outcome.code == 0, outcome.problems
    assert outcome.problems == ""


def test_is_formatted_as_bicep_formats(tmp_path: Path) -> None:
    formatted = shutil.copytree(INFRA, tmp_path / "infra")
    for pattern in ("**/*.bicep", "**/*.bicepparam"):
        outcome = bicep("format", "--pattern", formatted / pattern)
        assert outcome.code == 0, outcome.problems
        for file in INFRA.glob(pattern):
            right = (formatted / file.relative_to(INFRA)).read_text("utf-8")
            assert right == file.read_text("utf-8"), f"run: bicep format {file.relative_to(INFRA.parent)}"


def test_refuses_what_is_wrong(tmp_path: Path) -> None:
    """Copies with a mistake each are linted in one run: the compiler takes longest to start."""
    for wrong, (name, right, mistaken, _) in WRONG.items():
        file = shutil.copytree(INFRA, tmp_path / wrong.replace(" ", "-")) / name
        text = file.read_text("utf-8")
        assert right in text
        file.write_text(text.replace(right, mistaken, 1), "utf-8")
    problems = bicep("lint", "--pattern", tmp_path / "*" / "main.bicep").problems.splitlines()
    for wrong, (*_, code) in WRONG.items():
        place = str(tmp_path / wrong.replace(" ", "-")) + os.sep
        found = [line for line in problems if line.startswith(place)]
        assert code in "".join(found), (wrong, problems)


@pytest.mark.parametrize("tier", TIERS)
def test_the_snapshot_is_up_to_date(tier: str) -> None:
    """Bicep prints each difference, as a reviewer wants to read it."""
    outcome = bicep("snapshot", INFRA / "snapshots" / f"{tier}.bicepparam", *FOR_NOBODY, "--mode=validate")
    refresh = f"bicep snapshot infra/snapshots/{tier}.bicepparam {' '.join(FOR_NOBODY)} --mode=overwrite"
    assert outcome.code == 0, f"{outcome.out}\n{outcome.problems}\nIf this is what you want, run:\n{refresh}"


def test_a_change_of_a_number_is_a_difference(copy_of_infra: Callable[[], Path]) -> None:
    infra = copy_of_infra()
    new_snapshot(infra, "prod")
    profile = infra / "environments" / "prod.json"
    values = json.loads(profile.read_text("utf-8"))
    profile.write_text(json.dumps(values | {"maximumInstanceCount": 90}), "utf-8")
    outcome = bicep("snapshot", infra / "snapshots" / "prod.bicepparam", *FOR_NOBODY, "--mode=validate")
    assert outcome.code != 0
    assert "100 => 90" in outcome.out + outcome.problems


def test_every_rule_that_is_off_has_its_reason() -> None:
    rules = (INFRA / "bicepconfig.json").read_text("utf-8").splitlines()
    for number, line in enumerate(rules):
        if '"off"' in line:
            assert "//" in rules[number - 1] or '"off"' in rules[number - 1], line


def test_every_file_of_app_is_used() -> None:
    main = (INFRA / "main.bicep").read_text("utf-8")
    after_deployment = {"hot-folder-events.bicep"}
    for file in (INFRA / "app").glob("*.bicep"):
        assert f"'app/{file.name}'" in main or file.name in after_deployment, file.name
