"""`dev.py watch`: follow the ledger and the queues of an app, taking nothing from its consumers."""

import json
import time
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from events import Channel
from handlers.ledger.rows import Status
from tools.commands import _selectors
from tools.commands._api import Json, Queue, UnreachableError
from tools.commands._exit import ExitCode
from tools.commands._ports import DEFAULT_STORAGE_PORT, DEFAULT_URL
from tools.commands._target import (
    PEEK,
    AppView,
    JsonOption,
    KeyOption,
    StoragePortOption,
    Target,
    UrlOption,
)

_INTERVAL = 1.0
# Each look reads the ledger from this long ago.
_LONGEST = timedelta(hours=1)
_STYLES = {"sent": "green", "duplicate": "yellow", "failing": "yellow", "quarantined": "red", "failed": "red"}
_INDENT = " " * 10


def main(
    *,
    event: Annotated[
        str | None, typer.Option(help="Only this event.", callback=_selectors.event_or_unknown)
    ] = None,
    status: Annotated[list[Status] | None, typer.Option(help="Only this status; may be repeated.")] = None,
    channel: Annotated[Channel | None, typer.Option(help="Only what arrived by this channel.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only this job, quote, customer, …")] = None,
    since: Annotated[
        float, typer.Option(help="Minutes to look back at the start, at most 60.", min=0, max=60)
    ] = 0,
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = None,
    storage_port: StoragePortOption = DEFAULT_STORAGE_PORT,
    as_json: JsonOption = False,
) -> None:
    """Follow the ledger and the result queues, live, until Ctrl-C.

    Messages are only peeked at: consumers get every one of them. A peek shows the first 32 messages of a
    queue; for those behind them, or taken at once, the ledger names the queues that each delivery was sent
    to. An app elsewhere (--url) is asked through its API, which counts messages without showing them, and
    whose list of deliveries names no queues (GET /api/deliveries/{id} does). With --json each line is a
    delivery that is new or changed, or a queue that changed.

    Exit codes: 0 after Ctrl-C; 2 the command line is wrong; 3 the app or its storage does not respond.
    """
    console = Console(highlight=False, stderr=as_json)
    target = Target.of(url, key, storage_port)
    wanted = {"event": event and {event}, "channel": channel and {channel}, "subject": subject and {subject}}
    filters = {column: values for column, values in {**wanted, "status": set(status or ())}.items() if values}
    watch = Watch(target.account, datetime.now(UTC) - timedelta(minutes=since), filters)
    try:
        if as_json:
            _print_json(watch)
        else:
            _print(watch, console, target)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    except UnreachableError as error:
        console.print(f"[red]{escape(str(error))}", soft_wrap=True)
        raise typer.Exit(ExitCode.UNREACHABLE) from None


class Watch:
    """What was seen so far, so that each look finds what is new.

    `filters` are the values wanted in columns of the ledger.
    """

    def __init__(self, account: AppView, start: datetime, filters: Mapping[str, AbstractSet[str]]) -> None:
        self._filters = filters
        self._account = account
        self._start = start
        self._rows: dict[str, Json] = {}
        self._queues: dict[str, Queue] = {}

    @property
    def queues(self) -> list[Queue]:
        return list(self._queues.values())

    def deliveries(self) -> Iterator[Json]:
        """Yield the deliveries that are new or changed since the last look."""
        since = max(self._start, datetime.now(UTC) - _LONGEST)
        rows = {str(row["id"]): row for row in self._account.deliveries(since)}
        for delivery_id, row in rows.items():
            if row != self._rows.get(delivery_id) and self._is_wanted(row):
                yield row
        self._rows = rows

    def _is_wanted(self, row: Json) -> bool:
        return all(row.get(column) in values for column, values in self._filters.items())

    def changed_queues(self) -> Iterator[Queue]:
        """Yield the queues that changed since the last look; a deleted one as empty."""
        queues = {queue.name: queue for queue in self._account.queues()}
        gone = {name: Queue(name, 0, ()) for name in self._queues.keys() - queues.keys()}
        for name, queue in (queues | gone).items():
            if queue != self._queues.get(name):
                yield queue
        self._queues = queues

    def changed_depths(self) -> Iterator[str]:
        """Yield a line for each queue that is longer or shorter than at the last look."""
        before = {name: _depth(queue) for name, queue in self._queues.items()}
        for queue in list(self.changed_queues()):
            if before.get(queue.name) != _depth(queue):
                yield f"queue {queue.name}: {_depth(queue)}"


def _print_json(watch: Watch) -> None:
    while True:
        for row in watch.deliveries():
            print(json.dumps({"delivery": row}, ensure_ascii=False, default=str), flush=True)
        for queue in watch.changed_queues():
            print(json.dumps({"queue": queue._asdict()}, ensure_ascii=False), flush=True)
        time.sleep(_INTERVAL)


def _print(watch: Watch, console: Console, target: Target) -> None:
    how = "through its API, which shows no messages" if target.storage is None else "and its storage"
    console.print(f"Watching {target.url} {how}. Press Ctrl-C to stop.", soft_wrap=True, markup=False)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            for row in watch.deliveries():
                console.print(line(row, console.width if console.is_terminal else None), soft_wrap=True)
            depths = list(watch.changed_depths())
            if console.is_terminal:
                live.update(_queues(watch.queues), refresh=True)
            else:
                for depth in depths:
                    console.print(depth, soft_wrap=True, markup=False)
            time.sleep(_INTERVAL)


def line(row: Json, width: int | None) -> Text:
    """Write a delivery in columns, cut to the terminal's width; its duplicate or error on a second line."""
    received = datetime.fromisoformat(row["receivedAt"]).astimezone()
    text = Text(f"{received:%H:%M:%S}  ")
    text.append(f"{row['status']:<12}", style=_STYLES.get(row["status"], ""))
    text.append(f"{row['event']:<29}")
    text.append(f"{row['kind']} {row['subject']}" if row.get("subject") else "no subject")
    text.append(f"  by {row['channel']}")
    if row.get("queues"):
        text.append(f"  → {', '.join(row['queues'])}")
    if width is not None:
        text.truncate(width, overflow="ellipsis")
    if row.get("duplicateOf"):
        text.append(f"\n{_INDENT}the same as {row['duplicateOf']}", style="yellow")
    if row.get("error"):
        text.append(f"\n{_INDENT}{row['error']}", style="red")
    return text


def _queues(queues: list[Queue]) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("queue", "messages", "next"):
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    for queue in queues:
        table.add_row(queue.name, _depth(queue), _next(queue))
    return Group("", table)


def _depth(queue: Queue) -> str:
    in_part = queue.first is not None and queue.messages > PEEK
    return f"{queue.messages}" + (f" (the first {PEEK} are visible)" if in_part else "")


def _next(queue: Queue) -> str:
    if not queue.first:
        return ""
    message = queue.first[0]
    if "specversion" not in message:
        return ""
    return escape(f"{message['type']} {message.get('subject', '')}")
