"""Terraform: checked by Terraform's core against the published schema of its providers.

The core knows every argument, its type, which are required, and every reference. It does not know allowed
values; those of the function app, written in the language of Azure's REST API, are checked against
Microsoft's models.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra import arm_types
from infra.published import INFRA
from infra.terraform_core import Outcome

FOLDERS = [INFRA / "terraform", INFRA / "terraform" / "hot_folder_events"]
type Run = Callable[..., Outcome]
type State = dict[str, Any]

FILTERS = """    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["archive/"]
    }
"""
WRONG = {
    "a misspelt argument": ("storage.tf", "shared_access_key_enabled ", "shared_access_keys_enabled "),
    "a wrong type": ("storage.tf", 'access_tier                      = "Hot"', 'access_tier = ["Hot"]'),
    "a reference to nothing": (
        "rbac.tf",
        "azurerm_user_assigned_identity.app.p",
        "azurerm_user_assigned_identity.ap.p",
    ),
    "an attribute that is not there": ("rbac.tf", "app.principal_id", "app.principle_id"),
    "a missing argument": ("storage.tf", "  account_tier                     = local.storage_sku[0]\n", ""),
    "a misspelt block": ("hot_folder.tf", "  identity {", "  identitty {"),
    "a missing block": ("storage.tf", FILTERS, ""),
    "a misspelt resource": (
        "storage.tf",
        '"azurerm_storage_table" "records"',
        '"azurerm_storage_tabel" "records"',
    ),
    "a misspelt argument of azapi": ("function_app.tf", "response_export_values", "response_export_value"),
}


def test_is_formatted_as_terraform_formats(run: Run) -> None:
    outcome = run(INFRA / "terraform", "fmt", "-check", "-diff", "-recursive")
    assert outcome.code == 0, outcome.text


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_is_valid(run: Run, folder: Path) -> None:
    outcome = run(folder, "validate", "-no-color")
    assert outcome.code == 0, outcome.text


@pytest.mark.parametrize("wrong", WRONG)
def test_the_core_refuses(run: Run, copy_of_infra: Callable[[], Path], wrong: str) -> None:
    name, right, mistaken = WRONG[wrong]
    file = copy_of_infra() / "terraform" / name
    text = file.read_text("utf-8")
    assert right in text
    file.write_text(text.replace(right, mistaken, 1), "utf-8")
    outcome = run(file.parent, "validate", "-no-color")
    assert outcome.code == 1, outcome.text


def test_uat_and_production_can_be_applied(states: dict[str, State]) -> None:
    """Every assertion of terraform/tests holds; a run without a state has failed."""
    assert set(states) == {"uat", "prod"}


def test_options_reach_the_resources(everything_on: State) -> None:
    resources = {found["address"]: found["values"] for found in everything_on["root_module"]["resources"]}
    site = resources["azapi_resource.function_app"]["body"]["properties"]["siteConfig"]
    assert site["ipSecurityRestrictionsDefaultAction"] == "Deny"
    assert [rule["ipAddress"] for rule in site["ipSecurityRestrictions"]] == [
        "AzureEventGrid",
        "203.0.113.7/32",
        "198.51.100.0/24",
    ]
    assert resources["azurerm_storage_account.hot_folder"]["sftp_enabled"] is True
    assert resources["azurerm_storage_account_local_user.sftp[0]"]["ssh_password_enabled"] is False


def test_what_azapi_sends_is_what_azure_takes(states: dict[str, State], everything_on: State) -> None:
    found = []
    for state in [*states.values(), everything_on]:
        for resource in state["root_module"]["resources"]:
            if resource["type"] in {"azapi_resource", "azapi_update_resource"}:
                resource_type, _, version = resource["values"]["type"].partition("@")
                sent = {
                    name: value
                    for name, value in resource["values"].items()
                    if name in {"location", "tags"} and value
                }
                body = resource["values"]["body"] | sent
                found += arm_types.problems(resource_type, version, body, resource["address"])
    assert found == []
