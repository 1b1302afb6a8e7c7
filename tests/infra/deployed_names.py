"""What has to agree: what Bicep makes, what Terraform makes, each as the same sets of names."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from infra.bicep_cli import Resource, Snapshot, address

# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
BUILT_IN_ROLES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39": "Azure Service Bus Data Sender",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
}

DATA = "AzureWebJobsStorage"  # the accounts go by the connection that the app has to them
DROPS = "HOT_FOLDER"
PLACES = {
    "st": DATA,
    "sthot": DROPS,
    "appi-printiq-": "applicationInsights",
    "kv-": "vault",
    "sb-printiq-": "SERVICE_BUS",
}

IDENTITIES = {
    "/userAssignedIdentities/": "app",
    "Microsoft.EventGrid/systemTopics": "event grid",
    "Microsoft.Logic/workflows": "workflow",
}
ROLE_ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
SERVICE_BUS = "Microsoft.ServiceBus/namespaces"
STORAGE = "Microsoft.Storage/storageAccounts"
# What each resource of azurerm is to Azure.
TYPES = {
    "azurerm_application_insights": "Microsoft.Insights/components",
    "azurerm_eventgrid_system_topic": "Microsoft.EventGrid/systemTopics",
    "azurerm_key_vault": "Microsoft.KeyVault/vaults",
    "azurerm_log_analytics_workspace": "Microsoft.OperationalInsights/workspaces",
    "azurerm_management_lock": "Microsoft.Authorization/locks",
    "azurerm_monitor_action_group": "Microsoft.Insights/actionGroups",
    "azurerm_monitor_diagnostic_setting": "Microsoft.Insights/diagnosticSettings",
    "azurerm_monitor_metric_alert": "Microsoft.Insights/metricAlerts",
    "azurerm_monitor_scheduled_query_rules_alert_v2": "Microsoft.Insights/scheduledQueryRules",
    "azurerm_resource_group": "Microsoft.Resources/resourceGroups",
    "azurerm_role_assignment": ROLE_ASSIGNMENT,
    "azurerm_servicebus_namespace": SERVICE_BUS,
    "azurerm_servicebus_queue": f"{SERVICE_BUS}/queues",
    "azurerm_servicebus_subscription": f"{SERVICE_BUS}/topics/subscriptions",
    "azurerm_servicebus_topic": f"{SERVICE_BUS}/topics",
    "azurerm_storage_account": STORAGE,
    "azurerm_storage_account_local_user": f"{STORAGE}/localUsers",
    "azurerm_storage_container": f"{STORAGE}/blobServices/containers",
    "azurerm_storage_management_policy": f"{STORAGE}/managementPolicies",
    "azurerm_storage_queue": f"{STORAGE}/queueServices/queues",
    "azurerm_user_assigned_identity": "Microsoft.ManagedIdentity/userAssignedIdentities",
}
# They come with an account; azurerm has their properties on the account itself.
SERVICES = {f"{STORAGE}/{service}Services" for service in ("blob", "queue", "table")}
# Where a resource of Terraform names the one that it belongs to.
PARENTS = ("storage_account_id", "namespace_id", "topic_id", "target_resource_id", "scope", "parent_id")


class Role(NamedTuple):
    """Who may do what, and where."""

    who: str
    role: str
    where: str


class Names(NamedTuple):
    """Every name that more than one side knows. Storage names go with their account."""

    resources: frozenset[tuple[str, tuple[str, ...]]]
    containers: frozenset[tuple[str, str]]
    queues: frozenset[tuple[str, str]]
    tables: frozenset[tuple[str, str]]
    settings: frozenset[str]
    roles: frozenset[Role]
    outputs: frozenset[str]


def from_bicep(snapshot: Snapshot) -> Names:
    """Read the names out of what Bicep predicts."""
    resources = snapshot["predictedResources"]
    token = token_of(found["name"] for found in resources)
    addresses = {
        (found["type"], _without(token, address(found)))
        for found in resources
        if found["type"] not in {*SERVICES, ROLE_ASSIGNMENT}
    }
    assigned = [found for found in resources if found["type"] == ROLE_ASSIGNMENT]
    return _names(
        addresses,
        frozenset(setting["name"] for setting in _site(resources)["siteConfig"]["appSettings"]),
        frozenset(_bicep_role(found, token) for found in assigned),
        frozenset(snapshot["outputs"]),
    )


def from_terraform(state: dict[str, Any]) -> Names:
    """Read the names out of what Terraform has worked out."""
    resources = arm_resources(state)
    values = {found["address"]: found["values"] for found in state["root_module"]["resources"]}
    people = {
        values["azurerm_user_assigned_identity.app"]["principal_id"]: "app",
        values["azurerm_eventgrid_system_topic.hot_folder"]["identity"][0]["principal_id"]: "event grid",
    }
    if workflow := values.get("azapi_resource.workflow[0]"):
        people[workflow["identity"][0]["principal_id"]] = "workflow"
    site = values["azapi_resource.function_app"]["body"]["properties"]["siteConfig"]
    return _names(
        {(found.type, found.address) for found in resources if found.type != ROLE_ASSIGNMENT},
        frozenset(setting["name"] for setting in site["appSettings"]),
        frozenset(
            Role(
                people[found.values["principal_id"]],
                found.values["role_definition_name"],
                _place(found.address),  # it has no name of its own yet
            )
            for found in resources
            if found.type == ROLE_ASSIGNMENT
        ),
        frozenset(state["outputs"]),
    )


class TerraformResource(NamedTuple):
    """A resource of Terraform's, by the type and the address that Azure knows it by."""

    type: str
    address: tuple[str, ...]
    values: dict[str, Any]


