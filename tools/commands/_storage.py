"""The storage of an app, for commands that work on it directly: local, or as the settings name it."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import typer
from pydantic import ValidationError
from rich.console import Console

from handlers.app import App
from handlers.errors import StorageFault
from handlers.problems import in_words
from handlers.settings import Connection, Settings
from handlers.stores import Stores
from handlers.telemetry import escape_names
from tools.commands._exit import ExitCode
from tools.commands._target import DEVELOPMENT, read_app_settings
from tools.host.azurite import connection_string
from tools.host.settings import DEFAULT_STORAGE

# These commands never read the hot folder: it is taken to be in the same account.
_ENDINGS = ("", "__blobServiceUri", "__queueServiceUri", "__clientId")


def with_app[T](work: Callable[[App], Awaitable[T]], storage_port: int, console: Console) -> T:
    """Run `work` on the storage that AzureWebJobsStorage names; without that setting on the local Azurite.

    Prints which storage that is. Raises typer.Exit after printing the reason: 2 for wrong settings, 3 where
    storage does not respond.
    """
    read_app_settings()
    try:
        settings = _settings(storage_port)
    except ValidationError as error:
        raise _wrong(in_words(error), console) from None
    console.print(f"Storage: {_shown(settings.storage)}", soft_wrap=True, highlight=False)

    async def running() -> T:
        escape_names()
        try:
            # not started: what its subscriptions need is the running app's to report
            app = App(settings, Stores.connect(settings))
        except ValueError as error:
            raise _wrong(f"{DEFAULT_STORAGE}: {error}", console) from None
        try:
            return await work(app)
        finally:
            await app.close()

    # it logs forty lines about every way to sign in; the hint below is enough
    logging.getLogger("azure.identity").setLevel(logging.CRITICAL)
    try:
        return asyncio.run(running())
    except StorageFault as error:
        console.print(
            f"Storage does not respond: {error}.", style="red", soft_wrap=True, markup=False, highlight=False
        )
        console.print(_hint(settings.storage, storage_port), soft_wrap=True, highlight=False)
        raise typer.Exit(ExitCode.UNREACHABLE) from None


def _wrong(why: str, console: Console) -> typer.Exit:
    console.print(why, style="red", soft_wrap=True, markup=False, highlight=False)
    return typer.Exit(ExitCode.WRONG)


def _settings(storage_port: int) -> Settings:
    given = {name.upper(): value for name, value in os.environ.items()}
    named = {ending: given.get(f"{DEFAULT_STORAGE}{ending}".upper(), "") for ending in _ENDINGS}
    if named[""] == DEVELOPMENT or not any(name.startswith(DEFAULT_STORAGE.upper()) for name in given):
        local = connection_string(storage_port)
        return Settings.read({DEFAULT_STORAGE: local, "HOT_FOLDER": local})
    return Settings.read(os.environ | {f"HOT_FOLDER{ending}": value for ending, value in named.items()})


def _shown(storage: Connection) -> str:
    """Name a storage account, without its key."""
    if not storage.connection_string:
        return f"{storage.blob}, with your identity"
    parts = dict(part.partition("=")[::2] for part in storage.connection_string.split(";"))
    where = parts.get("BlobEndpoint", "")
    account = parts.get("AccountName") or urlsplit(where).netloc
    return f"account {account}" + (f" at {where}" if where else "")


def _hint(storage: Connection, storage_port: int) -> str:
    if not storage.connection_string:
        return "Sign in with `az login`. docs/operate.md, Verify and erase, lists the roles that you need."
    if storage.connection_string == connection_string(storage_port):
        return "Start the app with `python3 dev.py run`, or give the --storage-port that it was started with."
    return f"Is the connection string in {DEFAULT_STORAGE} right, and may you use that account?"
