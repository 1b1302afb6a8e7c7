"""`dev.py test`: every check of the project."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
SOAK = ROOT / "tests" / "reliability" / "soak.py"
# Tests wait half of their time, hence one process more than there are processors. Each process runs its own
# Azurite, hence no more than four.
_WORKERS = ("-n", str(min((os.cpu_count() or 1) + 1, 4)))
# pyproject.toml deselects tests marked `slow`; an empty expression selects all.
_EVERYTHING = ("-m", "")
_SLOW = (
    "the browser's tests, crashes and outages, memory, examples, generated types, checkov, the short soak, "
    "guided fuzzing and schemathesis"
)
CONTEXT_SETTINGS = {"ignore_unknown_options": True, "allow_extra_args": True}


def main(
    context: typer.Context,
    *,
    everything: Annotated[bool, typer.Option("--all", help=f"Run {_SLOW}, too.")] = False,
    soak: Annotated[
        int | None,
        typer.Option(help="Instead, send this many events while everything fails, and reconcile each."),
    ] = None,
    seed: Annotated[int, typer.Option(help="With --soak: the same seed makes the same faults.")] = 1,
) -> None:
    """Check style, types and import directions, and run the tests, several at a time.

    More arguments go to pytest: test -k webhook -x. With -n 0 tests run one by one, as --pdb and -s need.
    """
    if soak is not None:
        command = [sys.executable, str(SOAK), str(soak), f"--seed={seed}"]
        raise typer.Exit(subprocess.run(command, env=environment(), check=False).returncode)
    python = [sys.executable, "-m"]
    selected = _EVERYTHING if everything else ()
    steps = {
        "Style (ruff check)": [*python, "ruff", "check"],
        "Format (ruff format)": [*python, "ruff", "format", "--check"],
        "Types (mypy)": [*python, "mypy"],
        "Imports (import-linter)": [str(Path(sys.executable).with_name("lint-imports"))],
        "Tests (pytest)": [*python, "pytest", *_WORKERS, *selected, *context.args],
    }
    console = Console(highlight=False)
    summary = Table(box=None, show_header=False)
    failed = 0
    for title, command in steps.items():
        console.rule(title, align="left")
        started = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        failed += code != 0
        verdict = "[green]passed" if code == 0 else f"[red]failed, exit code {code}"
        summary.add_row(title, verdict, f"{time.monotonic() - started:.0f} s")
    console.rule("Summary", align="left")
    console.print(summary)
    if not everything:
        console.print(f"Left to `dev.py test --all`: {_SLOW}.", soft_wrap=True)
    raise typer.Exit(1 if failed else 0)


def environment() -> dict[str, str]:
    """Return the environment in which the soak finds the project and what the tests share."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
