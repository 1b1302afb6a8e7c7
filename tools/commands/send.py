"""Sends an event, by POST, into the hot folder or by FTP, and shows what came of it."""

import ftplib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.markup import escape

from events import EventType, UnknownEvent
from tools.commands import _check
from tools.commands._target import (
    DEFAULT_STORAGE_PORT,
    DEFAULT_URL,
    PEEK,
    ROOT,
    Account,
    Json,
    JsonOption,
    KeyOption,
    StoragePortOption,
    Target,
    UnreachableError,
    UrlOption,
    app_answers,
    hint,
)
from tools.host.ftp import DEFAULT_PORT as DEFAULT_FTP_PORT
from tools.host.ftp import PASSWORD, USER

CORPUS = ROOT / "tests" / "corpus"
# An apparent repeat waits two seconds, the hot folder is looked at every half; the rest is patience.
_SECONDS = 15
# FTP is polled every ten seconds, and looked at twice.
_FTP_SECONDS = 45
_INTERVAL = 0.2
_FINAL = {"sent", "duplicate", "quarantined", "failed"}


class Outcome(IntEnum):
    """Say what came of an event: the exit codes."""

    ARRIVED = 0
    REFUSED = 1
    UNREACHABLE = 3
    NO_RESULT = 4


@dataclass
class Sent:
    """Hold an event that was sent, and all that is known of what came of it."""

    event: str
    file: str
    channel: str
    to: str
    id: str | None = None
    status: int | None = None
    answer: Any = None
    delivery: Json | None = None
    messages: dict[str, Json | None] = field(default_factory=dict)
    peeked: bool = True
    outcome: Outcome | None = None
    trouble: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


def main(
    event: Annotated[
        str | None, typer.Argument(help="printIQ's name of the event, such as CreateQuote.")
    ] = None,
    *,
    file: Annotated[
        Path | None,
        typer.Option(help="Your own file.", show_default="a sample of the event, tests/corpus/…/typical"),
    ] = None,
    send_all: Annotated[bool, typer.Option("--all", help="Send the sample of every event.")] = False,
    hot_folder: Annotated[
        bool, typer.Option("--hot-folder", help="Upload it into the hot folder instead of posting it.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="After a deployment: check each part, with an event that is harmless, by every way in.",
        ),
    ] = False,
    ftp: Annotated[
        bool, typer.Option("--ftp", help="Upload it to the FTP server that `dev.py run --ftp` started.")
    ] = False,
    ftp_port: Annotated[int, typer.Option(help="The app's --ftp-port.")] = DEFAULT_FTP_PORT,
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = None,
    storage_port: StoragePortOption = DEFAULT_STORAGE_PORT,
    as_json: JsonOption = False,
) -> None:
    """Send an event to the app and show what came of it.

    What came of it is read from the app's storage; of an app elsewhere (--url) through its API, which shows
    the queues that it was sent to, but no messages.

    --check says of each part whether it does its work, and exits with 0 if all do, else with 1. Its event is
    that the quote SMOKE-TEST, which does not exist, expired; it goes to every queue that subscribes.

    Exit codes: 0 it arrived and was sent on; 1 it was refused; 2 the command line is wrong; 3 the app or its
    storage does not answer; 4 no result came in time, or working on it fails.
    """
    console = Console(highlight=False, stderr=as_json)
    target = Target.of(url, key, storage_port)
    if hot_folder and target.hot_folder is None:
        raise typer.BadParameter(
            "set HOT_FOLDER to a connection string of that app's hot folder", param_hint="--hot-folder"
        )
    if check:
        if event is not None or file is not None or send_all or hot_folder or ftp:
            raise typer.BadParameter("it chooses what to send: name nothing else", param_hint="--check")
        raise typer.Exit(_checked(target, console, as_json=as_json))
    if ftp and hot_folder:
        raise typer.BadParameter("choose one: --ftp or --hot-folder", param_hint="--ftp")
    outgoing = [(name, path, path.read_bytes()) for name, path in _chosen(event, file, send_all=send_all)]
    try:
        # all of them first: what the app does with one goes on while the others are sent
        if ftp:
            sent = [_upload(name, path, body, ftp_port) for name, path, body in outgoing]
        else:
            sent = [_send(name, path, body, target, hot_folder=hot_folder) for name, path, body in outgoing]
    except UnreachableError as error:
        raise _unreachable(error, console) from None
    _tell(sent, target, console, as_json=as_json)
    if len(sent) > 1:
        arrived = sum(each.outcome is Outcome.ARRIVED for each in sent)
        console.print(f"{arrived} of {len(sent)} arrived.")
    raise typer.Exit(max(each.outcome or Outcome.ARRIVED for each in sent))


def _tell(sent: list[Sent], target: Target, console: Console, *, as_json: bool) -> None:
    """Tell of each what the app answered, then what came of it, as long as that can be looked into."""
    account, shown = target.account(), _Printer(console, target)
    blind: UnreachableError | None = None
    for each in sent:
        if not as_json:
            shown.answer(each)
        if blind is None:
            try:
                _follow(each, account, console)
            except UnreachableError as error:
                blind = error
        if as_json:
            told = {**asdict(each), "outcome": _name(each.outcome), "at": each.at.isoformat()}
            print(json.dumps(told, ensure_ascii=False))
        elif blind is None:
            shown.outcome(each)
    if blind is not None:
        raise _unreachable(blind, console)


