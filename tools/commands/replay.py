"""`dev.py replay`: process deliveries again, one or all that a filter selects."""

import json
from typing import Annotated

import typer
from rich.console import Console

from handlers.ledger.rows import Status
from tools.commands import _selectors
from tools.commands._api import Api, Json, RefusedError, UnreachableError
from tools.commands._exit import ExitCode
from tools.commands._ports import DEFAULT_URL
from tools.commands._target import JsonOption, KeyOption, UrlOption
from tools.commands._words import deliveries

# The most that the app replays in one call, so that the call ends in time.
_AT_ONCE = 500
_WAIT_SECONDS = 30
_SENT = {"sent", "duplicate"}
_UNSENT = {"quarantined", "failed"}


def main(
    delivery: Annotated[str | None, typer.Argument(help="The id of one delivery.")] = None,
    *,
    event: Annotated[
        str | None, typer.Option(help="All of this event.", callback=_selectors.event_or_unknown)
    ] = None,
    status: Annotated[Status | None, typer.Option(help="All with this status.")] = None,
    subject: Annotated[str | None, typer.Option(help="All about this job, quote, customer, …")] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Received at this time or later: 2026-03-31.", callback=_selectors.moment),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Received before this time.", callback=_selectors.moment)
    ] = None,
    only_open: Annotated[bool, typer.Option("--open", help="All that is quarantined or failed.")] = False,
    as_event: Annotated[
        str | None,
        typer.Option("--as", help="Read the bytes as this event instead.", callback=_selectors.event),
    ] = None,
    queue: Annotated[
        list[str] | None, typer.Option(help="Only to this subscription; may be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be replayed.")] = False,
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Process deliveries again from their kept bytes: one, or all that a filter selects.

    A replay keeps the id of the original message, so that consumers can recognise it. A filter skips
    deliveries that were replayed or dismissed before, so the command can be interrupted and called again. It
    also skips replays, except that --open selects those that failed. What cannot be replayed is skipped.

    Waits for the outcome of each replay, and lists those that are not sent on.

    Exit codes: 0 done; 1 refused, or a replay was quarantined or failed, with the reason; 2 the command line
    is wrong; 3 the app does not respond; 4 a replay has no outcome yet.
    """
    chosen = {"event": event, "status": status, "subject": subject, "from": since, "to": until}
    selection: Json = {name: value for name, value in chosen.items() if value is not None}
    if only_open:
        selection["open"] = True
    if bool(delivery) == bool(selection):
        raise typer.BadParameter("Name one delivery by its id, or select with --event, --open, --since, …")
    console = Console(stderr=as_json, highlight=False, markup=False)
    options = {name: value for name, value in {"as": as_event, "queues": queue}.items() if value}
    api = Api(url, key)
    try:
        if delivery is None:
            done = _all(api, selection, options, console, dry_run=dry_run)
        elif dry_run:
            done = _look(api, delivery, options, console)
        else:
            done = _one(api, delivery, options)
        outcomes = _outcomes(api, done["replayed"], console)
    except RefusedError as error:
        for message in error.args:
            console.print(f"Refused: {message}", style="red", soft_wrap=True)
        raise typer.Exit(ExitCode.REFUSED) from None
    except UnreachableError as error:
        console.print(str(error))
        raise typer.Exit(ExitCode.UNREACHABLE) from error
    if as_json:
        print(json.dumps({**done, "outcomes": outcomes}))
    else:
        _show(done, outcomes, console, dry_run=dry_run)
    raise typer.Exit(_exit_code(outcomes))


def _one(api: Api, delivery: str, options: Json) -> Json:
    return {"matched": 1, "replayed": [api.ask(f"deliveries/{delivery}/replay", options)], "skipped": 0}


def _look(api: Api, delivery: str, options: Json, console: Console) -> Json:
    """Ask whether a delivery could be replayed, and print its current state."""
    answer = api.ask(f"deliveries/{delivery}/replay", {**options, "dryRun": True})
    row = api.json(f"deliveries/{delivery}")
    before = f", was replayed as {row['replayedBy']}" if "replayedBy" in row else ""
    console.print(f"{row['id']}  {answer['event']}  is {row['status']}{before}", soft_wrap=True)
    return {"matched": 1, "replayed": [], "skipped": 0}


def _all(api: Api, selection: Json, options: Json, console: Console, *, dry_run: bool) -> Json:
    """Ask page by page until the last one."""
    matched, skipped, replayed = 0, 0, list[Json]()
    request = {"filter": selection, "limit": _AT_ONCE, "dryRun": dry_run, **options}
    with console.status("Asking for replays …") as status:
        while True:
            answer = api.ask("replays", request)
            matched += answer["matched"]
            skipped += answer["skipped"]
            replayed += answer["replayed"]
            status.update(f"{matched:,} found, {len(replayed):,} replayed, {skipped:,} skipped")
            if not answer.get("cursor"):
                return {"matched": matched, "replayed": replayed, "skipped": skipped}
            request["cursor"] = answer["cursor"]


def _outcomes(api: Api, replayed: list[Json], console: Console) -> list[Json]:
    """Wait for each replay's outcome; return their ids, statuses and errors."""
    outcomes = []
    with console.status("Waiting for the outcomes …") as status:
        for number, each in enumerate(replayed):
            status.update(f"{number:,} of {len(replayed):,} have an outcome")
            found = api.find(f"deliveries/{each['id']}", {"wait": str(_WAIT_SECONDS)})
            row = {"status": "waiting"} if found is None else found.json()
            outcomes.append({"id": each["id"], "status": row["status"], "error": row.get("error")})
    return outcomes


def _exit_code(outcomes: list[Json]) -> ExitCode:
    statuses = {outcome["status"] for outcome in outcomes}
    if statuses & _UNSENT:
        return ExitCode.REFUSED
    return ExitCode.DONE if statuses <= _SENT else ExitCode.WAITING


def _show(done: Json, outcomes: list[Json], console: Console, *, dry_run: bool) -> None:
    for each, outcome in zip(done["replayed"], outcomes, strict=True):
        line = f"{each['replayOf']}  {each['event']}  replayed as {each['id']}: {outcome['status']}"
        reason = f": {outcome['error']}" if outcome["error"] else ""
        good = outcome["status"] in _SENT
        console.print(line + reason, style=None if good else "red", soft_wrap=True)
    skipped = f"; {done['skipped']:,} skipped" if done["skipped"] else ""
    if dry_run:
        next_step = " Leave out --dry-run to do it." if done["matched"] else ""
        console.print(f"{deliveries(done['matched'])} would be replayed{skipped}.{next_step}", soft_wrap=True)
    else:
        console.print(f"{len(done['replayed']):,} replayed{skipped}.")
