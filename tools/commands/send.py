"""`dev.py send`: send an event by webhook, hot folder or FTP, and show its outcome."""

import ftplib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, override

import httpx
import typer
from rich.console import Console
from rich.markup import escape

from events import EventType, UnknownEvent
from handlers.ledger.rows import SendState
from tools.commands import _check
from tools.commands._api import Json, UnreachableError, hint
from tools.commands._exit import ExitCode
from tools.commands._ports import DEFAULT_STORAGE_PORT, DEFAULT_URL, LARGEST_PORT
from tools.commands._target import (
    PEEK,
    ROOT,
    AppView,
    JsonOption,
    KeyOption,
    StoragePortOption,
    Target,
    UrlOption,
)
from tools.host.ftp import DEFAULT_PORT as DEFAULT_FTP_PORT
from tools.host.ftp import PASSWORD, USER

CORPUS = ROOT / "tests" / "corpus"
# FTP is polled every ten seconds, and each file is looked at twice.
_FTP_SECONDS = 45
_SECONDS = 15
_INTERVAL = 0.2
_FINAL = {"sent", "duplicate", "quarantined", "failed"}


class Arrival(IntEnum):
    """The outcome of an event; each value is an exit code."""

    ARRIVED = ExitCode.DONE
    REFUSED = ExitCode.REFUSED
    UNREACHABLE = ExitCode.UNREACHABLE
    NO_RESULT = ExitCode.WAITING


@dataclass
class Sent:
    """An event that was sent, and all that is known of its outcome.

    `pushes` are the rows of the subscriptions that it is pushed to, None before the first attempt has ended.
    """

    event: str
    file: str
    channel: str
    to: str
    id: str | None = None
    status: int | None = None
    answer: Any = None
    delivery: Json | None = None
    messages: dict[str, Json | None] = field(default_factory=dict)
    pushes: dict[str, Json | None] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)
    peeked: bool = True
    outcome: Arrival | None = None
    trouble: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def arrived(self) -> bool:
        """Whether it was processed, even if a push was not delivered yet."""
        return self.delivery is not None and _RESULTS.get(self.delivery["status"]) is Arrival.ARRIVED


