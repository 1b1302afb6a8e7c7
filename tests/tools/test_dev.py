"""`dev.py` finds a Python, makes `.venv` once, and hands over with arguments and exit code intact."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tools.overview import version

ROOT = Path(__file__).parents[2]
ECHO = "import sys\nprint('arguments', sys.argv[1:])\nsys.exit(7)\n"


@pytest.fixture
def dev() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fake_python(path: Path, version: str | None) -> list[str]:
    """Write a program that answers as a Python of that version does, or as one that is broken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + (f"echo {version}\n" if version else "exit 1\n"))
    path.chmod(0o755)
    return [str(path)]


def test_the_first_python_that_is_new_enough_and_works_is_taken(dev: ModuleType, tmp_path: Path) -> None:
    old = fake_python(tmp_path / "old", "3.12.9")
    broken = fake_python(tmp_path / "broken", None)
    missing = [str(tmp_path / "missing")]
    good = fake_python(tmp_path / "good", "3.13.1")
    later = fake_python(tmp_path / "later", "3.14.0")
    assert dev.find_python([old, broken, missing, good, later]) == good
    assert dev.find_python([old, broken, missing]) is None


def test_a_python_is_looked_for_on_the_path_and_where_pyenv_and_uv_put_it(
    dev: ModuleType, tmp_path: Path
) -> None:
    on_path = fake_python(tmp_path / "bin" / "python3.13", "3.13.0")
    pyenv = fake_python(tmp_path / "pyenv" / "versions" / "3.13.5" / "bin" / "python", "3.13.5")
    home = fake_python(tmp_path / "home" / ".pyenv" / "versions" / "3.14.0" / "bin" / "python", "3.14.0")
    uv = fake_python(
        tmp_path / "home/.local/share/uv/python/cpython-3.13.2-linux-x86_64-gnu/bin/python3", "3.13.2"
    )
    found = list(dev.candidates({"PATH": str(tmp_path / "bin")}, str(tmp_path / "home")))
    assert Path(found[0][0]).samefile(sys.executable)
    assert all(command in found for command in (on_path, home, uv))
    assert pyenv in list(dev.candidates({"PATH": "", "PYENV_ROOT": str(tmp_path / "pyenv")}, str(tmp_path)))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the folder of a project without packages, whose command shows its arguments, exits with 7."""
    shutil.copy(ROOT / "dev.py", tmp_path)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "__init__.py").write_text("")
    shutil.copy(ROOT / "tools" / "overview.py", tmp_path / "tools")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "tools" / "__main__.py").write_text(ECHO)
    (tmp_path / "requirements.txt").write_text("")
    (tmp_path / "tools" / "requirements.txt").write_text("-r ../requirements.txt\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "requirements.txt").write_text("-r ../tools/requirements.txt\n")
    return tmp_path


def start(project: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(project / "dev.py"), *arguments],
        cwd=project.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def message(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 7, output
    return output


def test_two_first_starts_at_once_set_up_once_and_later_ones_only_what_changed(project: Path) -> None:
    both = [start(project, "send", "--file", "a b"), start(project, "send", "--file", "a b")]
    outputs = [message(process) for process in both]
    assert all("arguments ['send', '--file', 'a b']" in output for output in outputs)
    assert sum("Making .venv" in output for output in outputs) == 1
    assert message(start(project, "again")) == "arguments ['again']\n"
    (project / "requirements.txt").write_text("# a change\n")
    changed = message(start(project, "again"))
    assert "Installing the packages" in changed
    assert "Making .venv" not in changed


def test_help_and_version_need_no_set_up(project: Path) -> None:
    for arguments, words in (
        ([], "send      Send an event to the app"),
        (["-h"], "Start with: dev.py run"),
        (["watch", "--help"], "Follow the ledger"),
        (["--version"], version()),
    ):
        output, _ = start(project, *arguments).communicate(timeout=60)
        assert words in output
    assert not (project / ".venv").exists()


def test_a_misspelt_command_is_named_before_anything_is_set_up(project: Path) -> None:
    output, _ = start(project, "sned").communicate(timeout=60)
    assert "no command 'sned'" in output
    assert not (project / ".venv").exists()


def test_what_only_the_tests_need_comes_with_the_first_test(project: Path) -> None:
    assert "tools/requirements.txt names" in message(start(project, "run"))
    assert "tests/requirements.txt names" in message(start(project, "test"))
    assert message(start(project, "run")) == "arguments ['run']\n"
    assert message(start(project, "test")) == "arguments ['test']\n"


def test_a_set_up_that_failed_says_why_and_is_done_again_from_the_start(project: Path) -> None:
    (project / "requirements.txt").write_text("./no-such-folder\n")
    failing = start(project, "run")
    output, _ = failing.communicate(timeout=600)
    assert failing.returncode == 1
    assert "no-such-folder" in output
    assert "Setting up failed" in output
    assert "HTTPS_PROXY" in output
    leftover = project / ".venv" / "leftover"
    leftover.touch()
    (project / "requirements.txt").write_text("")
    assert "arguments ['run']" in message(start(project, "run"))
    assert not leftover.exists()
