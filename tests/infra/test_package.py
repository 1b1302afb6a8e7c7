"""What is deployed: all that .funcignore leaves, which is what the app needs and no more."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pathspec import GitIgnoreSpec

from infra.published import ROOT
from tools.host.testing import StartHost

NEEDED = {"events", "function_app.py", "handlers", "host.json", "requirements.txt", "subscriptions.toml"}
# The page of the console goes along once it is there.
OPTIONAL = {"console"}

# Prints the modules that the app has loaded from outside its own folder and the installed packages.
STRANGERS = """
import sys, sysconfig
import function_app
home = sys.argv[1]
for name, module in sorted(sys.modules.items()):
    if name.partition(".")[0] in {"events", "handlers", "tools", "function_app"}:
        if not (getattr(module, "__file__", None) or "").startswith(home):
            print(name)
"""


def _left() -> Iterator[Path]:
    """Yield the files that azd and func would put into the package, as they read .funcignore: like git."""
    ignored = GitIgnoreSpec.from_lines((ROOT / ".funcignore").read_text("utf-8").splitlines())
    for folder, folders, files in ROOT.walk():
        inside = folder.relative_to(ROOT)
        folders[:] = [name for name in folders if not ignored.match_file(f"{(inside / name).as_posix()}/")]
        yield from (inside / name for name in files if not ignored.match_file((inside / name).as_posix()))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    package = tmp_path / "package"
    for file in _left():
        (package / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, package / file)
    return package


def test_the_package_holds_what_is_needed_and_no_more(package: Path) -> None:
    assert {entry.name for entry in package.iterdir()} - OPTIONAL == NEEDED


def test_the_app_imports_from_the_package_alone(package: Path, storage: str) -> None:
    environment = {**os.environ, "AzureWebJobsStorage": storage, "HOT_FOLDER": storage}
    done = subprocess.run(
        [sys.executable, "-c", STRANGERS, str(package)],
        cwd=package,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_the_app_runs_from_the_package(package: Path, start_host: StartHost) -> None:
    host = start_host(package)
    assert httpx.get(f"{host.url}/api/health", timeout=30).status_code == 200
    answer = httpx.post(f"{host.url}/api/webhooks/CreateQuote", content=b'{"QuoteNo": "Q1"}', timeout=60)
    assert answer.status_code == 202, answer.text
