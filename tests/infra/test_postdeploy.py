"""The hook that runs after deployment, with an Azure CLI that plays an app which needs a while to start."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from shlex import quote

import pytest

from infra.bicep_cli import bicep
from infra.published import INFRA

SCRIPT = INFRA / "scripts" / "postdeploy.py"
OUTPUTS = {
    "AZURE_RESOURCE_GROUP": "rg-printiq-uat",
    "FUNCTION_APP_NAME": "func-printiq-abc",
    "SYSTEM_TOPIC_NAME": "evgt-hot-folder-abc",
    "STORAGE_ACCOUNT_NAME": "stabc",
    "WEBHOOK_URL": "https://func-printiq-abc.azurewebsites.net/api/webhooks/{event}",
    "HOT_FOLDER_URL": "https://sthotabc.blob.core.windows.net/hot-folder/{event}/",
    "CONSOLE_URL": "https://func-printiq-abc.azurewebsites.net/api/console",
    "HEALTH_URL": "http://127.0.0.1:9/api/health",  # nothing listens there: a cold app
}

# Keeps its state in a file: how often it was called, the keys there are, what was deployed.
AZ = """import json, pathlib, sys
file = pathlib.Path(__file__).with_name("state.json")
state = json.loads(file.read_text())
words = sys.argv[1:]
state["calls"].append(words)
if state["errors"] and words[0] == "functionapp" and words[1] != "config":  # the settings need no host
    state["errors"] -= 1
    file.write_text(json.dumps(state))
    sys.exit("Bad Request: Encountered an error (ServiceUnavailable) from host runtime.")
if words[0] == "account" and not state["signed_in"]:
    sys.exit("Please run 'az login' to setup account.")
if words[:3] == ["functionapp", "function", "list"]:
    state["looks"] += 1
    indexed = state["looks"] > state["looks_until_indexed"]
    print(json.dumps(["func-printiq-abc/webhook", "func-printiq-abc/hot_folder"] if indexed else []))
elif words[:4] == ["functionapp", "config", "appsettings", "list"]:
    print(state["connections"])
elif words[:3] == ["functionapp", "keys", "list"]:
    print("true")
elif words[:3] == ["functionapp", "function", "keys"] and words[3] == "list":
    print(json.dumps(["default", *state["keys"]]))
elif words[:3] == ["functionapp", "function", "keys"] and words[3] == "set":
    state["keys"].append(words[words.index("--key-name") + 1])
elif words[:3] == ["deployment", "group", "create"]:
    state["failures"] -= 1
    if state["failures"] >= 0:
        file.write_text(json.dumps(state))
        sys.exit("Webhook validation handshake failed")
    state["deployed"].append(words[words.index("--template-file") + 1])