def _unreachable(error: UnreachableError, console: Console) -> typer.Exit:
    console.print(f"[red]{escape(str(error))}", soft_wrap=True)
    return typer.Exit(Outcome.UNREACHABLE)


def _checked(target: Target, console: Console, *, as_json: bool) -> Outcome:
    findings = []
    try:
        for found in _check.check(target):
            findings.append(found)
            if as_json:
                print(json.dumps(found._asdict(), ensure_ascii=False))
            else:
                mark = {True: "[green]good", False: "[red]bad ", None: "[yellow]?   "}[found.good]
                console.print(f"{mark}[/]  {found.part:<12}{escape(found.told)}", soft_wrap=True)
    except UnreachableError as error:
        console.print(f"[red]{escape(str(error))}", soft_wrap=True)
        return Outcome.UNREACHABLE
    bad = [found.part for found in findings if found.good is False]
    console.print(
        f"[red]Not as it should be: {', '.join(bad)}." if bad else "[green]All that was checked works."
    )
    return Outcome.REFUSED if bad else Outcome.ARRIVED


def _name(outcome: Outcome | None) -> str | None:
    return outcome.name.lower() if outcome is not None else None


def _chosen(event: str | None, file: Path | None, *, send_all: bool) -> Iterator[tuple[str, Path]]:
    """Yield the events to send, and the file of each."""
    if send_all:
        if event is not None or file is not None:
            raise typer.BadParameter(
                "it sends the sample of every event: name none, and no file", param_hint="--all"
            )
        yield from ((name, _sample(name)) for name in EventType)
        return
    if event is None:
        raise typer.BadParameter("name an event, such as CreateQuote, or give --all", param_hint="EVENT")
    if file is not None:
        # whatever its name: how the app refuses an unknown event is worth seeing too
        if not file.is_file():
            raise typer.BadParameter(f"{file} is no file", param_hint="--file")
        yield event, file
        return
    try:
        known = EventType.named(event)
    except UnknownEvent as error:
        raise typer.BadParameter(error.message, param_hint="EVENT") from None
    yield known, _sample(known)


def _sample(event: EventType) -> Path:
    found = sorted(
        (CORPUS / event).glob("typical.*"), key=lambda path: path.suffix != f".{event.wire_format}"
    )
    return next(path for path in found if path.suffix in {".json", ".xml"})


def _send(event: str, path: Path, body: bytes, target: Target, *, hot_folder: bool) -> Sent:
    file = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
    if hot_folder:
        name = f"{event}/{time.time_ns()}-{path.name}"
        sent = Sent(event, file, "hot-folder", f"hot-folder/{name}")
        sent.id = target.drop(name, body)
        return sent
    address = f"{target.url}/api/webhooks/{event}"
    sent = Sent(event, file, "webhook", address)
    kind = "application/xml" if path.suffix == ".xml" else "application/json"
    with app_answers(target.url):
        response = httpx.post(
            address, content=body, headers={**target.headers, "Content-Type": kind}, timeout=60
        )
    sent.status = response.status_code
    try:
        sent.answer = response.json()
    except ValueError:
        sent.answer = None
    if isinstance(sent.answer, dict):
        sent.id = sent.answer.get("id")
    if not response.is_success:
        sent.outcome = Outcome.REFUSED
        if sent.answer is None:
            sent.trouble = hint(response)
    return sent


def _upload(event: str, path: Path, body: bytes, port: int) -> Sent:
    name = f"{event}/{time.time_ns()}-{path.name}"
    file = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
    sent = Sent(event, file, "ftp", f"ftp://127.0.0.1:{port}/{name}")
    try:
        with ftplib.FTP(timeout=10) as server:
            server.connect("127.0.0.1", port)
            server.login(USER, PASSWORD)
            # under a name that is left alone until all of it is there
            server.storbinary(f"STOR {name}.part", BytesIO(body))
            server.rename(f"{name}.part", name)
    except (OSError, EOFError) as error:
        raise UnreachableError(
            f"No FTP server answers on port {port}: {error}\nIs the app running with it (dev.py run --ftp)?"
        ) from error
    except ftplib.Error as error:
        raise UnreachableError(f"The FTP server on port {port} did not take {name}: {error}") from error
    return sent


def _find(sent: Sent, account: Account) -> str | None:
    """Look for the delivery of a file that went by FTP, whose id is known only once it is taken."""
    lay_at = sent.to.partition("127.0.0.1:")[2].partition("/")[2]
    rows = account.deliveries(sent.at)
    return next((row["id"] for row in rows if str(row.get("file", "")).endswith(f"/{lay_at}")), None)


