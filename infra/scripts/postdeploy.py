# ruff: noqa: INP001 - a script, run by its path
"""Do what can be done only once the code is deployed; to run it again is harmless.

1. Wait until the app has indexed its functions and made the key of its Blob trigger.
2. Subscribe that trigger to the hot folder's new files (app/hot-folder-events.bicep).
3. Make the webhook's function key for printIQ, if there is none.
4. Say where events go.

azd runs it after `azd deploy`, with the outputs of main.bicep in the environment;
without azd they are given as options. It needs Python 3.9 and the Azure CLI, signed in.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parent.parent / "app" / "hot-folder-events.bicep"
OUTPUTS = (
    "AZURE_RESOURCE_GROUP",
    "FUNCTION_APP_NAME",
    "SYSTEM_TOPIC_NAME",
    "STORAGE_ACCOUNT_NAME",
    "WEBHOOK_URL",
    "HOT_FOLDER_URL",
    "HEALTH_URL",
)
TRIES_TO_SUBSCRIBE = 3


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - this is what the person sees


def az(*arguments: str) -> str:
    """Run the Azure CLI; return its output. Raise RuntimeError with its message."""
    program = shutil.which("az")
    if program is None:
        raise RuntimeError("the Azure CLI (az) is not installed, or not on the PATH")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - az itself
    if done.returncode:
        raise RuntimeError(f"az {' '.join(arguments[:3])} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def wake(url: str) -> None:
    """Call the app, so that a host that has scaled to zero starts; what it answers does not matter here."""
    try:
        with urllib.request.urlopen(url, timeout=30):  # noqa: S310 - the app's own address
            pass
    except (urllib.error.URLError, TimeoutError):
        pass


def ready(group: str, app: str) -> tuple[bool, str]:
    """Tell whether the Blob trigger can be subscribed, and what is missing. The key never leaves az."""
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
    """Wait for the app. Raise RuntimeError with what is still missing."""
    end = time.monotonic() + seconds
    while True:
        wake(outputs["HEALTH_URL"])
        is_ready, missing = ready(outputs["AZURE_RESOURCE_GROUP"], outputs["FUNCTION_APP_NAME"])
        if is_ready:
            return
        if time.monotonic() >= end:
            raise RuntimeError(
                f"after {seconds:.0f} s {missing}: is the code deployed, "
                f"and does {outputs['HEALTH_URL']} answer?"
            )
        say(f"Waiting: {missing}.")
        time.sleep(pause)


def subscribe(outputs: dict[str, str], pause: float) -> None:
    """Subscribe the Blob trigger to new files.

    Event Grid calls the app meanwhile, and a cold one may miss that: try again.
    """
    for attempt in range(1, TRIES_TO_SUBSCRIBE + 1):
        try:
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
        except RuntimeError as error:
            if attempt == TRIES_TO_SUBSCRIBE:
                raise
            say(f"Trying again: {error}")
            wake(outputs["HEALTH_URL"])
            time.sleep(pause)
        else:
            return


def make_key(group: str, app: str) -> bool:
    """Make the function key `printiq` of the webhook, if there is none; tell whether it was made."""
    address = ("--resource-group", group, "--name", app, "--function-name", "webhook")
    exists = az(
        "functionapp", "function", "keys", "list", *address, "--query", "printiq != null", "--output", "tsv"
    )
    if exists.lower() == "true":
        return False
    az("functionapp", "function", "keys", "set", *address, "--key-name", "printiq", "--output", "none")
    return True


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
        wait_until_ready(outputs, options.wait, options.pause)
        subscribe(outputs, options.pause)
        say("The hot folder's new files now wake the function hot_folder.")
        made = make_key(group, app)
    except RuntimeError as error:
        print(f"postdeploy: {error}", file=sys.stderr)  # noqa: T201 - this is what the person sees
        return 1
    say(f"The key for printIQ is {'made' if made else 'there already'}; read it with:")
    say(f"  az functionapp function keys list -g {group} -n {app} --function-name webhook --query printiq")
    say(f"Webhook      {outputs['WEBHOOK_URL']}?code=<KEY>")
    say(f"Hot folder   {outputs['HOT_FOLDER_URL']}")
    say(f"Health       {outputs['HEALTH_URL']}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
