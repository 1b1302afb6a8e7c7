"""`dev.py lock`: pin every package that a requirements.in leads to, with its hashes."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
import uv

ROOT = Path(__file__).parents[2]
# Each lock, and the one that it agrees with: what is tested is what is deployed. checkov is installed apart.
LOCKS: Mapping[str, str | None] = {
    "requirements.txt": None,
    "tools/requirements.txt": "requirements.txt",
    "tests/requirements.txt": "tools/requirements.txt",
    "tools/bench/requirements.txt": "tests/requirements.txt",
    "tests/infra/checkov/requirements.txt": None,
}
_COMPILE = (
    "pip",
    "compile",
    "--quiet",
    "--no-config",  # ignore the user's own settings, such as an index
    "--universal",  # Azure runs Linux; developers do not all
    "--python-version=3.13",
    "--generate-hashes",
    "--custom-compile-command=python3 dev.py lock",
)


def main(
    *,
    upgrade: Annotated[
        bool, typer.Option(help="Take the newest versions of what no requirements.in names.")
    ] = False,
) -> None:
    """Pin every package that the requirements.in files lead to, in the requirements.txt beside each.

    Add, change or remove a line in a requirements.in, run this, and commit both files.
    """
    for lock, agreeing in LOCKS.items():
        source = lock.removesuffix("txt") + "in"
        options = [*_COMPILE, *(["--upgrade"] if upgrade else []), f"--output-file={lock}"]
        if agreeing:
            options.append(f"--constraints={agreeing}")
        done = subprocess.run([uv.find_uv_bin(), *options, source], cwd=ROOT, check=False)
        if done.returncode:
            raise typer.Exit(done.returncode)
