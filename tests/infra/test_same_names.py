"""Queues, tables, containers, settings, roles and outputs are the same in Bicep, Terraform and the code."""

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handlers.settings import SERVICE_BUS_NAMESPACE, Settings
from handlers.stores import (
    INBOX_POISON_QUEUE,
    INBOX_QUEUE,
    PUSH_POISON_QUEUE,
    PUSH_QUEUE,
    ContainerName,
    TableName,
)
from handlers.subscriptions import Subscriptions
from infra.bicep_cli import Snapshot, kept_snapshot, new_snapshot
from infra.conftest import EVERYTHING
from infra.deployed_names import DATA, DROPS, Names, Role, from_bicep, from_terraform
from infra.published import INFRA, ROOT

type State = dict[str, Any]
type Apply = Callable[[Path], dict[str, State]]

# Containers that the code does not know: what the platform itself writes there.
OF_THE_PLATFORM = {(DATA, "app-package"), (DATA, "event-grid-dead-letter")}
# Settings that the Functions host reads and the code does not.
READ_BY_THE_HOST = {
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "AzureWebJobsStorage__credential",
    "AzureWebJobs.poll_ftp.Disabled",
    "HOT_FOLDER__credential",
}
# Settings that the code reads and Azure sets by itself.
SET_BY_AZURE = {"WEBSITE_HOSTNAME"}
# Settings whose default is right in Azure: on a laptop one waits less.
LEFT_ALONE = {"FTP_SCHEDULE"}
# Connection strings: for a laptop only. In Azure they must not be there, not even empty.
LOCAL = {"AzureWebJobsStorage", "HOT_FOLDER"}
# What an identity needs to use a service of an account. A blob trigger and the host take leases: Owner.
ROLE_OF_SERVICE = {
    "blob": "Storage Blob Data Owner",
    "queue": "Storage Queue Data Contributor",
    "table": "Storage Table Data Contributor",
}

PRODUCTION = from_bicep(kept_snapshot(INFRA, "prod"))

MUTATIONS = {
    "a queue in Bicep": ("app/storage.bicep", "'printiq-inbox'", "'printiq-inbx'"),
    "a table in Bicep": ("app/storage.bicep", "'timeline'", "'timelines'"),
    "a container in Bicep": ("app/hot-folder.bicep", "'hot-folder'", "'hotfolder'"),
    "a setting in Bicep": ("app/function-app.bicep", "'DATE_ORDER'", "'DATEORDER'"),
    "a role in Bicep": ("app/rbac.bicep", "'0a9a7e1f", "'ba92f5b4-2d11-453d-a403-e96b0029c9fe' //"),
    "an output in Bicep": ("main.bicep", "output HEALTH_URL", "output HEALTH"),
    "a queue of Service Bus in Bicep": ("app/service-bus.bicep", "name: queue", "name: 'queue'"),
    "a topic's subscription in Terraform": (
        "terraform/service_bus.tf",
        "name                                 = each.value.name",
        'name                                 = "reader"',
    ),
    "a resource in Bicep": ("app/key-vault.bicep", "name: 'audit'", "name: 'audits'"),
    "a queue in Terraform": ("terraform/storage.tf", '"printiq-inbox-poison"', '"printiq-inbox-poisn"'),
    "a table in Terraform": ("terraform/storage.tf", '"records"', '"record"'),
    "an alert in Terraform": ("terraform/alerts.tf", "alert-printiq-${each.key}", "alert-${each.key}"),
    "a container in Terraform": ("terraform/storage.tf", '= "quarantine"', '= "quarantined"'),
    "a setting in Terraform": ("terraform/function_app.tf", "RETENTION_DAYS ", "RETENTION "),
    "a role in Terraform": (
        "terraform/rbac.tf",
        "Storage Table Data Contributor",
        "Storage Table Data Reader",
    ),
    "where a role applies, in Terraform": (
        "terraform/rbac.tf",
        "azurerm_storage_account.hot_folder.id",
        "azurerm_storage_account.main.id",
    ),
}


def _blob_trigger() -> tuple[str, str]:
    """Return the name that Azure knows the function with the Blob trigger by, and the path it watches."""
    for node in ast.parse((ROOT / "function_app.py").read_text("utf-8")).body:
        if isinstance(node, (ast.AsyncFunctionDef, ast.FunctionDef)):
            calls = {
                call.func.attr: call
                for call in node.decorator_list
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
            }
            if trigger := calls.get("blob_trigger"):
                path = next(ast.literal_eval(word.value) for word in trigger.keywords if word.arg == "path")
                named = calls.get("function_name")
                return (ast.literal_eval(named.args[0]) if named else node.name), path
    raise LookupError("function_app.py has no Blob trigger")


def _settings_of_the_code() -> set[str]:
    return {str(field.validation_alias) for field in Settings.model_fields.values()}


@pytest.mark.parametrize("tier", ["uat", "prod"])
def test_bicep_and_terraform_make_the_same(states: dict[str, State], tier: str) -> None:
    assert from_bicep(kept_snapshot(INFRA, tier))._asdict() == from_terraform(states[tier])._asdict()


