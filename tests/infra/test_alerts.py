"""The alerts: Microsoft's own Kusto parser reads their queries, and the code writes what they ask for."""

import json
import logging
import re
from pathlib import Path
from typing import Any, TypedDict

import pytest

from events import Channel, EventType
from handlers import telemetry
from handlers.ledger.rows import Status
from infra.published import INFRA, ROOT, npm_package
from tools import node

ALERTS = json.loads((INFRA / "alerts.json").read_text("utf-8"))
METRIC_ALERTS = json.loads((INFRA / "metric-alerts.json").read_text("utf-8"))
PLACEHOLDERS = {"{silentAfterHours}": '{"CreateJob":96}', "{resultQueueMaxAgeSeconds}": "3600"}


class Analysis(TypedDict):
    """What the Kusto language service makes of a query: what is wrong, and the result's columns and types."""

    problems: list[str]
    columns: dict[str, str]


def _analysed(queries: dict[str, str]) -> dict[str, Analysis]:
    package = npm_package("@kusto/language-service-next")
    printed = node.run(Path(__file__).with_name("kusto.js"), str(package), given=json.dumps(queries))
    found: dict[str, Analysis] = json.loads(printed)
    return found


def _query(alert: dict[str, Any]) -> str:
    query = "\n".join(alert["query"])
    for placeholder, value in PLACEHOLDERS.items():
        query = query.replace(placeholder, value)
    return query


def test_every_query_is_sound() -> None:
    found = _analysed({alert["name"]: _query(alert) for alert in ALERTS})
    assert {name: analysis["problems"] for name, analysis in found.items() if analysis["problems"]} == {}


def test_what_an_alert_is_split_by_is_a_text_of_its_query() -> None:
    found = _analysed({alert["name"]: _query(alert) for alert in ALERTS if "each" in alert})
    assert found
    for alert in ALERTS:
        if "each" in alert:
            assert found[alert["name"]]["columns"][alert["each"]] == "string", alert["name"]


def test_a_misspelt_column_and_a_misspelt_operator_are_found() -> None:
    found = _analysed({"column": "traces | where messag has 'x'", "operator": "traces | wher true"})
    assert all(analysis["problems"] for analysis in found.values())


def test_every_placeholder_is_filled_in() -> None:
    """The braces that are left belong to a dynamic literal."""
    for alert in ALERTS:
        assert not re.search(r"\{\w+\}", _query(alert)), alert["name"]


@pytest.mark.parametrize("alert", [*ALERTS, *METRIC_ALERTS], ids=lambda alert: str(alert["name"]))
def test_no_trace_falls_between_two_looks(alert: dict[str, str]) -> None:
    """Periods that Azure takes: https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-create-log-alert-rule."""
    minutes = {"PT5M": 5, "PT10M": 10, "PT15M": 15, "PT30M": 30, "PT1H": 60}
    shortest = "PT1H"  # of the windows that follow from resultQueueMaxAgeSeconds
    assert minutes[alert["every"]] <= minutes[alert.get("window", shortest)]


def test_names_are_unique() -> None:
    alerts = [*ALERTS, *METRIC_ALERTS]
    assert len({alert["name"] for alert in alerts}) == len(alerts)


def test_what_event_grid_could_not_deliver_is_noticed() -> None:
    """It does not retry a 401, as a cold start answers: the sweep takes the file, a person hears of it.

    https://learn.microsoft.com/azure/event-grid/delivery-and-retry
    """
    # https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/microsoft-eventgrid-systemtopics-metrics
    metrics = {
        alert["metric"] for alert in METRIC_ALERTS if alert["of"] == "Microsoft.EventGrid/systemTopics"
    }
    assert metrics == {"DeadLetteredCount", "DeliveryAttemptFailCount"}


def test_what_the_alerts_count_is_never_sampled() -> None:
    host = json.loads((ROOT / "host.json").read_text("utf-8"))
    sampling = host["logging"]["applicationInsights"]["samplingSettings"]
    assert {"Request", "Trace"} <= set(sampling["excludedTypes"].split(";"))


def _asked() -> dict[str, set[str]]:
    """Return the traces that the queries read, and the members that they look at."""
    asked: dict[str, set[str]] = {}
    for alert in ALERTS:
        query = _query(alert)
        for variable, name in re.findall(
            r"extend (\w+) = parse_json\(substring\(message, strlen\('(\S+) '", query
        ):
            asked.setdefault(name, set()).update(re.findall(rf"\b{variable}\.(\w+)", query))
        for name in re.findall(r"startswith '(printiq\.\w+) '", query):
            asked.setdefault(name, set())
    return asked


def test_the_app_writes_the_traces_that_the_alerts_read(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "printiq.telemetry"):
        telemetry.heartbeat()
        telemetry.queue("printiq-inbox", "inbox", depth=3, oldest_seconds=12)
        telemetry.event("CreateJob", silent_hours=2.5)
        telemetry.delivery("id", "CreateJob", Channel.FTP, Status.SENT, seconds=0.2)
        telemetry.send("accounting", "failed")
        telemetry.ftp("shop", reachable=True)
    written = dict(message.split(" ", 1) for message in caplog.messages)
    asked = _asked()
    assert set(written) == set(asked)
    for name, members in asked.items():
        assert members <= set(json.loads(written[name])), name


def test_a_row_of_silence_names_an_event() -> None:
    for file in (INFRA / "environments").glob("*.json"):
        assert set(json.loads(file.read_text("utf-8"))["silentAfterHours"]) <= set(EventType), file.name
