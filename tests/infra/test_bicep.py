"""Bicep: parsed strictly; types, API versions, properties and literals are compared with Microsoft's models.

No compiler can be had from a package registry, so what it would say of types in expressions is not checked.
Names are: each is declared, and each module gets the parameters that it declares.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import arm_types, bicep_source
from infra.published import INFRA

FILES = [INFRA / "main.bicep", *sorted((INFRA / "app").glob("*.bicep"))]

WRONG = {
    "a misspelt property": ("function-app", "httpsOnly: true", "httpOnly: true"),
    "a value that is not allowed": ("function-app", "ftpsState: 'Disabled'", "ftpsState: 'Off'"),
    "a misspelt property deep inside": ("function-app", "perInstanceConcurrency", "perInstanceConcurency"),
    "a text for a boolean": ("storage", "allowSharedKeyAccess: false", "allowSharedKeyAccess: 'false'"),
    "a missing property": ("storage", "  kind: 'StorageV2'\n", ""),
    "a misspelt type": ("storage", "'queues' =", "'queue' ="),
    "an API version that is not there": ("key-vault", "vaults@2025-05-01", "vaults@2025-05-02"),
    "a property of another filter": ("hot-folder-events", "values: ['PutBlob'", "value: ['PutBlob'"),
    "an unfinished line": ("alerts", "criteria: {", "criteria: "),
    "a name that is not declared": ("rbac", "principalId: appPrincipalId", "principalId: appPrincipal"),
}


def _problems(file: Path) -> Iterator[str]:
    try:
        resources = bicep_source.resources(file)
    except SyntaxError as error:
        yield str(error)
        return
    for resource in resources:
        if not resource.existing:
            yield from arm_types.problems(resource.type, resource.version, resource.body, resource.at)
    yield from bicep_source.undeclared(file)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_is_what_azure_takes(file: Path) -> None:
    assert list(_problems(file)) == []


@pytest.mark.parametrize("wrong", WRONG)
def test_refuses(tmp_path: Path, wrong: str) -> None:
    name, right, mistaken = WRONG[wrong]
    text = (INFRA / "app" / f"{name}.bicep").read_text("utf-8")
    assert right in text
    file = tmp_path / f"{name}.bicep"
    file.write_text(text.replace(right, mistaken, 1), "utf-8")
    assert list(_problems(file)) != []


def test_every_module_gets_its_parameters() -> None:
    for module in bicep_source.modules(INFRA / "main.bicep"):
        required, optional = bicep_source.parameters(module.file)
        assert required <= module.parameters <= required | optional, module.file.name


def test_every_output_of_a_module_that_is_used_is_there() -> None:
    modules = {module.symbol: module.file for module in bicep_source.modules(INFRA / "main.bicep")}
    for symbol, output in bicep_source.used_outputs(INFRA / "main.bicep"):
        assert output in bicep_source.outputs(modules[symbol]), f"{symbol}.outputs.{output}"


def test_azd_gives_every_parameter() -> None:
    given = json.loads((INFRA / "main.parameters.json").read_text("utf-8"))["parameters"]
    required, optional = bicep_source.parameters(INFRA / "main.bicep")
    assert required <= set(given) <= required | optional