def test_bicep_and_terraform_make_the_same_with_everything_on(
    bicep_with_everything_on: Snapshot, everything_on: State
) -> None:
    assert from_bicep(bicep_with_everything_on)._asdict() == from_terraform(everything_on)._asdict()


def test_the_containers_are_those_of_the_code() -> None:
    code = {(DROPS if name == ContainerName.HOT_FOLDER else DATA, str(name)) for name in ContainerName}
    assert PRODUCTION.containers - OF_THE_PLATFORM == code


def test_the_tables_are_those_of_the_code() -> None:
    assert PRODUCTION.tables == {(DATA, str(name)) for name in TableName}


@pytest.mark.parametrize("tier", ["uat", "prod"])
def test_the_queues_are_those_of_the_code_and_its_subscriptions(tier: str) -> None:
    profile = json.loads((INFRA / "environments" / f"{tier}.json").read_text("utf-8"))
    text = profile["subscriptions"] or (ROOT / "subscriptions.toml").read_text("utf-8")
    subscriptions = Subscriptions.read(text).all.values()
    results = {each.name for each in subscriptions if each.kind == "queue"}
    assert set(profile["resultQueues"]) == results
    service_bus = profile["serviceBus"]
    assert {*service_bus["queues"], *service_bus["topics"]} == {
        each.name for each in subscriptions if each.kind == "service-bus"
    }
    needed = {setting for each in subscriptions for setting in each.settings}
    assert set(profile["secrets"]) == needed - {SERVICE_BUS_NAMESPACE}
    assert from_bicep(kept_snapshot(INFRA, tier)).queues == {
        (DATA, name) for name in {INBOX_QUEUE, INBOX_POISON_QUEUE, PUSH_QUEUE, PUSH_POISON_QUEUE, *results}
    }


def test_the_settings_are_those_that_the_code_reads(states: dict[str, State], everything_on: State) -> None:
    read = _settings_of_the_code()
    given = from_terraform(states["prod"]).settings | from_terraform(everything_on).settings
    assert given - READ_BY_THE_HOST - set(EVERYTHING["secrets"]) == read - SET_BY_AZURE - LEFT_ALONE - LOCAL


def test_the_app_takes_the_settings_of_both_tiers(states: dict[str, State], everything_on: State) -> None:
    for state in [*states.values(), everything_on]:
        site = next(
            found["values"]["body"]["properties"]["siteConfig"]
            for found in state["root_module"]["resources"]
            if found["address"] == "azapi_resource.function_app"
        )
        given = {setting["name"]: setting["value"] for setting in site["appSettings"]}
        if "FTP_SOURCES" in given:  # a reference, which Azure replaces by what is in the vault
            given["FTP_SOURCES"] = '[{"host": "ftp.example.com"}]'
        settings = Settings.read(given)
        assert settings.storage.client_id == settings.hot_folder.client_id != ""
        assert not settings.storage.connection_string
        assert settings.storage.table == "https://account.table.core.windows.net/"
        assert settings.hot_folder_source == "EventGrid"
        if settings.service_bus_namespace:
            assert settings.service_bus_namespace == "sb.servicebus.windows.net"
            assert settings.service_bus_client_id == settings.storage.client_id


def test_no_connection_string_stands_beside_an_identity() -> None:
    """The host would not start; Flex Consumption also refuses FUNCTIONS_WORKER_RUNTIME."""
    assert not PRODUCTION.settings & {*LOCAL, "FUNCTIONS_WORKER_RUNTIME"}


def test_every_service_that_a_connection_names_has_its_role_and_no_other() -> None:
    names = PRODUCTION
    services = [re.fullmatch(r"(\w+?)__(\w+)ServiceUri", setting) for setting in names.settings]
    wanted = {Role("app", ROLE_OF_SERVICE[found[2]], found[1]) for found in services if found}
    wanted |= {
        Role("app", "Monitoring Metrics Publisher", "applicationInsights"),
        Role("app", "Key Vault Secrets User", "vault"),
        Role("event grid", "Storage Blob Data Contributor", "event-grid-dead-letter"),
    }
    assert names.roles == wanted


def test_what_is_optional_has_its_roles_and_costs_nothing_before(everything_on: State) -> None:
    more = from_terraform(everything_on)
    assert more.roles - PRODUCTION.roles == {
        Role("app", "Azure Service Bus Data Sender", "SERVICE_BUS"),
        Role("workflow", "Key Vault Secrets User", "alert-webhook"),
    }
    types = {type_.split("/")[0] for type_, _ in PRODUCTION.resources}
    assert not types & {"Microsoft.ServiceBus", "Microsoft.Logic"}
    assert types < {type_.split("/")[0] for type_, _ in more.resources}