def _follow(sent: Sent, account: Account, console: Console) -> None:
    """Wait until the ledger tells what came of it, and look for its messages."""
    by_ftp = sent.channel == "ftp"
    if sent.id is None and not by_ftp:
        return
    deadline = time.monotonic() + (_FTP_SECONDS if by_ftp else _SECONDS)
    with console.status(f"Waiting for what comes of {escape(sent.event)}"):
        while True:
            sent.id = sent.id or _find(sent, account)
            sent.delivery = account.delivery(sent.id) if sent.id else None
            if sent.delivery is not None and sent.delivery["status"] in _FINAL:
                break
            if time.monotonic() > deadline:
                sent.outcome = sent.outcome or Outcome.NO_RESULT
                return
            time.sleep(_INTERVAL)
        if sent.outcome is None:
            sent.outcome = _RESULTS[sent.delivery["status"]]
        wanted = sent.delivery.get("queues", [])
        queues = account.queues() if wanted else []
    sent.peeked = all(queue.first is not None for queue in queues)
    first = {queue.name: queue.first or () for queue in queues}
    for name in wanted:
        found = [event for event in first.get(name, ()) if event.get("id") == sent.id]
        sent.messages[name] = found[-1] if found else None


_RESULTS = {
    "sent": Outcome.ARRIVED,
    "duplicate": Outcome.ARRIVED,
    "quarantined": Outcome.REFUSED,
    "failed": Outcome.NO_RESULT,
}


class _Printer:
    """Print for a reader what came of an event."""

    def __init__(self, console: Console, target: Target) -> None:
        self._console = console
        self._target = target

    def answer(self, sent: Sent) -> None:
        """Print what was sent and what the app answered, which is known before it is followed."""
        self._line("[bold]" + escape(sent.event), f"{sent.file} → {sent.to}")
        if sent.status is not None:
            self._answer(sent)

    def outcome(self, sent: Sent) -> None:
        """Print what came of it."""
        if sent.delivery is not None:
            self._delivery(sent, sent.delivery)
        elif sent.id is not None or sent.channel == "ftp":
            self._nothing_came(sent)
        self._console.print()

    def _line(self, label: str, text: str, style: str = "") -> None:
        padding = " " * max(1, 12 - len(label.rpartition("]")[2]))
        self._console.print(f"{label}[/]{padding}" if "[" in label else f"{label}{padding}", end="")
        self._console.print(text, style=style, markup=False, soft_wrap=True)

    def _answer(self, sent: Sent) -> None:
        answer = sent.answer if isinstance(sent.answer, dict) else {}
        said = answer.get("detail") or answer.get("status") or sent.trouble
        good = sent.outcome is not Outcome.REFUSED
        named = f", id {sent.id}" if good and sent.id else ""
        self._line("  answer", f"{sent.status} {said}{named}".rstrip(), "green" if good else "red")
        for problem in answer.get("errors", [])[1:]:
            self._line("", f"{problem['pointer']}: {problem['message']}", "red")
        for warning in answer.get("warnings", []):
            self._line("", f"warning: {warning['message']}", "yellow")

    def _delivery(self, sent: Sent, row: Json) -> None:
        about = f" {row['kind']} {row['subject']}" if row.get("subject") else ""
        styles = {"sent": "green", "duplicate": "yellow"}
        named = "" if sent.status == httpx.codes.ACCEPTED else f", id {row['id']}"
        self._line("  ledger", f"{row['status']}{about}{named}", styles.get(row["status"], "red"))
        if row.get("error") and sent.status is None:
            self._line("", row["error"], "red")
        if row.get("duplicateOf"):
            self._line("", f"the same as {row['duplicateOf']}, a short while ago", "yellow")
        if row["status"] not in _FINAL:
            self._line("", f"attempt {row.get('attempts')} failed; it is tried again, and again", "yellow")
        for name, message in sent.messages.items():
            self._line("  queue", f"{name}: {_described(message, peeked=sent.peeked)}")
        if row["status"] in {"sent", "duplicate"} and not sent.messages:
            self._line("  queue", "none: no subscription wants it (subscriptions.toml)")
        if row.get("raw"):
            self._line("  bytes", row["raw"])

    def _nothing_came(self, sent: Sent) -> None:
        if sent.channel == "ftp":
            self._line("  ledger", f"nothing within {_FTP_SECONDS} s", "red")
            self._line("", "Look at the app's log (dev.py run --ftp); is the file still there?")
            return
        self._line("  ledger", f"nothing within {_SECONDS} s, id {sent.id}", "red")
        if sent.channel == "hot-folder":
            look = f"is {sent.to} still there? Then the app does not look into this hot folder."
        else:
            look = "does a message wait in the queue printiq-inbox? Then the app does not work it off."
        self._line("", f"Look at the app's log (dev.py run); {look}")
        if self._target.storage is not None:
            self._line("", "If it uses other storage than this command looks into, give --storage-port.")


def _described(message: Json | None, *, peeked: bool) -> str:
    if not peeked:
        return "sent; messages are peeked at only where the app is on this machine"
    if message is None:
        return f"not among the first {PEEK} that wait: taken by its consumer, or behind them"
    told = f"{message['type']}, subject {message.get('subject', 'none')}"
    if "dataref" in message:
        told += f", data at {message['dataref']}"
    return told + (f", duplicateof {message['duplicateof']}" if "duplicateof" in message else "")