def main(
    event: Annotated[
        str | None,
        typer.Argument(
            help="printIQ's name of the event, such as CreateQuote.", autocompletion=lambda: list(EventType)
        ),
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
            help="After a deployment: check each part, with a harmless event, by every channel.",
        ),
    ] = False,
    ftp: Annotated[
        bool, typer.Option("--ftp", help="Upload it to the FTP server that `dev.py run --ftp` started.")
    ] = False,
    ftp_port: Annotated[
        int, typer.Option(min=1, max=LARGEST_PORT, help="The app's --ftp-port.")
    ] = DEFAULT_FTP_PORT,
    wait: Annotated[
        # an apparent duplicate waits two seconds; the hot folder is polled twice a second
        float | None,
        typer.Option(help="Seconds to wait for the outcome.", min=0, show_default="15, by FTP 45"),
    ] = None,
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = None,
    storage_port: StoragePortOption = DEFAULT_STORAGE_PORT,
    as_json: JsonOption = False,
) -> None:
    """Send an event to the app and show its outcome.

    The outcome is read from the app's storage, or for an app elsewhere (--url) through its API, which shows
    the queues that the event was sent to, but no messages.

    --check reports for each part whether it works, and exits with 0 if all do, else with 1. Its event is that
    the quote SMOKE-TEST, which does not exist, expired; it goes to every queue that subscribes.

    Exit codes: 0 it arrived and was sent on; 1 it was refused; 2 the command line is wrong; 3 the app or its
    storage does not respond; 4 no result came in time, processing fails, or a push was not delivered yet.
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
    outgoing = [(name, path, _read(path)) for name, path in _chosen(event, file, send_all=send_all)]
    try:
        # all of them first: the app processes one while the next is sent
        if ftp:
            sent = [_upload(name, path, body, ftp_port) for name, path, body in outgoing]
        else:
            sent = [_send(name, path, body, target, hot_folder=hot_folder) for name, path, body in outgoing]
    except UnreachableError as error:
        raise _unreachable(error, console) from None
    patience = wait if wait is not None else _FTP_SECONDS if ftp else _SECONDS
    _report(sent, target, console, patience, as_json=as_json)
    if len(sent) > 1:
        arrived = sum(each.arrived for each in sent)
        unpushed = sum(each.arrived and each.outcome is not Arrival.ARRIVED for each in sent)
        more = f" {unpushed} not pushed to every subscription yet." if unpushed else ""
        console.print(f"{arrived} of {len(sent)} arrived.{more}")
    raise typer.Exit(max(each.outcome or Arrival.ARRIVED for each in sent))


def _report(sent: list[Sent], target: Target, console: Console, patience: float, *, as_json: bool) -> None:
    """Print the response to each event, then its outcome, unless that cannot be looked up."""
    printer: _Printer = (_Lines if len(sent) > 1 else _Details)(console, target, patience)
    blind: UnreachableError | None = None
    for each in sent:
        if not as_json:
            printer.answer(each)
        if blind is None:
            try:
                _follow(each, target, console, patience)
            except UnreachableError as error:
                blind = error
        if as_json:
            members = {**asdict(each), "outcome": _name(each.outcome), "at": each.at.isoformat()}
            print(json.dumps(members, ensure_ascii=False))
        elif blind is None:
            printer.outcome(each)
        else:
            console.print()
    if blind is not None:
        raise _unreachable(blind, console)


def _unreachable(error: UnreachableError, console: Console) -> typer.Exit:
    console.print(f"[red]{escape(str(error))}", soft_wrap=True)
    return typer.Exit(Arrival.UNREACHABLE)


def _checked(target: Target, console: Console, *, as_json: bool) -> Arrival:
    findings = []
    try:
        for found in _check.check(target):
            findings.append(found)
            if as_json:
                print(json.dumps(found._asdict(), ensure_ascii=False))
            else:
                mark = {True: "[green]good", False: "[red]bad ", None: "[yellow]?   "}[found.good]
                console.print(f"{mark}[/]  {found.part:<12}{escape(found.message)}", soft_wrap=True)
    except UnreachableError as error:
        console.print(f"[red]{escape(str(error))}", soft_wrap=True)
        return Arrival.UNREACHABLE
    bad = [found.part for found in findings if found.good is False]
    console.print(
        f"[red]Does not work: {', '.join(bad)}." if bad else "[green]Everything that was checked works."
    )
    return Arrival.REFUSED if bad else Arrival.ARRIVED


def _name(outcome: Arrival | None) -> str | None:
    return outcome.name.lower() if outcome is not None else None


def _chosen(event: str | None, file: Path | None, *, send_all: bool) -> Iterator[tuple[str, Path]]:
    """Yield the events to send, and the file of each."""
    if send_all:
        if event is not None or file is not None:
            raise typer.BadParameter(
                "it sends a sample of every event: give no event and no file", param_hint="--all"
            )
        yield from ((name, _sample(name)) for name in EventType)
        return
    if event is None:
        raise typer.BadParameter("name an event, such as CreateQuote, or give --all", param_hint="EVENT")
    if file is not None:
        yield event, file  # under any name: how the app refuses an unknown event is worth seeing, too
        return
    try:
        known = EventType.named(event)
    except UnknownEvent as error:
        raise typer.BadParameter(_with_all_names(error), param_hint="EVENT") from None
    yield known, _sample(known)


def _with_all_names(error: UnknownEvent) -> str:
    """Name every event where none is near."""
    if "Did you mean" in error.message:
        return error.message
    names = ", ".join(EventType)
    return f"{error.message.partition('.')[0]}. Its events are {names}."


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be read: {error.strerror}", param_hint="--file") from None


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
    path_of_event = f"webhooks/{event}"
    sent = Sent(event, file, "webhook", f"{target.url}/api/{path_of_event}")
    kind = "application/xml" if path.suffix == ".xml" else "application/json"
    response = target.api.post(path_of_event, body, kind)
    sent.status = response.status_code
    try:
        sent.answer = response.json()
    except ValueError:
        sent.answer = None
    if isinstance(sent.answer, dict):
        sent.id = sent.answer.get("id")
    if not response.is_success:
        sent.outcome = Arrival.REFUSED
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
            # under a temporary name until all of it is there
            server.storbinary(f"STOR {name}.part", BytesIO(body))
            server.rename(f"{name}.part", name)
    except (OSError, EOFError) as error:
        raise UnreachableError(
            f"No FTP server answers on port {port}: {error}\nIs the app running with it (dev.py run --ftp)?"
        ) from error
    except ftplib.Error as error:
        raise UnreachableError(f"The FTP server on port {port} did not take {name}: {error}") from error
    return sent


def _find(sent: Sent, account: AppView) -> str | None:
    """Find a delivery whose id no response names: of a file sent by FTP, or of a SOAP request."""
    rows = account.deliveries(sent.at)
    if sent.channel == "ftp":
        lay_at = sent.to.partition("127.0.0.1:")[2].partition("/")[2]
        return next((row["id"] for row in rows if str(row.get("file", "")).endswith(f"/{lay_at}")), None)
    event = sent.event.lower()  # the app does not regard case
    return next(
        (row["id"] for row in rows if row["channel"] == sent.channel and row["event"].lower() == event), None
    )


def _follow(sent: Sent, target: Target, console: Console, patience: float) -> None:
    """Wait until the ledger has its outcome and each push was tried, and look for its messages."""
    if sent.id is None and sent.outcome is Arrival.REFUSED:
        return
    deadline = time.monotonic() + patience
    account = target.account
    with console.status(f"Waiting for the outcome of {escape(sent.event)}"):
        while True:
            sent.id = sent.id or _find(sent, account)
            sent.delivery = account.delivery(sent.id) if sent.id else None
            is_final = sent.delivery is not None and sent.delivery["status"] in _FINAL
            if sent.delivery is not None and is_final:
                sent.pushes = _pushes(sent.delivery, target)
            if (is_final and all(sent.pushes.values())) or time.monotonic() > deadline:
                break
            time.sleep(_INTERVAL)
        if sent.delivery is None or not is_final:
            sent.outcome = sent.outcome or Arrival.NO_RESULT
            return
        if sent.outcome is None:
            sent.outcome = _RESULTS[sent.delivery["status"]]
        if not all(map(_is_delivered, sent.pushes.values())):
            sent.outcome = Arrival.NO_RESULT
        wanted = sent.delivery.get("queues", [])
        queues = account.queues() if wanted else []
    sent.peeked = all(queue.first is not None for queue in queues)
    first = {queue.name: queue.first or () for queue in queues}
    sent.waiting = {queue.name: queue.messages for queue in queues if queue.name in wanted}
    for name in wanted:
        found = [event for event in first.get(name, ()) if event.get("id") == sent.id]
        sent.messages[name] = found[-1] if found else None


def _pushes(delivery: Json, target: Target) -> dict[str, Json | None]:
    rows = {each["subscription"]: each for each in delivery.get("sends", ())}
    names = delivery.get("queues", ())
    return {name: rows.get(name) for name in names if name in rows or name in target.pushed}


def _is_delivered(push: Json | None) -> bool:
    return push is not None and push["state"] == SendState.DELIVERED


_RESULTS = {
    "sent": Arrival.ARRIVED,
    "duplicate": Arrival.ARRIVED,
    "quarantined": Arrival.REFUSED,
    "failed": Arrival.NO_RESULT,
}


class _Printer(ABC):
    """The printer of an event's progress."""

    def __init__(self, console: Console, target: Target, patience: float) -> None:
        self._console = console
        self._target = target
        self._patience = patience

    @abstractmethod
    def answer(self, sent: Sent) -> None:
        """Print what was sent and the app's answer, which is known before the outcome."""

    @abstractmethod
    def outcome(self, sent: Sent) -> None:
        """Print the outcome."""