def test_every_function_that_infra_names_is_there(states: dict[str, State]) -> None:
    """An instance kept ready for a function of another name costs money and helps nobody."""
    functions = set(re.findall(r'function_name\("(\w+)"\)', (ROOT / "function_app.py").read_text("utf-8")))
    named = {
        group.removeprefix("function:")
        for tier in ("uat", "prod")
        for group in json.loads((INFRA / "environments" / f"{tier}.json").read_text("utf-8"))["alwaysReady"]
        if group.startswith("function:")
    }
    settings = from_terraform(states["prod"]).settings | PRODUCTION.settings
    disabled = {
        found[1] for each in settings if (found := re.fullmatch(r"AzureWebJobs\.(\w+)\.Disabled", each))
    }
    assert named
    assert disabled
    assert named | disabled <= functions


# https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations
REFUSED_SETTINGS = {
    "ENABLE_ORYX_BUILD",
    "FUNCTIONS_EXTENSION_VERSION",
    "FUNCTIONS_MAX_HTTP_CONCURRENCY",
    "FUNCTIONS_WORKER_DYNAMIC_CONCURRENCY_ENABLED",
    "FUNCTIONS_WORKER_PROCESS_COUNT",
    "FUNCTIONS_WORKER_RUNTIME",
    "FUNCTIONS_WORKER_RUNTIME_VERSION",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
    "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
    "WEBSITE_CONTENTOVERVNET",
    "WEBSITE_CONTENTSHARE",
    "WEBSITE_DNS_SERVER",
    "WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT",
    "WEBSITE_NODE_DEFAULT_VERSION",
    "WEBSITE_RUN_FROM_PACKAGE",
    "WEBSITE_SKIP_CONTENTSHARE_VALIDATION",
    "WEBSITE_VNET_ROUTE_ALL",
}
REFUSED_PROPERTIES = {
    "alwaysOn",
    "containerSize",
    "ftpsState",  # error 51021: https://github.com/Azure/azure-cli/issues/31414
    "functionAppScaleLimit",
    "isReserved",
    "isXenon",
    "javaVersion",
    "linuxFxVersion",
    "netFrameworkVersion",
    "nodeVersion",
    "phpVersion",
    "powerShellVersion",
    "preWarmedInstanceCount",
    "pythonVersion",
    "use32BitWorkerProcess",
    "vnetBackupRestoreEnabled",
    "vnetContentShareEnabled",
    "vnetImagePullEnabled",
    "vnetRouteAllEnabled",
    "windowsFxVersion",
}


@pytest.mark.parametrize("made_by", ["Bicep", "Terraform"])
def test_nothing_is_set_that_flex_consumption_refuses(everything_on: State, made_by: str) -> None:
    if made_by == "Bicep":
        site = next(
            found
            for found in kept_snapshot(INFRA, "prod")["predictedResources"]
            if found["type"] == "Microsoft.Web/sites"
        )
    else:
        site = next(
            found["values"]["body"]
            for found in everything_on["root_module"]["resources"]
            if found["address"] == "azapi_resource.function_app"
        )
    properties, config = site["properties"], site["properties"]["siteConfig"]
    assert not {setting["name"] for setting in config["appSettings"]} & REFUSED_SETTINGS
    assert not {name.lower() for name in (*properties, *config)} & {
        name.lower() for name in REFUSED_PROPERTIES
    }


def test_event_grid_wakes_the_function_that_watches_the_hot_folder() -> None:
    """A wrong name would be answered 202, and every notification dropped."""
    name, path = _blob_trigger()
    assert path == f"{ContainerName.HOT_FOLDER}/{{name}}"
    for file in ("app/hot-folder-events.bicep", "terraform/hot_folder_events/main.tf"):
        found = re.findall(r"functionName=Host\.Functions\.(\w+)", (INFRA / file).read_text("utf-8"))
        assert found == [name], file
    assert f'"{name}"' in (INFRA / "scripts" / "postdeploy.py").read_text("utf-8")


def test_both_subscriptions_to_the_hot_folder_want_the_same(everything_on: State) -> None:
    """Files of another container, and the first half of an upload in blocks, wake nobody."""
    bicep = (INFRA / "app" / "hot-folder-events.bicep").read_text("utf-8")
    terraform = (INFRA / "terraform" / "hot_folder_events" / "main.tf").read_text("utf-8")

    def wanted(text: str) -> set[str]:
        calls = re.findall(r"\b(?:Put|Copy|Flush|Sftp)\w+", text)
        return {
            *calls,
            *re.findall(r"/blobServices/[\w/-]+/", text),
            *re.findall(r"Microsoft\.Storage\.\w+", text),
        }

    assert wanted(bicep) == wanted(terraform)
    container = next(name for account, name in from_terraform(everything_on).containers if account == DROPS)
    assert f"/blobServices/default/containers/{container}/blobs/" in wanted(bicep)


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_change_in_one_place_is_seen(
    apply: Apply, copy_of_infra: Callable[[], Path], everything_on: State, mutation: str
) -> None:
    name, right, other = MUTATIONS[mutation]
    infra = copy_of_infra()
    text = (infra / name).read_text("utf-8")
    assert right in text
    (infra / name).write_text(text.replace(right, other, 1), "utf-8")

    def changed() -> Names:
        if name.startswith("terraform"):
            return from_terraform(apply(infra)["prod"])
        return from_bicep(new_snapshot(infra, "prod"))

    assert changed() != from_terraform(everything_on)
