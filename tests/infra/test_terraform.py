"""Terraform: checked by Terraform's core against the published schema of its providers.

The core knows every argument, its type, which are required, and every reference. It does not know allowed
values; the bodies of azapi, written in the language of Azure's REST API, are compared with Bicep's, which its
compiler has checked.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.bicep_cli import Snapshot, kept_snapshot
from infra.deployed_names import TYPES, arm_resources, bodies
from infra.provider_schema import azapi, azurerm
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
        '"azurerm_storage_queue" "inbox"',
        '"azurerm_storage_queeu" "inbox"',
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


def test_the_versions_are_those_that_are_checked() -> None:
    """Each provider is pinned to the version whose schema the tests read."""
    checked = {"hashicorp/azurerm": azurerm().version, "Azure/azapi": azapi().version}
    for file in (INFRA / "terraform" / "versions.tf", INFRA / "terraform" / "hot_folder_events" / "main.tf"):
        pinned = re.findall(r'source  = "([\w/]+)"\n +version = "([^"]+)"', file.read_text("utf-8"))
        assert dict(pinned) == checked, file.name


def test_no_data_role_is_needed_to_deploy(states: dict[str, State]) -> None:
    """Terraform's own tables work on the data plane: https://github.com/hashicorp/terraform-provider-azurerm/issues/30815."""
    types = {found["type"] for found in states["prod"]["root_module"]["resources"]}
    assert not types & {"azurerm_storage_table", "azurerm_storage_table_entity", "azurerm_storage_blob"}


def test_production_stands_on_no_preview(states: dict[str, State]) -> None:
    """Microsoft advises against rolling updates in production.

    https://learn.microsoft.com/azure/azure-functions/flex-consumption-site-updates
    """
    for state in states.values():
        resources = {found["address"]: found["values"] for found in state["root_module"]["resources"]}
        config = resources["azapi_resource.function_app"]["body"]["properties"]["functionAppConfig"]
        assert config["siteUpdateStrategy"] == {"type": "Recreate"}


def test_options_reach_the_resources(everything_on: State) -> None:
    resources = {found["address"]: found["values"] for found in everything_on["root_module"]["resources"]}
    site = resources["azapi_resource.function_app"]["body"]["properties"]["siteConfig"]
    assert site["ipSecurityRestrictionsDefaultAction"] == "Deny"
    assert [rule["ipAddress"] for rule in site["ipSecurityRestrictions"]] == [
        "AzureEventGrid",
        "203.0.113.7/32",
        "198.51.100.0/24",
        "2001:db8::7/128",
        "2001:db8:1::/48",
    ]
    assert resources["azurerm_storage_account.hot_folder"]["sftp_enabled"] is True
    assert resources["azurerm_storage_account_local_user.sftp[0]"]["ssh_password_enabled"] is False


def test_what_azapi_sends_is_what_bicep_sends(states: dict[str, State]) -> None:
    for tier in ("uat", "prod"):
        assert _sent_by_terraform(states[tier]) == _sent_by_bicep(kept_snapshot(INFRA, tier), states[tier])


def test_what_azapi_sends_is_what_bicep_sends_with_everything_on(
    everything_on: State, bicep_with_everything_on: Snapshot
) -> None:
    sent = _sent_by_bicep(bicep_with_everything_on, everything_on)
    assert _sent_by_terraform(everything_on) == sent


