"""`dev.py bench`: measure the app beside its peers and limits, for docs/performance.md."""

import json
import os
import platform
import re
import textwrap
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from tools.bench import peers

if TYPE_CHECKING:
    from tools.bench.measure import Figure

ROOT = Path(__file__).parents[2]
_PEERS = ROOT / ".local" / "bench-peers"
_DOCUMENT = ROOT / "docs" / "performance.md"
_WIDTH = 110
# Of an instance, as infra/environments/prod.json has it.
_MEMORY_GB = 2
_VERSIONS = (
    "pydantic", "pydantic_core", "lxml", "jiter", "azure-storage-queue", "azure-functions-runtime", "aiohttp",
)  # fmt: skip
NAMES = (
    "json", "xml", "cloudevent", "first-parse", "start", "calls", "webhook", "processing", "hot-folder",
    "ftp", "arrival", "memory", "worst", "sizes", "subscriptions", "ledger", "api", "chain",
)  # fmt: skip


def main(
    *,
    only: Annotated[list[str] | None, typer.Option(help=f"Measure only these: {', '.join(NAMES)}.")] = None,
    events: Annotated[int, typer.Option(help="How many events `chain` sends through the whole app.")] = 500,
    files: Annotated[int, typer.Option(help="How many waiting files `ftp` takes.", min=1)] = 300,
    rows: Annotated[
        # one day's hold the largest page
        int,
        typer.Option(help="How many deliveries the tables of `ledger` and `api` hold.", min=15_000),
    ] = 20_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Put the table into docs/performance.md.")] = False,
) -> None:
    """Measure the app beside its peers and limits. Everything together takes less than ten minutes."""
    console = Console(highlight=False, stderr=as_json, markup=False)
    unknown = set(only or ()) - set(NAMES)
    if unknown:
        raise typer.BadParameter(
            f"Unknown figure {', '.join(sorted(unknown))}. The figures are {', '.join(NAMES)}."
        )
    if write and only:
        raise typer.BadParameter("--write puts the whole table into the page: leave out --only.")
    peers.install(_PEERS, console.print)
    machine = _machine()
    console.print(machine)
    figures: dict[str, list[Figure]] = {}
    with console.status("") as status:
        for name, measure in _measures(events, files, rows, status.update).items():
            if not only or name in only:
                started = time.monotonic()
                status.update(f"Measuring {name}")
                figures[name] = list(measure())
                console.print(_table(figures[name]))
                for line in _notes(figures[name]):
                    console.print(line)
                console.print(f"{name}: {time.monotonic() - started:.0f} s")
    if as_json:
        shown = [_row(name, figure) for name, each in figures.items() for figure in each]
        print(json.dumps({"machine": machine, "figures": shown}, indent=1))
    if write:
        _write(machine, figures)


def _measures(
    events: int, files: int, rows: int, progress: Callable[[str], object]
) -> Mapping[str, Callable[[], Iterable["Figure"]]]:
    # imported once the peers are there
    from tools.bench import (
        api,
        arrival,
        calls,
        chain,
        ftp,
        growth,
        memory,
        parsing,
        processing,
        starting,
        webhook,
    )

    measures = (
        parsing.json_figures, parsing.xml_figures, parsing.cloud_event_figures,
        starting.first_parse_figures, starting.start_figures, calls.call_figures, webhook.webhook_figures,
        processing.processing_figures, processing.hot_folder_figures, lambda: ftp.ftp_figures(files),
        arrival.arrival_figures, lambda: memory.memory_figures(str(_PEERS)), memory.time_figures,
        growth.size_figures, growth.subscription_figures, lambda: growth.ledger_figures(rows),
        lambda: api.api_figures(rows), lambda: chain.chain_figures(events, progress),
    )  # fmt: skip
    return dict(zip(NAMES, measures, strict=True))


