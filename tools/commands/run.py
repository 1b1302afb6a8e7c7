"""`dev.py run`: run the app with the local host and Azurite until Ctrl-C."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from azure.storage.blob import BlobServiceClient
from pydantic import ValidationError
from rich.console import Console

from events import EventType
from handlers.errors import SubscriptionsError
from handlers.problems import in_words
from handlers.settings import SERVICE_BUS_NAMESPACE, Settings, subscriptions_text
from handlers.subscriptions import Subscriptions, secure_url
from tools.commands._ports import DEFAULT_PORT, DEFAULT_STORAGE_PORT, DEFAULT_URL, LARGEST_PORT
from tools.host import host
from tools.host.__main__ import configure_logging, stop_on_signals
from tools.host.azurite import Azurite, install
from tools.host.errors import HostError
from tools.host.faults import StorageLostError
from tools.host.ftp import DEFAULT_PORT as FTP_PORT
from tools.host.ftp import PASSWORD, USER, FtpServer
from tools.host.http import bind
from tools.host.service_bus import DEFAULT_PORT as SERVICE_BUS_PORT
from tools.host.service_bus import ServiceBus
from tools.host.settings import DEFAULT_STORAGE, load_app_settings

ROOT = Path(__file__).parents[2]
LOCAL = ROOT / ".local"
STORAGE_SETTINGS = (DEFAULT_STORAGE, "HOT_FOLDER")
# A developer does not want to wait a minute.
_SOON = "*/10 * * * * *"
_SAMPLE = "tests/corpus/CreateQuote/typical.json"

_PUSHED = """[https.push-to]
title = "dev.py run --push-to"
events = ["*"]
url = {url}
auth = "none"
allow_private = true"""


def _url(url: str | None) -> str | None:
    """Check the address of a web handler. Raises typer.BadParameter."""
    try:
        return url and secure_url(url)
    except ValueError as error:
        raise typer.BadParameter(f"{url}: {error}.") from error


def main(
    *,
    port: Annotated[int, typer.Option(min=1, max=LARGEST_PORT, help="Port for HTTP.")] = DEFAULT_PORT,
    storage_port: Annotated[
        int,
        typer.Option(
            min=1, max=LARGEST_PORT - 2, help="Port for blobs; queues and tables take the next two."
        ),
    ] = DEFAULT_STORAGE_PORT,
    data: Annotated[
        Path,
        typer.Option(help="Folder for stored data, keys and timers.", show_default=".local/data"),
    ] = LOCAL / "data",
    keys: Annotated[bool, typer.Option("--keys", help="Ask callers for a key, as Azure does.")] = False,
    func: Annotated[
        bool, typer.Option("--func", help="Use Azure Functions Core Tools (func) as the host.")
    ] = False,
    lease: Annotated[
        float, typer.Option(min=1, help="Seconds until a message is tried again if the host dies.")
    ] = 600,
    ftp: Annotated[
        bool, typer.Option("--ftp", help="Also run an FTP server with a folder for each event, and poll it.")
    ] = False,
    ftp_port: Annotated[int, typer.Option(min=1, max=LARGEST_PORT, help="Port for FTP.")] = FTP_PORT,
    push_to: Annotated[
        str | None,
        typer.Option(
            help="Also push every event to this web handler, as an https subscription does.", callback=_url
        ),
    ] = None,
    service_bus_port: Annotated[
        int,
        typer.Option(min=1, max=LARGEST_PORT, help="Port for Service Bus, if a subscription needs it."),
    ] = SERVICE_BUS_PORT,
) -> None:
    """Run the app on this machine, with the storage it needs, until Ctrl-C."""
    configure_logging()
    options = host.Options(
        app=ROOT, port=port, state=data / "host", keys=keys, lease=lease, stop_on_storage_faults=True
    )
    console = Console(highlight=False)
    try:
        bind(port, host.PORT_OPTION).close()
        core_tools = _core_tools() if func else None
        with console.status("Getting Azurite ready"):
            program = install(LOCAL / "azurite", console.print)
        console.print("Starting Azurite")
        load_app_settings(ROOT)
        if push_to:
            _push_to(push_to)
        entities = _service_bus_entities(console)
        with (
            Azurite(program, storage_port, data.resolve() / "azurite") as azurite,
            FtpServer(data.resolve() / "ftp", ftp_port) if ftp else nullcontext() as ftp_server,
            ServiceBus(entities, service_bus_port) if entities else nullcontext() as service_bus,
        ):
            _use(azurite, console)
            _check_settings()
            if service_bus:
                os.environ[SERVICE_BUS_NAMESPACE] = service_bus.namespace
                console.print(
                    f"Service Bus: what {', '.join(entities)} got is on http://{service_bus.namespace}"
                )
            if ftp_server:
                _poll(ftp_server, console)
            asyncio.run(_run(options, azurite, console, core_tools))
            console.print("Stopping")
    except StorageLostError as exc:
        print(f"{exc}\nStarting again, as Azure does.", file=sys.stderr, flush=True)
        _start_again()
    except HostError as exc:
        print(exc, file=sys.stderr)
        raise typer.Exit(exc.exit_code) from None
    except OSError as exc:
        if exc.filename is None:
            raise
        print(
            f"{exc.filename} cannot be used: {exc.strerror}. Choose another folder with --data.",
            file=sys.stderr,
        )
        raise typer.Exit(HostError.exit_code) from None


def _start_again() -> None:
    """Run this command anew: an app that was imported once cannot be started twice in a process."""
    if sys.platform == "win32":  # whose exec gives the console back at once
        raise typer.Exit(subprocess.run(sys.orig_argv, check=False).returncode)
    os.execv(sys.executable, sys.orig_argv)


async def _run(options: host.Options, azurite: Azurite, console: Console, core_tools: str | None) -> None:
    with stop_on_signals() as stop:
        if core_tools:
            await _run_core_tools(core_tools, options.port, stop)
        else:
            await host.run(options, stop, lambda listening: _welcome(console, listening, azurite))


def _use(azurite: Azurite, console: Console) -> None:
    """Point the app's storage settings at Azurite, except those that the developer has set."""
    for name in STORAGE_SETTINGS:
        if os.environ.get(name, "UseDevelopmentStorage=true") == "UseDevelopmentStorage=true":
            os.environ[name] = azurite.connection_string
        else:
            console.print(f"[yellow]{name} is set: the app uses that storage, not Azurite.")