# Arguments of azurerm, and where Azure's own language has the same value.
SAME = {
    "azurerm_key_vault": {
        "rbac_authorization_enabled": "properties.enableRbacAuthorization",
        "soft_delete_retention_days": "properties.softDeleteRetentionInDays",
        "purge_protection_enabled": "properties.enablePurgeProtection",
        "network_acls.0.bypass": "properties.networkAcls.bypass",
        "network_acls.0.default_action": "properties.networkAcls.defaultAction",
    },
    "azurerm_log_analytics_workspace": {
        "sku": "properties.sku.name",
        "retention_in_days": "properties.retentionInDays",
        "daily_quota_gb": "properties.workspaceCapping.dailyQuotaGb",
    },
    "azurerm_management_lock": {"lock_level": "properties.level", "notes": "properties.notes"},
    "azurerm_monitor_metric_alert": {
        "description": "properties.description",
        "severity": "properties.severity",
        "frequency": "properties.evaluationFrequency",
        "window_size": "properties.windowSize",
        "criteria.0.metric_namespace": "properties.criteria.allOf.0.metricNamespace",
        "criteria.0.metric_name": "properties.criteria.allOf.0.metricName",
        "criteria.0.aggregation": "properties.criteria.allOf.0.timeAggregation",
        "criteria.0.dimension": "properties.criteria.allOf.0.dimensions",
        "criteria.0.operator": "properties.criteria.allOf.0.operator",
        "criteria.0.threshold": "properties.criteria.allOf.0.threshold",
    },
    "azurerm_monitor_scheduled_query_rules_alert_v2": {
        "display_name": "properties.displayName",
        "description": "properties.description",
        "severity": "properties.severity",
        "evaluation_frequency": "properties.evaluationFrequency",
        "window_duration": "properties.windowSize",
        "auto_mitigation_enabled": "properties.autoMitigate",
        "skip_query_validation": "properties.skipQueryValidation",
        "criteria.0.query": "properties.criteria.allOf.0.query",
        "criteria.0.time_aggregation_method": "properties.criteria.allOf.0.timeAggregation",
        "criteria.0.dimension": "properties.criteria.allOf.0.dimensions",
        "criteria.0.operator": "properties.criteria.allOf.0.operator",
        "criteria.0.threshold": "properties.criteria.allOf.0.threshold",
    },
    "azurerm_servicebus_namespace": {
        "sku": "sku.name",
        "minimum_tls_version": "properties.minimumTlsVersion",
    },
    "azurerm_servicebus_queue": {
        "requires_session": "properties.requiresSession",
        "requires_duplicate_detection": "properties.requiresDuplicateDetection",
        "duplicate_detection_history_time_window": "properties.duplicateDetectionHistoryTimeWindow",
        "max_size_in_megabytes": "properties.maxSizeInMegabytes",
        "max_delivery_count": "properties.maxDeliveryCount",
        "dead_lettering_on_message_expiration": "properties.deadLetteringOnMessageExpiration",
    },
    "azurerm_servicebus_subscription": {
        "requires_session": "properties.requiresSession",
        "max_delivery_count": "properties.maxDeliveryCount",
        "dead_lettering_on_message_expiration": "properties.deadLetteringOnMessageExpiration",
    },
    "azurerm_servicebus_topic": {
        "requires_duplicate_detection": "properties.requiresDuplicateDetection",
        "duplicate_detection_history_time_window": "properties.duplicateDetectionHistoryTimeWindow",
        "max_size_in_megabytes": "properties.maxSizeInMegabytes",
        "support_ordering": "properties.supportOrdering",
    },
    "azurerm_storage_account": {
        "account_kind": "kind",
        "access_tier": "properties.accessTier",
        "allow_nested_items_to_be_public": "properties.allowBlobPublicAccess",
        "cross_tenant_replication_enabled": "properties.allowCrossTenantReplication",
        "default_to_oauth_authentication": "properties.defaultToOAuthAuthentication",
        "https_traffic_only_enabled": "properties.supportsHttpsTrafficOnly",
        "min_tls_version": "properties.minimumTlsVersion",
        "network_rules.0.default_action": "properties.networkAcls.defaultAction",
        "public_network_access": "properties.publicNetworkAccess",
        "shared_access_key_enabled": "properties.allowSharedKeyAccess",
    },
}


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value[int(step) if step.isdigit() else step]
    return value


