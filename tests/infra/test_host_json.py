"""host.json: what the host logs, and so what a month costs; what browsers are promised."""

import ast
import json
from typing import Any

import pytest
from bench import Bench, delivery, quote

from handlers.pipeline.receive import receive
from infra.published import ROOT


@pytest.fixture(scope="module")
def host_json() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((ROOT / "host.json").read_text("utf-8"))
    return read


def _level(levels: dict[str, str], category: str) -> str:
    """Return the level of a category: that of the longest name that it begins with, as in .NET."""
    rules = [name for name in levels if name == category or category.startswith(f"{name}.")]
    return levels[max(rules, key=len)] if rules else levels["default"]


def _functions() -> set[str]:
    """Return the functions that work without being asked by a person, and the webhook."""
    tree = ast.parse((ROOT / "function_app.py").read_text("utf-8"))
    names = {
        ast.literal_eval(call.args[0])
        for function in tree.body
        if isinstance(function, ast.AsyncFunctionDef)
        for call in function.decorator_list
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "function_name"
    }
    return {*names, "webhook"}


def test_the_traces_that_alerts_read_are_logged(host_json: dict[str, Any]) -> None:
    """What a function logs has the category Function.<name>.User.

    https://learn.microsoft.com/azure/azure-functions/configure-monitoring#configure-categories
    """
    levels = host_json["logging"]["logLevel"]
    for name in _functions():
        assert _level(levels, f"Function.{name}.User") == "Information", name


def test_a_run_leaves_one_row_of_the_host_and_no_line_about_its_start_and_end(
    host_json: dict[str, Any],
) -> None:
    """Executing, Trigger Details and Executed are Function.<name>; the request is Host.Results."""
    levels = host_json["logging"]["logLevel"]
    assert _level(levels, "Function.inbox") == "Warning"
    assert _level(levels, "Host.Aggregator") == "Warning"
    assert _level(levels, "Host.Results") == "Information"


async def test_an_event_is_one_line_of_the_log(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The cost table of docs/costs.md counts on it."""
    with caplog.at_level("INFO", "printiq"):
        await receive(delivery(quote("Q1")), bench.app)
        await bench.work_off()
    assert [line.split(" ")[0] for line in caplog.messages] == ["printiq.delivery"]


def test_every_function_that_is_named_is_there(host_json: dict[str, Any]) -> None:
    named = {
        category.split(".")[1] for category in host_json["logging"]["logLevel"] if category.endswith(".User")
    }
    assert named == _functions()


def test_browsers_are_told_to_use_https_alone(host_json: dict[str, Any]) -> None:
    assert host_json["extensions"]["http"]["hsts"] == {"isEnabled": True, "maxAge": "365"}