def arm_resources(state: dict[str, Any]) -> list[TerraformResource]:
    """Return Terraform's resources as Azure knows them."""
    found = [each for each in state["root_module"]["resources"] if each["mode"] == "managed"]
    token = token_of(str(each["values"].get("name")) for each in found)
    by_id = {each["values"]["id"]: each for each in found}

    def names(resource: dict[str, Any]) -> tuple[str, ...]:
        values = resource["values"]
        own = (values["name"],) if values.get("name") else ()
        given = next((str(values[name]) for name in PARENTS if values.get(name)), "")
        parent = next((each for each in by_id if given and given.startswith(each)), None)
        if parent is None or by_id[parent]["type"] == "azurerm_resource_group":
            return own
        below = given.removeprefix(parent).split("/")[2::2]  # what Terraform does not make, such as a secret
        return (*names(by_id[parent]), *(name for name in below if name != "default"), *own)

    return [
        TerraformResource(
            TYPES.get(each["type"]) or each["values"]["type"].partition("@")[0],
            _without(token, names(each)),
            each["values"],
        )
        for each in found
    ]


def bodies(snapshot: Snapshot) -> dict[tuple[str, tuple[str, ...]], Resource]:
    """Return Bicep's resources by type and address, as Terraform's are."""
    resources = snapshot["predictedResources"]
    token = token_of(found["name"] for found in resources)
    return {(found["type"], _without(token, address(found))): found for found in resources}


def token_of(names: Iterable[str]) -> str:
    """Return what makes the names of this deployment unique."""
    return next(name.removeprefix("func-printiq-") for name in names if name.startswith("func-printiq-"))


def _without(token: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.replace(token, "") for name in names)


def _names(
    resources: set[tuple[str, tuple[str, ...]]],
    settings: frozenset[str],
    roles: frozenset[Role],
    outputs: frozenset[str],
) -> Names:
    def stored(kind: str) -> frozenset[tuple[str, str]]:
        return frozenset((PLACES[names[0]], names[-1]) for type_, names in resources if type_.endswith(kind))

    return Names(
        resources=frozenset(resources),
        containers=stored("/containers"),
        queues=stored("/queues"),
        tables=stored("/tables"),
        settings=settings,
        roles=roles,
        outputs=outputs,
    )


def _site(resources: list[Resource]) -> dict[str, Any]:
    site: dict[str, Any] = next(
        found["properties"] for found in resources if found["type"] == "Microsoft.Web/sites"
    )
    return site


def _bicep_role(assignment: Resource, token: str) -> Role:
    properties = assignment["properties"]
    who = next(name for type_, name in IDENTITIES.items() if type_ in properties["principalId"])
    definition = re.findall(r"roleDefinitions/([0-9a-f-]+)", properties["roleDefinitionId"])[0]
    return Role(who, BUILT_IN_ROLES[definition], _place(_without(token, address(assignment)[:-1])))


def _place(scope: tuple[str, ...]) -> str:
    return PLACES[scope[0]] if len(scope) == 1 else scope[-1]
