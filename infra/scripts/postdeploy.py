"""Finish a deployment: the steps that need the deployed code. Running it again is harmless.

1. Warn of a setting that would keep the host from starting.
2. Wait until the app has indexed its functions and made the key of its Blob trigger.
3. Subscribe that trigger to the hot folder's new files (app/hot-folder-events.bicep).
4. Make the webhook's function key for printIQ, unless a key whose name begins so exists.
5. Print the addresses, and the next command.

azd runs it after `azd deploy`, with the outputs of main.bicep in the environment;
without azd they are options. It needs Python 3.9 and the Azure CLI, signed in.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TEMPLATE = Path(__file__).resolve().parent.parent / "app" / "hot-folder-events.bicep"
OUTPUTS = (
    "AZURE_RESOURCE_GROUP",
    "FUNCTION_APP_NAME",
    "SYSTEM_TOPIC_NAME",
    "STORAGE_ACCOUNT_NAME",
    "WEBHOOK_URL",
    "HOT_FOLDER_URL",
    "HEALTH_URL",
    "CONSOLE_URL",
)
TRIES = 6
KEY = "printiq"


def say(text: str) -> None:
    print(text, flush=True)


def az(*arguments: str) -> str:
    """Run the Azure CLI; return its output. Raise RuntimeError with its message.

    azd has a subscription of its own for each environment, which need not be the one that az works in.
    """
    program = shutil.which("az")
    if program is None:
        raise RuntimeError("the Azure CLI (az) is not installed, or not on the PATH")
    given = os.environ.get("AZURE_SUBSCRIPTION_ID", "")
    command = [program, *arguments, *(["--subscription", given] if given else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"az {' '.join(arguments[:3])} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def warn_of_stray_connection(group: str, app: str) -> None:
    """Warn of an app setting AzureWebJobsStorage, which tools and the portal sometimes add, empty.

    The host reads it as a connection string and does not start, or warns for ever:
    https://github.com/Azure/azure-functions-host/issues/11782 and 11796.
    """
    where = ("--resource-group", group, "--name", app)
    query = ("--query", "length([?name=='AzureWebJobsStorage'])", "--output", "tsv")
    if az("functionapp", "config", "appsettings", "list", *where, *query) != "0":
        say("Warning: the app has a setting AzureWebJobsStorage beside its identity-based connection.")
        say("The host takes it for a connection string and may not start. Remove it with:")
        address = f"-g {group} -n {app}"
        say(f"  az functionapp config appsettings delete {address} --setting-names AzureWebJobsStorage")


def wake(url: str) -> None:
    """Call the app, so that a host that has scaled to zero starts. Its response does not matter here."""
    try:
        with urllib.request.urlopen(url, timeout=30):
            pass
    except (OSError, http.client.HTTPException):
        pass


def ready(group: str, app: str) -> tuple[bool, str]:
    """Return whether the Blob trigger can be subscribed, and what is missing. The key never leaves az."""
    address = ("--resource-group", group, "--name", app)
    names = json.loads(
        az("functionapp", "function", "list", *address, "--query", "[].name", "--output", "json")
    )
    if not any(name.split("/")[-1] == "hot_folder" for name in names):
        return False, "the function hot_folder is not indexed yet"
    query = ("--query", "systemKeys.blobs_extension != null", "--output", "tsv")
    if az("functionapp", "keys", "list", *address, *query).lower() != "true":
        return False, "the key blobs_extension is not made yet"
    return True, ""


def wait_until_ready(outputs: dict[str, str], seconds: float, pause: float) -> None:
    """Wait for the app. Raise RuntimeError with what is still missing.

    While the host starts, Azure answers requests for functions and keys with errors, too.
    """
    end = time.monotonic() + seconds
    while True:
        wake(outputs["HEALTH_URL"])
        try:
            is_ready, missing = ready(outputs["AZURE_RESOURCE_GROUP"], outputs["FUNCTION_APP_NAME"])
        except RuntimeError as error:
            is_ready, missing = False, str(error)
        if is_ready:
            return
        if time.monotonic() >= end:
            raise RuntimeError(
                f"after {seconds:.0f} s {missing}: is the code deployed, "
                f"and does {outputs['HEALTH_URL']} answer?"
            )
        say(f"Waiting: {missing}.")
        time.sleep(pause)


def patiently(step: Callable[[], None], health_url: str, pause: float) -> None:
    """Run a step that needs the app awake, and retry it. Raise the RuntimeError of the last try."""
    for _ in range(TRIES - 1):
        try:
            step()
        except RuntimeError as error:
            say(f"Retrying: {error}")
            wake(health_url)
            time.sleep(pause)
        else:
            return
    step()


def subscribe(outputs: dict[str, str]) -> None:
    """Subscribe the Blob trigger to new files. Event Grid calls the app meanwhile; a cold one may miss it."""
    az(
        "deployment",
        "group",
        "create",
        "--resource-group",
        outputs["AZURE_RESOURCE_GROUP"],
        "--name",
        "hot-folder-events",
        "--template-file",
        str(TEMPLATE),
        "--parameters",
        f"functionAppName={outputs['FUNCTION_APP_NAME']}",
        f"systemTopicName={outputs['SYSTEM_TOPIC_NAME']}",
        f"storageAccountName={outputs['STORAGE_ACCOUNT_NAME']}",
        "--output",
        "none",
    )


def make_key(group: str, app: str) -> None:
    """Make the webhook's function key for printIQ, unless it exists, and print how to read it.

    A key whose name begins alike, such as printiq-2, is its successor.
    """
    address = ("--resource-group", group, "--name", app, "--function-name", "webhook")
    listed = az("functionapp", "function", "keys", "list", *address, "--query", "keys(@)", "--output", "json")
    names = sorted(name for name in json.loads(listed) if name.startswith(KEY))
    if not names:
        az("functionapp", "function", "keys", "set", *address, "--key-name", KEY, "--output", "none")
    query = f"--query '\"{names[-1] if names else KEY}\"' -o tsv"
    say(f"The key for printIQ is {'already there' if names else 'made'}; read it with:")
    say(f"  az functionapp function keys list -g {group} -n {app} --function-name webhook {query}")


def show_addresses(outputs: dict[str, str]) -> None:
    group, app = outputs["AZURE_RESOURCE_GROUP"], outputs["FUNCTION_APP_NAME"]
    say(f"Console      {outputs['CONSOLE_URL']}")
    say(f"Webhook      {outputs['WEBHOOK_URL']}  (one address per event; the key goes into ?code=)")
    say(f"Hot folder   {outputs['HOT_FOLDER_URL']}")
    say(f"Health       {outputs['HEALTH_URL']}")
    say("The console's page Connect writes the request to the printIQ team, with every address.")
    say("Next, make a host key of your own, and check each part with it:")
    say(
        f"  az functionapp keys set -g {group} -n {app} --key-type functionKeys --key-name <your name> "
        "--query value -o tsv"
    )
    url = outputs["HEALTH_URL"].rpartition("/api/")[0]
    say(f"  python3 dev.py send --check --url {url} --key <that key>")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in OUTPUTS:
        option = "--" + name.lower().replace("_", "-")
        parser.add_argument(option, dest=name, default=os.environ.get(name, ""), help=f"the output {name}")
    parser.add_argument("--wait", type=float, default=600, help="how long to wait for the app, in seconds")
    parser.add_argument("--pause", type=float, default=10, help="seconds between two looks")
    options = parser.parse_args(arguments)
    outputs = {name: str(getattr(options, name)) for name in OUTPUTS}
    if missing := [name for name, value in outputs.items() if not value]:
        parser.error(f"not given, neither as an option nor in the environment: {', '.join(missing)}")
    group, app = outputs["AZURE_RESOURCE_GROUP"], outputs["FUNCTION_APP_NAME"]
    try:
        az("account", "show", "--output", "none")  # is az there, and signed in?
        warn_of_stray_connection(group, app)
        wait_until_ready(outputs, options.wait, options.pause)
        patiently(lambda: subscribe(outputs), outputs["HEALTH_URL"], options.pause)
        say("The hot folder's new files now wake the function hot_folder.")
        patiently(lambda: make_key(group, app), outputs["HEALTH_URL"], options.pause)
    except RuntimeError as error:
        print(f"postdeploy: {error}", file=sys.stderr)
        return 1
    show_addresses(outputs)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
