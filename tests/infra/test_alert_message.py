"""What a person reads of an alert in Teams or Slack: alert-message.json, run on Azure Monitor's own samples.

The samples have the form of https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-payload-samples.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.published import INFRA, npm_package
from infra.workflow_language import Workflow
from tools import node

type Json = Any

DEFINITION = json.loads((INFRA / "alert-message.json").read_text("utf-8"))
CONSOLE = "https://app.example/api/console"
ADDRESS = "https://hooks.example/secret"
SEARCH = "https://portal.azure.com#@tenant/blade/Microsoft_Azure_Monitoring_Logs/LogsBlade"
TOPIC = "/subscriptions/1/resourceGroups/rg/providers/Microsoft.EventGrid/systemTopics/evgt-hot-folder"

QUEUE_OLD = {
    "schemaId": "azureMonitorCommonAlertSchema",
    "data": {
        "essentials": {
            "alertRule": "alert-printiq-result-queue-old",
            "severity": "Sev2",
            "signalType": "Log",
            "monitorCondition": "Fired",
            "monitoringService": "Log Alerts V2",
            "alertTargetIDs": [
                "/subscriptions/1/resourcegroups/rg/providers/microsoft.insights/components/appi"
            ],
            "firedDateTime": "2026-11-27T06:42:37.1281313Z",
            "description": "The oldest message is older than <1 hour> & waits.",
        },
        "alertContext": {
            "properties": None,
            "conditionType": "LogQueryCriteria",
            "condition": {
                "windowSize": "PT15M",
                "allOf": [
                    {
                        "searchQuery": "traces",
                        "operator": "GreaterThan",
                        "threshold": "0",
                        "timeAggregation": "Count",
                        "dimensions": [{"name": "name", "value": "printiq-invoices"}],
                        "metricValue": 3.0,
                        "linkToSearchResultsUI": SEARCH,
                        "linkToFilteredSearchResultsUI": SEARCH,
                    }
                ],
            },
        },
    },
}
DEAD_LETTERED = {
    "schemaId": "azureMonitorCommonAlertSchema",
    "data": {
        "essentials": {
            "alertRule": "alert-printiq-notification-dead-lettered",
            "severity": "Sev3",
            "signalType": "Metric",
            "monitorCondition": "Resolved",
            "monitoringService": "Platform",
            "alertTargetIDs": [TOPIC],
            "firedDateTime": "2026-11-27T13:58:24.3713213Z",
            "resolvedDateTime": "2026-11-27T14:03:16.2246313Z",
            "description": "Event Grid gave up on a notification.",
        },
        "alertContext": {
            "properties": None,
            "conditionType": "SingleResourceMultipleMetricCriteria",
            "condition": {
                "windowSize": "PT15M",
                "allOf": [
                    {
                        "metricName": "DeadLetteredCount",
                        "operator": "GreaterThan",
                        "threshold": "0",
                        "timeAggregation": "Total",
                        "dimensions": [
                            {"name": "ResourceId", "value": "b1b1b1b1-cccc-dddd-eeee-f2f2f2f2f2f2"}
                        ],
                        "metricValue": 1,
                    }
                ],
            },
        },
    },
}


def _posted(alert: Json, message_format: str) -> Json:
    """Return the body that is posted for an alert."""
    parameters = {
        "format": message_format,
        "secret": "https://kv-x.vault.azure.net/secrets/alert-webhook",
        "site": "acme",
        "tier": "prod",
        "console": CONSOLE,
    }
    run = Workflow(DEFINITION, parameters, {"body": alert}, {"address": {"value": ADDRESS}})
    assert run.requests["address"]["authentication"]["audience"] == "https://vault.azure.net"
    assert run.requests["post"]["uri"] == ADDRESS
    return run.requests["post"]["body"]


def _card(alert: Json) -> Json:
    message = _posted(alert, "teams")
    assert message["type"] == "message"
    (attachment,) = message["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    return attachment["content"]


def test_a_card_for_teams_says_what_is_wrong_and_where_and_opens_the_console() -> None:
    card = _card(QUEUE_OLD)
    title, text, facts = card["body"]
    assert title["text"] == "result-queue-old (printiq-invoices)"
    assert title["color"] == "Attention"
    assert text["text"] == QUEUE_OLD["data"]["essentials"]["description"]  # type: ignore[index]
    assert [fact["value"] for fact in facts["facts"]] == ["acme (prod)", "2026-11-27 06:42 UTC"]
    assert [(action["title"], action["url"]) for action in card["actions"]] == [
        ("Open the console", CONSOLE),
        ("Show in Azure", SEARCH),
    ]


def test_a_metric_alert_names_no_id_and_leads_to_its_resource() -> None:
    card = _card(DEAD_LETTERED)
    title, *_ = card["body"]
    assert title["text"] == "Resolved: notification-dead-lettered"
    assert title["color"] == "Good"
    assert card["actions"][1]["url"] == f"https://portal.azure.com/#resource{TOPIC}"


def test_slack_gets_the_same_as_text_with_its_control_characters_escaped() -> None:
    assert _posted(QUEUE_OLD, "slack") == {
        "text": "*result-queue-old (printiq-invoices)*\n"
        "The oldest message is older than &lt;1 hour&gt; &amp; waits.\n"
        "printIQ site acme (prod), since 2026-11-27 06:42 UTC\n"
        f"<{CONSOLE}|Open the console> · <{SEARCH}|Show in Azure>"
    }


def test_any_other_webhook_gets_the_alert_as_azure_monitor_writes_it() -> None:
    assert _posted(QUEUE_OLD, "json") == QUEUE_OLD


@pytest.mark.parametrize("alert", [QUEUE_OLD, DEAD_LETTERED], ids=["log", "metric"])
def test_microsofts_renderer_takes_the_card(alert: Json) -> None:
    assert _found_in(_card(alert)) == []


def test_microsofts_renderer_finds_a_misspelt_element_and_colour() -> None:
    card = _card(QUEUE_OLD)
    card["body"][0]["color"] = "Atention"
    card["body"][1]["type"] = "TextBlok"
    assert len(_found_in(card)) == 2


def test_the_run_history_shows_no_address() -> None:
    """What a reader of the resource group can see of a run: everything that is not marked here.

    https://learn.microsoft.com/azure/logic-apps/logic-apps-securing-a-logic-app#secure-inputs-and-outputs-in-the-designer
    """

    def hidden(action: str) -> list[str]:
        secured: list[str] = DEFINITION["actions"][action]["runtimeConfiguration"]["secureData"]["properties"]
        return secured

    assert hidden("address") == ["outputs"]
    assert hidden("post") == ["inputs"]
    assert "body('address')" not in json.dumps(
        [action for name, action in DEFINITION["actions"].items() if name != "post"]
    )


def _found_in(card: Json) -> list[str]:
    package = npm_package("adaptivecards")
    printed = node.run(Path(__file__).with_name("adaptive_card.js"), str(package), given=json.dumps(card))
    found: list[str] = json.loads(printed)
    return found
