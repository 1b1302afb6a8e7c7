"""Microsoft's Bicep CLI: the compiler, its linter, and the resources that a deployment would make."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

type Resource = dict[str, Any]
type Snapshot = dict[str, Any]

MISSING = (
    "bicep is not on the PATH. Install it with `az bicep install` and add ~/.azure/bin, or from "
    "https://learn.microsoft.com/azure/azure-resource-manager/bicep/install"
)
# What the snapshots are made for: they must not differ from one machine to the next.
FOR_NOBODY = (
    "--subscription-id=00000000-0000-0000-0000-000000000001",
    "--tenant-id=00000000-0000-0000-0000-000000000002",
    "--location=australiaeast",
)

COLOUR = re.compile("\x1b\\[[0-9;]*m")


class Outcome(NamedTuple):
    """What a command of Bicep printed."""

    code: int
    out: str
    problems: str


def bicep(*arguments: str | Path, **environment: str) -> Outcome:
    """Run a command of Bicep. Skip the test where there is none, except in CI."""
    program = shutil.which("bicep")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    # without ICU, .NET starts in this mode only
    given = {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", **environment}
    command = [program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=given)
    return Outcome(done.returncode, COLOUR.sub("", done.stdout), done.stderr)


def kept_snapshot(infra: Path, tier: str) -> Snapshot:
    """Read the snapshot that the repository keeps."""
    kept: Snapshot = json.loads((infra / "snapshots" / f"{tier}.snapshot.json").read_text("utf-8"))
    return kept


def new_snapshot(infra: Path, tier: str) -> Snapshot:
    """Return what the files of an infra/ would make; its kept snapshot is overwritten."""
    parameters = infra / "snapshots" / f"{tier}.bicepparam"
    outcome = bicep("snapshot", parameters, *FOR_NOBODY, "--mode=overwrite")
    assert outcome.code == 0, outcome.problems
    return kept_snapshot(infra, tier)


def address(resource: Resource) -> tuple[str, ...]:
    """Return the names that lead to a resource within its group, without those that are always `default`.

    A resource on another one, such as a lock, has that one's names before its own.
    """
    within = re.sub(r"^/subscriptions/[^/]+(/resourceGroups/[^/]+/)?", "", resource["id"])
    names: list[str] = []
    for part in re.split(r"/?providers/", within):
        names += part.split("/")[2::2]
    return tuple(name for name in names if name != "default")
