"""`dev.py drift`: where printIQ's fields differ from the models, and what a changed model would do."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from events import DateOrder, EventError, parse
from tools.commands import _selectors
from tools.commands._api import Api, RefusedError, UnreachableError, as_received
from tools.commands._exit import ExitCode
from tools.commands._ports import DEFAULT_URL
from tools.commands._target import JsonOption, KeyOption, UrlOption
from tools.commands._words import counted

_PAGE = 100
_SHOWN = 60
_REFUSED = {"(refused)": True}


@dataclass
class Change:
    """A field that would change, how often, and the first example."""

    before: Any
    after: Any
    delivery: str
    count: int = 0


@dataclass
class Backtest:
    """How many payloads were parsed, and what would change, by event and field."""

    parsed: int = 0
    not_kept: int = 0
    too_large: int = 0
    changes: dict[str, dict[str, Change]] = field(default_factory=dict)

    def note(self, event: str, place: str, before: object, after: object, delivery: str) -> None:
        changes = self.changes.setdefault(event, {})
        changes.setdefault(place, Change(before, after, delivery)).count += 1


def main(
    *,
    backtest: Annotated[
        bool, typer.Option("--backtest", help="Parse archived payloads with the models of this folder.")
    ] = False,
    event: Annotated[str | None, typer.Option(help="Only this event.", callback=_selectors.event)] = None,
    last: Annotated[int, typer.Option(min=1, help="With --backtest: how many of the newest.")] = 200,
    date_order: Annotated[
        DateOrder, typer.Option(help="With --backtest: the app's setting DATE_ORDER.")
    ] = DateOrder.DMY,
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where printIQ's fields differ from the models, and what a changed model would do.

    Without --backtest: fields that the app has received and the models do not know, values that could not be
    read, and known fields that were never received.

    With --backtest: parse the newest payloads that the app keeps with the models of this folder, and compare
    the results with the app's. Change a model, run this against production, and see what consumers would
    receive differently before you deploy. Nothing is sent or stored.

    Exit codes: 0 no difference; 1 differences; 2 the command line is wrong; 3 the app does not respond.
    """
    console = Console(stderr=as_json, highlight=False)
    try:
        if backtest:
            tested = _backtest(Api(url, key), event, last, date_order, console)
            differs = bool(tested.changes)
            _print_backtest(tested) if as_json else _show_backtest(tested, console)
        else:
            seen = Api(url, key).json("drift")["events"]
            found = [each for each in seen if event in {None, each["event"]}]
            differs = any(each["unknown"] or each["unread"] for each in found)
            print(json.dumps(found)) if as_json else _show(found, console)
    except UnreachableError as error:
        console.print(escape(str(error)))
        raise typer.Exit(ExitCode.UNREACHABLE) from None
    raise typer.Exit(ExitCode.REFUSED if differs else ExitCode.DONE)


def _show(found: list[Any], console: Console) -> None:
    if not found:
        console.print("Nothing was compared yet: the app has processed no such event.")
    for each in found:
        console.print(
            f"[bold]{escape(each['event'])}[/] ({escape(each['object'])}, {each['deliveries']:,} compared)"
        )
        for title, seen in (("unknown", each["unknown"]), ("unread", each["unread"])):
            if seen:
                table = _table(title, "like", "times", "first", "last")
                for one in seen:
                    days = one["first"][:10], one["last"][:10]
                    cells = one["field"], one["example"], f"{one['count']:,}", *days
                    table.add_row(*map(escape, cells))
                console.print(table)
        if each["neverArrived"]:
            console.print(f"  never received: {escape(', '.join(each['neverArrived']))}", style="dim")


def _backtest(api: Api, event: str | None, last: int, date_order: DateOrder, console: Console) -> Backtest:
    found = Backtest()
    rows = list(_newest(api, event, last))
    for row in track(rows, "Parsing", console=console, transient=True, disable=not console.is_terminal):
        try:
            raw = api.find(f"deliveries/{row['id']}/raw")
        except RefusedError:
            found.too_large += 1
            continue
        if raw is None:
            found.not_kept += 1
            continue
        data = api.find(f"deliveries/{row['id']}/data")
        before = data.json() if data is not None else _REFUSED
        after = _parsed(row, raw.content, date_order)
        found.parsed += 1
        seen: set[str] = set()
        for place, old, new in _differences(before, after):
            if place not in seen:
                seen.add(place)
                found.note(row["event"], place, old, new, row["id"])
    return found


def _newest(api: Api, event: str | None, last: int) -> Iterator[Any]:
    query = {"event": event} if event else {}
    while last:
        page = api.json("deliveries", {**query, "limit": str(min(last, _PAGE))})
        yield from page["deliveries"]
        last -= len(page["deliveries"])
        if not page.get("cursor"):
            return
        query["cursor"] = page["cursor"]


def _parsed(row: Any, body: bytes, date_order: DateOrder) -> Any:
    try:
        return json.loads(parse(as_received(row, body), date_order=date_order).data)
    except EventError:
        return _REFUSED


def _differences(before: Any, after: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield each field that differs, items of lists under `*`; what one side lacks is None."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in {**before, **after}:
            inner = f"{place}/{name}" if place else name
            yield from _differences(before.get(name), after.get(name), inner)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for old, new in zip(before, after, strict=True):
            yield from _differences(old, new, f"{place}/*")
    elif before != after or type(before) is not type(after):
        yield place, before, after


def _print_backtest(found: Backtest) -> None:
    changes = [
        {"event": event, "field": place, **vars(change)}
        for event, places in found.changes.items()
        for place, change in places.items()
    ]
    left_out = {"notKept": found.not_kept, "tooLarge": found.too_large}
    print(json.dumps({"parsed": found.parsed, **left_out, "changes": changes}))


def _show_backtest(found: Backtest, console: Console) -> None:
    for event, changes in sorted(found.changes.items()):
        console.print(f"[bold]{escape(event)}[/]")
        table = _table("field", "times", "now", "with these models", "first seen in")
        for place, change in sorted(changes.items(), key=lambda each: -each[1].count):
            cells = place, f"{change.count:,}", _brief(change.before), _brief(change.after), change.delivery
            table.add_row(*map(escape, cells))
        console.print(table)
    if found.not_kept:
        console.print(f"Skipped, their bytes are no longer kept: {found.not_kept:,}.")
    if found.too_large:
        console.print(f"Skipped, too large for the app to read: {found.too_large:,}.")
    verdict = "differently, as shown" if found.changes else "exactly as the app does now"
    parsed = counted(found.parsed, "payload")
    console.print(f"Parsed with the models of this folder: {parsed}, {verdict}.")


def _table(*titles: str) -> Table:
    table = Table(box=None, padding=(0, 2))
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def _brief(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
