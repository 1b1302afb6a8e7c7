"""The names that have to agree: what Bicep makes and what Terraform makes, each as the same sets."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from infra import bicep_source
from infra.arm_types import Code, Value

# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
BUILT_IN_ROLES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
}

DATA = "AzureWebJobsStorage"  # the accounts go by the connection that the app has to them
DROPS = "HOT_FOLDER"


class Role(NamedTuple):
    """Who may do what, and where."""

    who: str
    role: str
    where: str


class Names(NamedTuple):
    """Every name that more than one side knows. Storage names go with their account."""

    containers: frozenset[tuple[str, str]]
    queues: frozenset[tuple[str, str]]
    tables: frozenset[tuple[str, str]]
    settings: frozenset[str]
    roles: frozenset[Role]
    outputs: frozenset[str]


def from_bicep(infra: Path) -> Names:
    """Read the names out of the Bicep files, with production's result queues."""
    profile = json.loads((infra / "environments" / "prod.json").read_text("utf-8"))
    stored: dict[str, set[tuple[str, str]]] = {"containers": set(), "queues": set(), "tables": set()}
    for file, account in (("storage", DATA), ("hot-folder", DROPS)):
        for resource in bicep_source.resources(infra / "app" / f"{file}.bicep"):
            kind = resource.type.rpartition("/")[2]
            if kind in stored:
                name = resource.body["name"]
                names = profile["resultQueues"] if name == Code("queue") else [name]
                stored[kind] |= {(account, str(each)) for each in names}
    function_app = infra / "app" / "function-app.bicep"
    optional = [bicep_source.variable(function_app, name) for name in ("subscriptionsSetting", "ftpSetting")]
    return Names(
        containers=frozenset(stored["containers"]),
        queues=frozenset(stored["queues"]),
        tables=frozenset(stored["tables"]),
        settings=frozenset(_names([bicep_source.variable(function_app, "settings"), optional])),
        roles=frozenset(_bicep_roles(infra / "app" / "rbac.bicep")),
        outputs=frozenset(bicep_source.outputs(infra / "main.bicep")),
    )


def _names(lists: list[Value]) -> set[str]:
    return {
        str(row["name"]) for rows in lists if isinstance(rows, list) for row in rows if isinstance(row, dict)
    }


def _bicep_roles(file: Path) -> set[Role]:
    guids = bicep_source.variable(file, "role")
    assert isinstance(guids, dict)
    places = {"storage": DATA, "hotFolder": DROPS, "storage::blobs::deadLetter": "event-grid-dead-letter"}
    people = {"appPrincipalId": "app", "systemTopicPrincipalId": "event grid"}
    found = set()
    for resource in bicep_source.resources(file):
        if resource.type == "Microsoft.Authorization/roleAssignments":
            properties, scope = resource.body["properties"], resource.body["scope"]
            assert isinstance(properties, dict)
            assert isinstance(scope, Code)
            who, definition = properties["principalId"], properties["roleDefinitionId"]
            assert isinstance(who, Code)
            assert isinstance(definition, Code)
            key = re.findall(r"\brole\.(\w+)", definition.text)[0]
            where = places.get(scope.text, scope.text)
            found.add(Role(people[who.text], BUILT_IN_ROLES[str(guids[key])], where))
    return found


def from_terraform(state: dict[str, Any]) -> Names:
    """Read the names out of what Terraform has worked out, with everything optional switched on."""
    resources = state["root_module"]["resources"]
    values = {found["address"]: found["values"] for found in resources}
    places = {
        values["azurerm_storage_account.main"]["id"]: DATA,
        values["azurerm_storage_account.hot_folder"]["id"]: DROPS,
        values["azurerm_application_insights.main"]["id"]: "applicationInsights",
        values["azurerm_key_vault.main"]["id"]: "vault",
        values["azurerm_storage_container.dead_letter"]["id"]: "event-grid-dead-letter",
    }
    people = {
        values["azurerm_user_assigned_identity.app"]["principal_id"]: "app",
        values["azurerm_eventgrid_system_topic.hot_folder"]["identity"][0]["principal_id"]: "event grid",
    }

    def stored(kind: str) -> frozenset[tuple[str, str]]:
        of_kind = [found["values"] for found in resources if found["type"] == f"azurerm_storage_{kind}"]
        return frozenset((places[found["storage_account_id"]], found["name"]) for found in of_kind)

    site = values["azapi_resource.function_app"]["body"]["properties"]["siteConfig"]
    assigned = [found["values"] for found in resources if found["type"] == "azurerm_role_assignment"]
    return Names(
        containers=stored("container"),
        queues=stored("queue"),
        tables=stored("table"),
        settings=frozenset(setting["name"] for setting in site["appSettings"]),
        roles=frozenset(
            Role(people[each["principal_id"]], each["role_definition_name"], places[each["scope"]])
            for each in assigned
        ),
        outputs=frozenset(state["outputs"]),
    )