class _Lines(_Printer):
    """One line for each event."""

    @override
    def answer(self, sent: Sent) -> None:
        self._console.print(f"{sent.event:<29}", end="", markup=False)
        if sent.status is not None:
            good = sent.outcome is not Arrival.REFUSED
            self._console.print(f"{sent.status}  ", end="", style="green" if good else "red")

    @override
    def outcome(self, sent: Sent) -> None:
        row = sent.delivery
        if row is not None:
            status, about = row["status"], f"{row['kind']} {row['subject']}" if row.get("subject") else ""
            if sent.messages:
                about += f" → {', '.join(_with_state(name, sent) for name in sent.messages)}"
            about = row.get("error", about)
        elif isinstance(sent.answer, dict) and sent.outcome is Arrival.REFUSED:
            status, about = "refused", str(sent.answer.get("detail", ""))
        elif sent.outcome is Arrival.REFUSED:
            status, about = "refused", sent.trouble
        else:
            status, about = "waiting", f"nothing in the ledger within {self._patience:g} s"
        self._console.print(f"{status:<12}", end="", style=_STYLES.get(status, "red"))
        self._console.print(about, markup=False, soft_wrap=True)


class _Details(_Printer):
    """Everything that is known of an event."""

    @override
    def answer(self, sent: Sent) -> None:
        self._line("[bold]" + escape(sent.event), f"{sent.file} → {sent.to}")
        if sent.status is not None:
            self._answer(sent)

    @override
    def outcome(self, sent: Sent) -> None:
        if sent.delivery is not None:
            self._delivery(sent, sent.delivery)
        elif sent.id is not None or sent.outcome is Arrival.NO_RESULT:
            self._no_outcome(sent)
        self._console.print()

    def _line(self, label: str, text: str, style: str = "") -> None:
        padding = " " * max(1, 12 - len(label.rpartition("]")[2]))
        self._console.print(f"{label}[/]{padding}" if "[" in label else f"{label}{padding}", end="")
        self._console.print(text, style=style, markup=False, soft_wrap=True)

    def _answer(self, sent: Sent) -> None:
        answer = sent.answer if isinstance(sent.answer, dict) else {}
        message = answer.get("detail") or answer.get("status") or sent.trouble
        good = sent.outcome is not Arrival.REFUSED
        named = f", id {sent.id}" if good and sent.id else ""
        self._line("  answer", f"{sent.status} {message}{named}".rstrip(), "green" if good else "red")
        for problem in answer.get("errors", [])[1:]:
            self._line("", f"{problem['pointer']}: {problem['message']}", "red")
        for warning in answer.get("warnings", []):
            self._line("", f"warning: {warning['message']}", "yellow")

    def _delivery(self, sent: Sent, row: Json) -> None:
        about = f" {row['kind']} {row['subject']}" if row.get("subject") else ""
        named = "" if sent.status == httpx.codes.ACCEPTED else f", id {row['id']}"
        self._line("  ledger", f"{row['status']}{about}{named}", _STYLES.get(row["status"], "red"))
        if row.get("error") and not (row["status"] == "quarantined" and sent.status is not None):
            self._line("", row["error"], "red")
        if row.get("duplicateOf"):
            self._line("", f"the same as {row['duplicateOf']}, a short while ago", "yellow")
        if row["status"] not in _FINAL:
            self._line("", f"attempt {row.get('attempts')} failed; the app tries again", "yellow")
        for name, message in sent.messages.items():
            if name in sent.pushes:
                self._push(name, sent.pushes[name])
                continue
            self._line(
                "  queue",
                f"{name}: {_described(message, row, sent.waiting.get(name), peeked=sent.peeked)}",
            )
        if row.get("withheld"):
            self._line("  paused", f"{', '.join(row['withheld'])}: withheld until it is replayed", "yellow")
        if row["status"] in {"sent", "duplicate"} and not sent.messages and not row.get("withheld"):
            self._line("  queue", "none: no subscription wants it (subscriptions.toml)")
        if row.get("raw"):
            self._line("  bytes", row["raw"])

    def _push(self, name: str, send: Json | None) -> None:
        if send is None:
            self._line("  push", f"{name}: no outcome within {self._patience:g} s", "yellow")
            return
        if _is_delivered(send):
            self._line("  push", f"{name}: {send['status']} in {send['latencyMs']} ms", "green")
            return
        next_at = datetime.fromisoformat(send["nextAt"]).astimezone() if "nextAt" in send else None
        at = f" The next attempt comes at {next_at:%H:%M:%S}." if next_at else ""
        self._line("  push", f"{name}: {send['state']}. {send.get('error', '')}{at}", "yellow")

    def _no_outcome(self, sent: Sent) -> None:
        named = f", id {sent.id}" if sent.id else ""
        self._line("  ledger", f"nothing within {self._patience:g} s{named}", "red")
        if sent.channel == "ftp":
            self._line("", "Look at the app's log (dev.py run --ftp). Is the file still there?")
            return
        if sent.channel == "hot-folder":
            question = f"Is {sent.to} still there? Then the app does not look into this hot folder."
        else:
            question = "Does a message wait in the queue printiq-inbox? Then the app does not process it."
        self._line("", f"Look at the app's log (dev.py run). {question}")
        if self._target.storage is not None:
            self._line("", "If it uses other storage than this command looks into, give --storage-port.")


def _with_state(name: str, sent: Sent) -> str:
    """Name a subscription, and how far a push to it is, unless it was delivered."""
    push = sent.pushes.get(name)
    if name not in sent.pushes or _is_delivered(push):
        return name
    return f"{name} ({push['state'] if push else SendState.WAITING})"


_STYLES = {"sent": "green", "duplicate": "yellow"}


def _described(message: Json | None, row: Json, waiting: int | None, *, peeked: bool) -> str:
    """Describe a message; one that is out of sight by the ledger, which names where it was sent to."""
    if not peeked:
        return "sent; messages are peeked at only where the app is on this machine"
    if waiting is None:
        return "passed on; it is no queue of the storage account, so look at its page in the console"
    if message is None:
        where = (
            f"behind the first {PEEK} of {waiting} that wait, or taken by its consumer"
            if waiting > PEEK
            else "taken by its consumer"
        )
        return f"{EventType.named(row['event']).message_type}, subject {row.get('subject', 'none')}; {where}"
    text = f"{message['type']}, subject {message.get('subject', 'none')}"
    if "dataref" in message:
        text += f", data at {message['dataref']}"
    return text + (f", duplicateof {message['duplicateof']}" if "duplicateof" in message else "")
