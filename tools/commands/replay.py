"""`dev.py replay`: send deliveries through again, one or all that a filter selects."""

import json
from enum import IntEnum
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console

from handlers.ledger.write import Status
from tools.commands import _asked
from tools.commands._target import (
    DEFAULT_URL,
    JsonOption,
    KeyOption,
    UnreachableError,
    UrlOption,
    app_answers,
    hint,
)
from tools.commands._words import deliveries

# The app replays at most so many in one call, so that the call ends in time.
_AT_ONCE = 500
# The platform ends a request after 230 seconds; the app answers before that.
_SECONDS = 230


class Outcome(IntEnum):
    """Say what came of it: the exit codes."""

    DONE = 0
    REFUSED = 1
    UNREACHABLE = 3


def main(
    delivery: Annotated[str | None, typer.Argument(help="The id of one delivery.")] = None,
    *,
    event: Annotated[
        str | None, typer.Option(help="All of this event.", callback=_asked.event_or_unknown)
    ] = None,
    status: Annotated[Status | None, typer.Option(help="All with this status.")] = None,
    subject: Annotated[str | None, typer.Option(help="All about this job, quote, customer, …")] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Received at this time or later: 2026-03-31.", callback=_asked.moment),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Received before this time.", callback=_asked.moment)
    ] = None,
    only_open: Annotated[bool, typer.Option("--open", help="All that is quarantined or failed.")] = False,
    as_event: Annotated[
        str | None,
        typer.Option("--as", help="Read it as this event instead.", callback=_asked.event),
    ] = None,
    queue: Annotated[list[str] | None, typer.Option(help="Only to this queue; may be repeated.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be replayed.")] = False,
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send deliveries through again from their kept bytes: one, or all that a filter selects.

    A replay keeps the id of its message, so that consumers can tell it. A filter passes over what was
    replayed or dismissed before, so this can be interrupted and called again; and over replays, save that
    --open takes those that came to nothing. What cannot be replayed is passed over, too.

    Exit codes: 0 done; 1 refused, with the reason; 2 the command line is wrong; 3 the app does not answer.
    """
    chosen = {"event": event, "status": status, "subject": subject, "from": since, "to": until}
    selection: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    if only_open:
        selection["open"] = True
    if bool(delivery) == bool(selection):
        raise typer.BadParameter("Name one delivery by its id, or say which with --event, --open, --since, …")
    console = Console(stderr=as_json, highlight=False, markup=False)
    wish = {name: value for name, value in {"as": as_event, "queues": queue}.items() if value}
    app = _App(url.rstrip("/"), key, console)
    try:
        if delivery:
            done = app.look(delivery, wish) if dry_run else app.one(delivery, wish)
        else:
            done = app.all(selection, wish, dry_run=dry_run)
    except UnreachableError as error:
        console.print(str(error))
        raise typer.Exit(Outcome.UNREACHABLE) from error
    if as_json:
        print(json.dumps(done))
    else:
        _tell(done, console, dry_run=dry_run)


class _App:
    """Ask an app for replays."""

    def __init__(self, url: str, key: str | None, console: Console) -> None:
        self._url = url
        self._headers = {"x-functions-key": key} if key else {}
        self._console = console

    def one(self, delivery: str, wish: dict[str, Any]) -> dict[str, Any]:
        answered = self._ask("POST", f"/api/deliveries/{delivery}/replay", wish).json()
        return {"matched": 1, "replayed": [answered], "skipped": 0}

    def look(self, delivery: str, wish: dict[str, Any]) -> dict[str, Any]:
        """Ask whether one could be replayed, and tell what became of it so far."""
        answered = self._ask("POST", f"/api/deliveries/{delivery}/replay", {**wish, "dryRun": True}).json()
        row = self._ask("GET", f"/api/deliveries/{delivery}").json()
        before = f", was replayed as {row['replayedBy']}" if "replayedBy" in row else ""
        self._console.print(f"{row['id']}  {answered['event']}  is {row['status']}{before}", soft_wrap=True)
        return {"matched": 1, "replayed": [], "skipped": 0}

    def all(self, selection: dict[str, Any], wish: dict[str, Any], *, dry_run: bool) -> dict[str, Any]:
        """Go on, call after call, until the last page."""
        matched, skipped, replayed = 0, 0, list[dict[str, Any]]()
        asked = {"filter": selection, "limit": _AT_ONCE, "dryRun": dry_run, **wish}
        with self._console.status("Asking for replays …") as status:
            while True:
                answered = self._ask("POST", "/api/replays", asked).json()
                matched += answered["matched"]
                skipped += answered["skipped"]
                replayed += answered["replayed"]
                status.update(f"{matched:,} found, {len(replayed):,} replayed, {skipped:,} passed over")
                if not answered.get("cursor"):
                    return {"matched": matched, "replayed": replayed, "skipped": skipped}
                asked["cursor"] = answered["cursor"]

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        with app_answers(self._url):
            answer = httpx.request(
                method, self._url + path, json=body, headers=self._headers, timeout=_SECONDS
            )
        if answer.is_success:
            return answer
        if "problem+json" in answer.headers.get("Content-Type", ""):
            for error in answer.json()["errors"]:
                self._console.print(f"Refused: {error['message']}", style="red", soft_wrap=True)
            raise typer.Exit(Outcome.REFUSED)
        said = f"{self._url}{path} answered {answer.status_code}."
        raise UnreachableError(f"{said} {hint(answer)}")


def _tell(done: dict[str, Any], console: Console, *, dry_run: bool) -> None:
    for each in done["replayed"]:
        console.print(f"{each['replayOf']}  {each['event']}  replayed as {each['id']}", soft_wrap=True)
    passed_over = f"; {done['skipped']:,} passed over" if done["skipped"] else ""
    if dry_run:
        to_do_it = " Leave out --dry-run to do it." if done["matched"] else ""
        would = f"{deliveries(done['matched'])} would be replayed{passed_over}."
        console.print(would + to_do_it, soft_wrap=True)
    else:
        console.print(f"{len(done['replayed']):,} replayed{passed_over}.")
