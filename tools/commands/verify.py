"""`dev.py verify`: reconcile archive, quarantine, ledger and search index, and name what does not add up."""

import json
from datetime import date
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from handlers.app import App
from handlers.operations import reconcile
from handlers.operations.reconcile import Reconciliation, Repaired
from tools.commands._exit import ExitCode
from tools.commands._ports import DEFAULT_STORAGE_PORT
from tools.commands._storage import with_app
from tools.commands._target import JsonOption, StoragePortOption
from tools.commands._words import counted, deliveries


def main(
    *,
    since: Annotated[
        str | None, typer.Option(help="First day to reconcile, as YYYY-MM-DD; without the search index.")
    ] = None,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Send bytes without a row to the inbox, correct the search index, take what was dealt with "
            "off the open deliveries, and remove the duplicate history of what was erased.",
        ),
    ] = False,
    as_json: JsonOption = False,
    storage_port: StoragePortOption = DEFAULT_STORAGE_PORT,
) -> None:
    """Reconcile archive, quarantine, ledger and search index, and name what does not add up.

    Works on the storage that the setting AzureWebJobsStorage names (in the environment or in
    local.settings.json), or else on the local one. It is exact once the inbox is empty.

    Exit codes: 0 everything adds up; 1 something does not; 2 the command line or a setting is wrong; 3
    storage does not respond; 4 not exact yet, messages wait.
    """
    console = Console(stderr=as_json, markup=False)
    try:
        first = date.fromisoformat(since) if since else None
    except ValueError as error:
        raise typer.BadParameter(
            f"{since!r} is no date. Write it like 2026-03-31.", param_hint="--since"
        ) from error
    found = with_app(lambda app: _verify(app, first, console, repair=repair), storage_port, console)
    if as_json:
        print(json.dumps(_as_members(found)))
    else:
        _show(found, console)
    if not found.balanced:
        raise typer.Exit(ExitCode.REFUSED)
    if found.waiting:
        raise typer.Exit(ExitCode.WAITING)


async def _verify(app: App, since: date | None, console: Console, *, repair: bool) -> Reconciliation:
    with console.status("Reading the ledger, the archive and the quarantine …") as status:

        def progress(day: str, so_far: Reconciliation) -> None:
            found, wrong = deliveries(so_far.by_status.total()), counted(len(so_far.findings), "finding")
            status.update(f"{day}: {found}, {wrong}")

        found = await reconcile.reconcile(app, since=since, progress=progress)
    if repair:
        _show_repaired(await reconcile.repair(app, found), found, console)
    return found


def _show_repaired(done: Repaired, found: Reconciliation, console: Console) -> None:
    if done.left:
        console.print(
            f"Passed on none of the bytes without a row: messages wait ({found.waiting + found.poison:,}), "
            "and the bytes may be theirs. Repair again once the inbox is empty.",
            style="yellow",
        )
    else:
        console.print(f"Sent {deliveries(len(done.adopted))} that the ledger did not know to the inbox.")
    if done.indexed:
        console.print(f"Corrected the search index of {counted(len(done.indexed), 'subject')}.")
    if done.closed:
        console.print(f"Took {deliveries(len(done.closed))} that had been dealt with off the open ones.")
    if done.forgotten:
        subjects = counted(len(done.forgotten), "subject")
        console.print(f"Removed the duplicate history of {subjects} that was erased.")


def _as_members(found: Reconciliation) -> dict[str, object]:
    return {
        "balanced": found.balanced,
        "exact": not found.waiting,
        "days": found.days,
        "deliveries": found.by_status.total(),
        "byStatus": dict(found.by_status),
        "open": found.open,
        "waiting": found.waiting,
        "poison": found.poison,
        "pushing": found.pushing,
        "undelivered": {
            name: {"waiting": each.waiting, "failed": each.failed, "paused": each.paused, "more": each.more}
            for name, each in found.undelivered.items()
        },
        "foreign": [str(each) for each in found.foreign],
        "findings": [{"id": finding.id, "what": finding.what} for finding in found.findings],
    }


def _show(found: Reconciliation, console: Console) -> None:
    table = Table("status", "deliveries", title=f"Days reconciled: {found.days}")
    table.columns[1].justify = "right"
    for status, count in sorted(found.by_status.items()):
        table.add_row(status, f"{count:,}")
    table.add_row("all", f"{found.by_status.total():,}", style="bold")
    console.print(table)
    console.print(f"Open (quarantined or failed, neither replayed nor dismissed): {found.open:,}")
    for name, each in found.undelivered.items():
        counts = {"to be pushed again": each.waiting, "given up": each.failed, "withheld": each.paused}
        if any(counts.values()):
            parts = ", ".join(f"{number:,} {what}" for what, number in counts.items() if number)
            more = ", and more" if each.more else ""
            console.print(f"Not delivered to {name}: {parts}{more}", style="yellow", highlight=False)
    for place in found.foreign:
        console.print(f"{place}: not a blob of this app's, passed over", style="yellow", highlight=False)
    for finding in found.findings:
        named = f"{finding.id}: " if finding.id else ""
        console.print(f"{named}{finding.what}", style="red", highlight=False)
    if found.poison:
        console.print(f"In the poison queue: {counted(found.poison, 'message')}.", style="red")
    if found.waiting:
        waiting = counted(found.waiting, "message")
        console.print(f"In the inbox: {waiting}. Run this again when it is empty.", style="yellow")
    if found.balanced and not found.waiting:
        console.print("Everything adds up: nothing is missing.", style="green")