@pytest.mark.parametrize("tier", ["uat", "prod"])
def test_what_azurerm_is_given_is_what_bicep_sends(states: dict[str, State], tier: str) -> None:
    assert _compared(states[tier], kept_snapshot(INFRA, tier)) > 100


def test_what_azurerm_is_given_is_what_bicep_sends_with_everything_on(
    everything_on: State, bicep_with_everything_on: Snapshot
) -> None:
    assert _compared(everything_on, bicep_with_everything_on) > 150


def _compared(state: State, snapshot: dict[str, Any]) -> int:
    """Compare each argument that azurerm and Azure have in common; return how many there were."""
    made_by_bicep = bodies(snapshot)
    types = {arm: type_ for type_, arm in TYPES.items()}
    compared = 0
    for resource in arm_resources(state):
        for argument, path in SAME.get(types.get(resource.type, ""), {}).items():
            sent = _at(made_by_bicep[(resource.type, resource.address)], path)
            assert _at(resource.values, argument) == sent, (resource.address, argument)
            compared += 1
    return compared


type Leaf = str | int | bool
type Json = Leaf | list[Json] | dict[str, Json] | None
type Place = tuple[str, tuple[str, ...], tuple[str, ...]]  # type, address, path in the body
# What only Azure knows, or what names another resource: that differs by the token, and is compared elsewhere.
KNOWN_LATER = "(known later)"


def _sent_by_terraform(state: State) -> dict[Place, Leaf]:
    found = {}
    for resource in arm_resources(state):
        body = resource.values.get("body") or {}
        if resource.values.get("type", "").startswith("Microsoft."):
            whole = body | {"apiVersion": resource.values["type"].partition("@")[2]}
            found.update({(resource.type, resource.address, path): leaf for path, leaf in _leaves(whole)})
    expressions = _later(state)
    return {
        place: KNOWN_LATER if isinstance(leaf, str) and any(text in leaf for text in expressions) else leaf
        for place, leaf in found.items()
    }


def _later(state: State) -> set[str]:
    """Return what the mocked providers invented, and the token: parts of what Azure knows later."""
    values = [found["values"] for found in state["root_module"]["resources"]]
    invented = {
        str(each[name])
        for each in values
        for name in ("id", "client_id", "connection_string", "vault_uri")
        if each.get(name)
    }
    endpoints = {
        str(value) for each in values for name, value in each.items() if name.endswith("_blob_endpoint")
    }
    token = next(each["name"] for each in values if str(each.get("name")).startswith("func-")).rpartition(
        "-"
    )[2]
    return invented | endpoints | {"https://account.", "https://func-printiq.", "sb.servicebus.", token}


def _sent_by_bicep(snapshot: dict[str, Any], state: State) -> dict[Place, Leaf]:
    by_azapi = {
        (found.type, found.address)
        for found in arm_resources(state)
        if str(found.values.get("type", "")).startswith("Microsoft.")
    }
    found: dict[Place, Leaf] = {}
    for (type_, address), resource in bodies(snapshot).items():
        if (type_, address) in by_azapi:
            body: dict[str, Json] = {
                name: resource[name]
                for name in ("kind", "sku", "properties", "apiVersion")
                if name in resource
            }
            for path, leaf in _leaves(body):
                later = isinstance(leaf, str) and (
                    "reference(" in leaf or "/subscriptions/" in leaf or "VaultName=" in leaf
                )
                found[(type_, address, path)] = KNOWN_LATER if later else leaf
    return found


def _leaves(body: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Leaf]]:
    """Yield each value in a body with its path. Members of a list go by name, since their order differs."""
    if isinstance(body, dict):
        for name, value in body.items():
            yield from _leaves(value, (*path, name))
    elif isinstance(body, list):
        for number, value in enumerate(body):
            member = value.get("name", number) if isinstance(value, dict) else number
            yield from _leaves(value, (*path, str(member)))
    elif body is not None:
        yield path, body