file.write_text(json.dumps(state))
"""


class Cli:
    """A folder with that Azure CLI, and a way to run the hook with it on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state.json"
        script, program = folder / "az.py", folder / "az"
        script.write_text(AZ, "utf-8")
        # a shell's quotes, for a Python in a folder whose name has a space: a shebang line could not name it
        program.write_text(f'#!/bin/sh\nexec {quote(sys.executable)} {quote(str(script))} "$@"\n', "utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.put(looks=0, looks_until_indexed=0, failures=0, errors=0, keys=[], deployed=[], calls=[])
        self.put(signed_in=True, connections=0)

    def put(self, **values: object) -> None:
        known = json.loads(self.state.read_text("utf-8")) if self.state.exists() else {}
        self.state.write_text(json.dumps(known | values), "utf-8")

    def get(self, name: str) -> list[str]:
        value: list[str] = json.loads(self.state.read_text("utf-8"))[name]
        return value

    def run(
        self, *arguments: str, outputs: dict[str, str] | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        given = OUTPUTS if outputs is None else outputs
        environment = {**os.environ, **given, **more, "PATH": str(self.folder)}
        command = [sys.executable, str(SCRIPT), "--pause", "0", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    if sys.platform == "win32":
        pytest.skip("the invented az is a shell script")
    return Cli(tmp_path)


def test_it_waits_for_the_app_then_subscribes_and_makes_the_key(cli: Cli) -> None:
    cli.put(looks_until_indexed=2)
    done = cli.run()
    assert done.returncode == 0, done.stderr
    assert "hot_folder is not indexed yet" in done.stdout
    assert [Path(template).name for template in cli.get("deployed")] == ["hot-folder-events.bicep"]
    assert cli.get("keys") == ["printiq"]
    assert OUTPUTS["WEBHOOK_URL"] in done.stdout


def test_it_prints_the_addresses_and_the_next_command(cli: Cli) -> None:
    done = cli.run()
    for name in ("CONSOLE_URL", "WEBHOOK_URL", "HOT_FOLDER_URL", "HEALTH_URL"):
        assert OUTPUTS[name] in done.stdout
    assert "python3 dev.py send --check --url http://127.0.0.1:9 --key" in done.stdout
    assert "az functionapp keys set -g rg-printiq-uat -n func-printiq-abc" in done.stdout


def test_a_connection_string_that_has_appeared_is_warned_of(cli: Cli) -> None:
    assert "AzureWebJobsStorage" not in cli.run().stdout
    cli.put(connections=1)
    done = cli.run()
    assert done.returncode == 0, done.stderr
    assert (
        "appsettings delete -g rg-printiq-uat -n func-printiq-abc --setting-names AzureWebJobsStorage"
        in done.stdout
    )


def test_again_is_harmless(cli: Cli) -> None:
    cli.run()
    done = cli.run()
    assert done.returncode == 0, done.stderr
    assert "already there" in done.stdout
    assert cli.get("keys") == ["printiq"]


def test_a_cold_app_that_misses_event_grids_question_is_asked_again(cli: Cli) -> None:
    cli.put(failures=2)
    done = cli.run()
    assert done.returncode == 0, done.stderr
    assert "handshake failed" in done.stdout
    assert len(cli.get("deployed")) == 1


def test_a_host_that_answers_with_errors_while_it_starts_is_waited_for(cli: Cli) -> None:
    cli.put(errors=2)
    done = cli.run()
    assert done.returncode == 0, done.stderr
    assert "Waiting: az functionapp function list failed: Bad Request" in done.stdout
    assert cli.get("keys") == ["printiq"]


def test_a_key_that_took_the_first_ones_place_is_kept(cli: Cli) -> None:
    cli.put(keys=["printiq-2"])
    done = cli.run()
    assert done.returncode == 0, done.stderr
    assert cli.get("keys") == ["printiq-2"]
    assert """--query '"printiq-2"'""" in done.stdout


def test_it_works_in_the_subscription_of_azd(cli: Cli) -> None:
    cli.run(AZURE_SUBSCRIPTION_ID="11111111-2222-3333-4444-555555555555")
    assert {tuple(call[-2:]) for call in cli.get("calls")} == {
        ("--subscription", "11111111-2222-3333-4444-555555555555")
    }


def test_an_azure_cli_that_is_not_signed_in_is_reported_at_once(cli: Cli) -> None:
    cli.put(signed_in=False)
    done = cli.run()
    assert done.returncode == 1
    assert "az login" in done.stderr


def test_an_app_that_never_starts_is_an_error_that_says_what_is_missing(cli: Cli) -> None:
    cli.put(looks_until_indexed=1000)
    done = cli.run("--wait", "0")
    assert done.returncode == 1
    assert "the function hot_folder is not indexed yet" in done.stderr
    assert OUTPUTS["HEALTH_URL"] in done.stderr
    assert cli.get("deployed") == []


def test_a_failure_of_az_is_reported_in_its_own_words(cli: Cli) -> None:
    cli.put(failures=1000)
    done = cli.run()
    assert done.returncode == 1
    assert "Webhook validation handshake failed" in done.stderr


def test_no_key_is_ever_asked_for_in_clear(cli: Cli) -> None:
    cli.run()
    for call in cli.get("calls"):
        if "keys" in call and "list" in call:
            query = call[call.index("--query") + 1]
            assert query == "keys(@)" or query.endswith("!= null")


def test_missing_outputs_are_named(cli: Cli) -> None:
    done = cli.run(outputs={**OUTPUTS, "SYSTEM_TOPIC_NAME": "", "HEALTH_URL": ""})
    assert done.returncode == 2
    assert "SYSTEM_TOPIC_NAME, HEALTH_URL" in done.stderr


def test_the_template_gets_its_parameters(cli: Cli) -> None:
    cli.run()
    call = next(call for call in cli.get("calls") if "deployment" in call)
    given = {word.partition("=")[0] for word in call[call.index("--parameters") + 1 : call.index("--output")]}
    template = json.loads(bicep("build", INFRA / "app" / "hot-folder-events.bicep", "--stdout").out)
    assert given == set(template["parameters"])