def _push_to(url: str) -> None:
    """Subscribe a web handler, beside the subscriptions that there are."""
    given = subscriptions_text(os.environ.get("SUBSCRIPTIONS", ""))
    table = _PUSHED.format(url=json.dumps(url))
    if table not in given:  # the app may have started again
        os.environ["SUBSCRIPTIONS"] = f"{given.rstrip()}\n\n{table}"


def _check_settings() -> None:
    """Raise HostError where the app could not start with its settings."""
    try:
        Settings.read(os.environ)
    except ValidationError as error:
        raise HostError(in_words(error)) from None
    for name in STORAGE_SETTINGS:
        if given := os.environ.get(name):
            try:
                BlobServiceClient.from_connection_string(given)
            except ValueError as error:
                raise HostError(f"The setting {name} cannot be used: {error}") from None


def _service_bus_entities(console: Console) -> list[str]:
    """Return the queues and topics of the subscriptions, unless the developer has set a namespace."""
    try:
        found = Subscriptions.in_force(os.environ.get("SUBSCRIPTIONS", ""))
    except SubscriptionsError as error:  # the app receives events all the same
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return []
    if os.environ.get(SERVICE_BUS_NAMESPACE):
        return []
    return [each.name for each in found.all.values() if each.kind == "service-bus"]


def _poll(server: FtpServer, console: Console) -> None:
    """Make a folder for each event, and let the app poll the server."""
    for event in EventType:
        (server.folder / event).mkdir(exist_ok=True)
    source = {
        "name": "local",
        "host": "127.0.0.1",
        "port": server.port,
        "user": USER,
        "password": PASSWORD,
        "tls": "none",
    }
    os.environ["FTP_SOURCES"] = json.dumps([source])
    os.environ.setdefault("FTP_SCHEDULE", _SOON)
    console.print(f"FTP server on ftp://{USER}:{PASSWORD}@127.0.0.1:{server.port}", soft_wrap=True)
    where = f"an event's folder there, or in {server.folder}"
    console.print(f"  drop files into {where}", soft_wrap=True, markup=False)


def _welcome(console: Console, listening: host.Listening, azurite: Azurite) -> None:
    console.print()
    console.print(f"[bold]The app is listening[/] on {listening.url}")
    for line in (*listening.routes, *listening.triggers):
        console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print(
        f"Storage (Azurite): blobs, queues and tables on ports {azurite.port} to {azurite.port + 2}"
    )
    key, options = "", ""
    if listening.url != DEFAULT_URL:
        options += f" --url {listening.url}"
    if azurite.port != DEFAULT_STORAGE_PORT:
        options += f" --storage-port {azurite.port}"
    if listening.keys:
        console.print("Keys, for the header x-functions-key or ?code=:")
        console.print(f"  every function  {listening.keys.host}\n  master          {listening.keys.master}")
        key = f' -H "x-functions-key: {listening.keys.host}"'
        options += f" --key {listening.keys.host}"
    python = "py" if sys.platform == "win32" else "python3"
    console.print("[bold]Try next[/], in another terminal:")
    console.print(
        f"  curl -i{key} --data @{_SAMPLE} {listening.url}/api/webhooks/CreateQuote", soft_wrap=True
    )
    console.print(f"  {python} dev.py send CreateQuote{options}", soft_wrap=True)
    console.print(f"[bold]Console:[/] {listening.url}/api/console", soft_wrap=True)
    console.print("Ctrl-C stops everything; the data is kept.")
    console.print()


def _core_tools() -> str:
    path = shutil.which("func")
    if path is None:
        raise HostError(
            "Azure Functions Core Tools (func) are not on the PATH. Install them, or leave out --func."
        )
    return path


async def _run_core_tools(program: str, port: int, stop: asyncio.Event) -> None:
    """Run the app with Microsoft's host, which finds this environment's Python on the PATH."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = await asyncio.create_subprocess_exec(
        *[program, "start", "--port", str(port)], cwd=ROOT, env={**os.environ, "PATH": path}
    )
    stopping = asyncio.create_task(stop.wait())
    ended = asyncio.create_task(process.wait())
    await asyncio.wait([stopping, ended], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if process.returncode is None:
        process.terminate()
        await ended
    elif process.returncode:
        raise HostError(f"{program} ended with exit code {process.returncode}.")
