"""`dev.py reset`: empty what the app on this machine has stored."""

import shutil
from pathlib import Path
from typing import Annotated

import typer
from filelock import FileLock, Timeout
from rich.console import Console

from tools.commands._exit import ExitCode
from tools.commands._target import ROOT

# What dev.py run keeps there: Azurite's files, the host's keys and timers, the FTP server's folders.
_PARTS = ("azurite", "host", "ftp")


def main(
    *,
    data: Annotated[Path, typer.Option(help="The app's --data.", show_default=".local/data")] = ROOT
    / ".local"
    / "data",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Empty the local data: queues, tables, containers, keys, timers and FTP folders.

    The app has to be stopped; it makes what it needs when it starts. Nothing in Azure is touched.

    Exit codes: 0 it is empty; 1 it is in use, or you declined; 2 the command line is wrong.
    """
    console = Console(highlight=False)
    found = [data / part for part in _PARTS if (data / part).is_dir()]
    if not found:
        console.print(f"There is nothing in {data}.", markup=False, soft_wrap=True)
        return
    try:
        _check_unused(data / "azurite")
    except Timeout:
        console.print(f"An app works in {data}: end its dev.py run first.", style="red", soft_wrap=True)
        raise typer.Exit(ExitCode.REFUSED) from None
    if not yes:
        typer.confirm(f"Delete all that the local app has stored in {data}?", abort=True)
    for folder in found:
        shutil.rmtree(folder)
    console.print(f"Emptied {data}.", markup=False, soft_wrap=True)


def _check_unused(azurite: Path) -> None:
    """Raise Timeout where an Azurite works in its folder."""
    if azurite.is_dir():
        with FileLock(azurite / "lock", blocking=False):
            pass
