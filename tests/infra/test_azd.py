"""azure.yaml: what azd reads, and what it would do by default."""

import re
import tomllib
from typing import Any

import pytest
import yaml

from infra.published import INFRA, ROOT


@pytest.fixture(scope="module")
def azure_yaml() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / "azure.yaml").read_text("utf-8"))
    return read


def test_an_azd_that_ignores_funcignore_is_refused(azure_yaml: dict[str, Any]) -> None:
    """https://github.com/Azure/azure-dev/pull/5383; 5446, also in 1.18.0, is what main.bicepparam needs."""
    assert azure_yaml["requiredVersions"]["azd"] == ">= 1.18.0"


def test_the_packages_are_built_in_azure(azure_yaml: dict[str, Any]) -> None:
    assert azure_yaml["services"]["receiver"]["remoteBuild"] is True


def test_azd_finds_the_template_and_the_app(azure_yaml: dict[str, Any]) -> None:
    infra = azure_yaml["infra"]
    assert (ROOT / infra["path"] / f"{infra['module']}.bicep").exists()
    assert (ROOT / infra["path"] / f"{infra['module']}.bicepparam").exists()
    # azd looks for the app by this tag
    for file in ("main.bicep", "terraform/function_app.tf"):
        tag = re.findall(r"azd-service-name\W+(\w+)", (INFRA / file).read_text("utf-8"))
        assert set(tag) <= set(azure_yaml["services"]), file
        assert tag, file


def test_the_version_is_that_of_the_project(azure_yaml: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert azure_yaml["metadata"]["template"] == f"{project['name']}@{project['version']}"


def test_no_address_of_an_app_is_made_up() -> None:
    """New apps have a random part in their host name, and sovereign clouds have other domains."""
    files = [*INFRA.rglob("*.bicep"), *INFRA.rglob("*.tf"), *INFRA.rglob("*.py")]
    assert [file.name for file in files if "azurewebsites.net" in file.read_text("utf-8")] == []