def _machine() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in _VERSIONS)
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, "
        f"load {_load()}, Python {platform.python_version()}, {versions}"
    )


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def _lines(figures: Iterable["Figure"]) -> Iterable[tuple[str, str, str, str, str, str]]:
    """Yield title, ours, the peer's name, the peer's, the ratio and the aim with its verdict."""
    for figure in figures:
        ours = f"{figure.ours.median:.4g} {figure.ours.unit} ±{figure.ours.spread:.0%}"
        if not figure.against:
            yield figure.title, ours, "", "", "", ""
        for number, each in enumerate(figure.against):
            ratio = figure.ratio(each)
            verdict = f"{each.aim} {'met' if each.aim.is_met(ratio) else 'NOT met'}" if each.aim else ""
            theirs = f"{each.peer.median:.4g} ±{each.peer.spread:.0%}"
            title = figure.title if not number else ""
            yield title, ours if not number else "", each.peer.name, theirs, f"{ratio:.2f}", verdict


def _notes(figures: Iterable["Figure"]) -> Iterable[str]:
    notes = (f"- {figure.title}: {figure.note}." for figure in figures if figure.note)
    return ("\n".join(textwrap.wrap(note, _WIDTH, subsequent_indent="  ")) for note in notes)


def _table(figures: Iterable["Figure"]) -> Table:
    table = Table(box=None)
    for name in ("figure", "ours", "against", "", "ratio", "aim"):
        table.add_column(name, overflow="fold")
    for line in _lines(figures):
        style = "red" if line[-1].endswith("NOT met") else None
        table.add_row(*line, style=style)
    return table


def _row(name: str, figure: "Figure") -> dict[str, Any]:
    against = [
        {
            "name": each.peer.name,
            "median": each.peer.median,
            "spread": each.peer.spread,
            "ratio": figure.ratio(each),
            "aim": str(each.aim) if each.aim else None,
            "met": each.aim.is_met(figure.ratio(each)) if each.aim else None,
        }
        for each in figure.against
    ]
    ours = {"median": figure.ours.median, "spread": figure.ours.spread, "unit": figure.ours.unit}
    return {"name": name, "title": figure.title, **ours, "against": against, "note": figure.note}


def _write(machine: str, figures: Mapping[str, list["Figure"]]) -> None:
    document = _placed(_DOCUMENT.read_text("utf-8"), "answers", _answers(figures))
    every = [figure for each in figures.values() for figure in each]
    lines = [f"| {' | '.join(line)} |" for line in _lines(every)]
    head = "| figure | ours | against | theirs | ratio | aim |\n|---|---|---|---|---|---|"
    measured = f"Measured on {datetime.now(UTC):%d %B %Y}: {machine}."
    text = "\n".join([*textwrap.wrap(measured, _WIDTH), "", head, *lines, "", *_notes(every)])
    _DOCUMENT.write_text(_placed(document, "measured", text), "utf-8")


def _placed(document: str, mark: str, text: str) -> str:
    """Put a text between its marks."""
    place = re.compile(rf"(?<=<!-- {mark} -->\n).*?(?=<!-- end of {mark} -->)", re.DOTALL)
    if not place.search(document):
        raise typer.BadParameter(f"{_DOCUMENT} has no place for the text: add <!-- {mark} --> and its end.")
    return place.sub(lambda _: f"{text}\n", document)


def _answers(figures: Mapping[str, list["Figure"]]) -> str:
    """Return what a user asks first, from the figures of an event, a webhook and a start."""
    event, _ = figures["processing"]
    alone, _, many, _ = figures["webhook"]
    cpu, wall = figures["start"]
    milliseconds = many.ours.median + event.ours.median
    rate, bare = 1000 / event.ours.median, event.ratio(event.against[0])
    answers = {
        "Events a second per core, inbox to all outputs, 7 subjects": (
            f"{rate:.0f}: {event.ours.median:.1f} ms of processor time each, {bare:.2f} of the bare SDK calls"
        ),
        "Milliseconds of the worker's processor time per webhook": (
            f"{alone.ours.median:.1f} alone, {many.ours.median:.1f} with 32 at once"
        ),
        "Cold start, from a worker's process to its first 202": (
            f"{wall.ours.median / 1000:.2f} s, of it {cpu.ours.median / 1000:.2f} s of processor time: "
            f"{cpu.ratio(cpu.against[0]):.2f} times the least app"
        ),
        "GB-seconds of a million events": f"no less than {milliseconds * _MEMORY_GB * 1000:,.0f}",
    }
    lines = (f"| {question} | {answer} |" for question, answer in answers.items())
    return "\n".join(["| question | answer |", "|---|---|", *lines])
