"""Runs every check of the project, as CI does."""

import subprocess
import sys
import time
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
CONTEXT_SETTINGS = {"ignore_unknown_options": True, "allow_extra_args": True}


def main(context: typer.Context) -> None:
    """Check style, types and imports, and run the tests. More arguments go to pytest: test -k webhook -x."""
    python = [sys.executable, "-m"]
    steps = {
        "Style (ruff check)": [*python, "ruff", "check"],
        "Format (ruff format)": [*python, "ruff", "format", "--check"],
        "Types (mypy)": [*python, "mypy"],
        "Imports (import-linter)": [str(Path(sys.executable).with_name("lint-imports"))],
        "Tests (pytest)": [*python, "pytest", *context.args],
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
