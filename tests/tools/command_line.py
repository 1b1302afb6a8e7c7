"""Runs the commands of `dev.py`, each as a process of its own, in this project or in a copy of it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


def dev(
    *arguments: str, settings: Mapping[str, str] | None = None, folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; storage that the developer's own environment names is left out of it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AzureWebJobs")}
    return subprocess.run(
        [sys.executable, "-m", "tools", *arguments],
        cwd=folder,
        env={**environment, **(settings or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def words(text: str) -> str:
    """Return what a command printed without its lines and frames."""
    return " ".join(text.replace("│", " ").split())


def copy_project(folder: Path) -> None:
    """Copy what the commands need into a folder."""
    for package in ("events", "handlers", "tools"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "subscriptions.toml"):
        shutil.copy(ROOT / file, folder)
