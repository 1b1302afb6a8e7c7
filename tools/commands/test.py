"""Runs every check of the project, as CI does."""

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
# Tests wait half of their time, so one process more than there are processors; but each has an Azurite of its
# own, so not more than four.
_AT_ONCE = ("-n", str(min((os.cpu_count() or 1) + 1, 4)))
CONTEXT_SETTINGS = {"ignore_unknown_options": True, "allow_extra_args": True}


def main(
    context: typer.Context,
    *,
    soak: Annotated[
        int | None, typer.Option(help="Instead, send so many events while everything fails, and count them.")
    ] = None,
    seed: Annotated[int, typer.Option(help="With --soak: the same seed does the same harm.")] = 1,
) -> None:
    """Check style, types and imports, and run the tests, some at once.

    More arguments go to pytest: test -k webhook -x. With -n 0 they run one by one, as --pdb and -s need it.
    """
    if soak is not None:
        command = [
            sys.executable,
            str(ROOT / "tests" / "reliability" / "soak.py"),
            str(soak),
            f"--seed={seed}",
        ]
        raise typer.Exit(subprocess.run(command, env=_with_project_on_path(), check=False).returncode)
    python = [sys.executable, "-m"]
    steps = {
        "Style (ruff check)": [*python, "ruff", "check"],
        "Format (ruff format)": [*python, "ruff", "format", "--check"],
        "Types (mypy)": [*python, "mypy"],
        "Imports (import-linter)": [str(Path(sys.executable).with_name("lint-imports"))],
        "Tests (pytest)": [*python, "pytest", *_AT_ONCE, *context.args],
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
    raise typer.Exit(1 if failed else 0)


def _with_project_on_path() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
