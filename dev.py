#!/usr/bin/env python3
"""Set up this project on a fresh machine and run its commands: `python3 dev.py --help`.

Runs on Python 3.9 or newer with nothing but the standard library: finds Python 3.13 or newer, makes `.venv`
with every package that the requirements name, and hands over to the package `tools` in there.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING

from tools import overview

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
# Locks, each including the one before; `dev.py lock` writes them. Few commands need the last.
REQUIREMENTS = ["requirements.txt", "tools/requirements.txt", "tests/requirements.txt"]
COMMANDS_FOR_ALL = ("test", "lock", "contract")
UNFINISHED = os.path.join(VENV, "unfinished")
WINDOWS = sys.platform == "win32"
OLDEST = (3, 13)
NEWER = ("3.13", "3.14", "3.15")

NO_PYTHON = """\
This project needs Python 3.13 or newer, and none was found on this machine.
Get it in one of these ways, then try again:
  Windows        winget install Python.Python.3.13
  macOS          brew install python@3.13
  Ubuntu         sudo apt install python3.13-venv  (releases without it: add the deadsnakes PPA first)
  anywhere       uv python install 3.13, or pyenv install 3.13, or the installer from python.org\
"""

SET_UP_FAILED = """\
Setting up failed; the lines above give the reason. If PyPI could not be reached: check the network, or name
your proxy in HTTPS_PROXY or your mirror in PIP_INDEX_URL. Then try again.\
"""


def main(arguments: list[str]) -> int:
    """Set up what is missing, then become the command that the arguments name."""
    if sys.version_info < (3, 9):
        sys.exit("dev.py needs Python 3.9 or newer to start; this is %s." % sys.version.split()[0])
    called = next((each for each in arguments if each in overview.COMMANDS), None)
    needed = REQUIREMENTS if called in COMMANDS_FOR_ALL else REQUIREMENTS[:-1]
    if not is_ready(needed):
        if not os.path.exists(venv_python()):
            if is_answered_without_set_up(arguments, called):
                return 0
            if called is None and not arguments[0].startswith("-"):
                sys.exit("dev.py has no command %r. Its help lists them: dev.py -h" % arguments[0])
        set_up(needed)
    command = [venv_python(), "-P", "-m", "tools", *arguments]
    environment = dict(
        os.environ, PYTHONPATH=os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
    )
    sys.stdout.flush()
    if not WINDOWS:
        os.execve(command[0], command, environment)
    process = subprocess.Popen(command, env=environment)
    while True:
        # Ctrl-C reaches the command as well, which ends in its own time.
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()


def is_answered_without_set_up(arguments: list[str], called: str | None) -> bool:
    """Print what needs no packages: the version, the help, or nothing for shell completion."""
    if any(name.startswith("_") and name.endswith("_COMPLETE") for name in os.environ):
        return True
    if arguments[:1] == ["--version"]:
        print(overview.version())
        return True
    if not arguments or {"-h", "--help"} & set(arguments):
        print(overview.help_text(called))
        return True
    return False


def venv_python() -> str:
    return os.path.join(VENV, "Scripts", "python.exe") if WINDOWS else os.path.join(VENV, "bin", "python")


def ready_file(needed: list[str]) -> str:
    return os.path.join(VENV, "ready-%s.json" % os.path.dirname(needed[-1]))


def wanted(needed: list[str]) -> dict[str, str]:
    """Return what a finished `.venv` was made from: the requirements and the Python."""
    digest = hashlib.sha256()
    for path in needed:
        with open(os.path.join(ROOT, path), "rb") as file:
            digest.update(file.read())
    with open(os.path.join(VENV, "pyvenv.cfg"), encoding="utf-8") as file:
        return {"requirements": digest.hexdigest(), "python": file.read()}


def is_ready(needed: list[str]) -> bool:
    try:
        with open(ready_file(needed), encoding="utf-8") as file:
            return json.load(file) == wanted(needed) and os.path.exists(venv_python())
    except (OSError, ValueError):
        return False


def set_up(needed: list[str]) -> None:
    """Make `.venv` or bring it up to date, one process at a time; start again where that was interrupted."""
    with only_one(os.path.join(ROOT, ".local", "setup.lock")):
        if is_ready(needed):  # another dev.py did it meanwhile
            return
        if not is_usable():
            python = find_python(candidates(os.environ, os.path.expanduser("~")))
            if python is None:
                sys.exit(NO_PYTHON)
            shutil.rmtree(VENV, ignore_errors=True)
            os.makedirs(VENV)
            mark_unfinished()
            with step("Making .venv with Python %s" % probe(python)) as show:
                run([*python, "-m", "venv", VENV], show)
        mark_unfinished()
        with step("Installing the packages that %s names" % needed[-1]) as show:
            pip = [
                venv_python(),
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                "--progress-bar",
                "off",
            ]
            run([*pip, "--require-hashes", "-r", os.path.join(ROOT, needed[-1])], show)
        for count in range(2, len(needed) + 1):
            with open(ready_file(needed[:count]), "w", encoding="utf-8") as file:
                json.dump(wanted(needed[:count]), file)
        os.remove(UNFINISHED)


def mark_unfinished() -> None:
    with open(UNFINISHED, "w", encoding="utf-8"):
        pass


def is_usable() -> bool:
    """Return whether packages can be installed into `.venv`: it is complete, new enough and has pip."""
    if os.path.exists(UNFINISHED) or probe([venv_python()]) is None:
        return False
    return (
        subprocess.run([venv_python(), "-m", "pip", "--version"], capture_output=True, check=False).returncode
        == 0
    )


def candidates(environment: Mapping[str, str], home: str) -> Iterator[list[str]]:
    """Yield the commands that may be Python 3.13 or newer, likeliest first."""
    # Not a virtual environment's own Python: it may be the one about to be replaced.
    yield [getattr(sys, "_base_executable", None) or sys.executable]
    for version in NEWER:
        for name in ("python" + version, "python3", "python"):
            path = shutil.which(name, path=environment.get("PATH", ""))
            if path:
                yield [path]
    if WINDOWS:
        for version in NEWER:
            yield ["py", "-" + version]
    pyenv = environment.get("PYENV_ROOT") or os.path.join(home, ".pyenv")
    uv = environment.get("UV_PYTHON_INSTALL_DIR") or os.path.join(
        environment.get("APPDATA") or os.path.join(home, ".local", "share"), "uv", "python"
    )
    for version in NEWER:
        patterns = [
            os.path.join(pyenv, "versions", version + "*", "bin", "python"),
            os.path.join(pyenv, "versions", version + "*", "python.exe"),
            os.path.join(uv, "cpython-" + version + "*", "bin", "python3"),
            os.path.join(uv, "cpython-" + version + "*", "python.exe"),
            "/opt/homebrew/bin/python" + version,
            "/usr/local/bin/python" + version,
            "/Library/Frameworks/Python.framework/Versions/" + version + "/bin/python3",
        ]
        for pattern in patterns:
            for path in sorted(glob.glob(pattern), reverse=True):
                yield [path]


def find_python(commands: Iterable[list[str]]) -> list[str] | None:
    """Return the first command that is a Python new enough to make a virtual environment, or None."""
    tried: list[list[str]] = []
    for command in commands:
        if command not in tried and not command[0].startswith(VENV + os.sep):
            tried.append(command)
            if probe(command):
                return command
    return None


def probe(command: list[str]) -> str | None:
    """Return the version of a Python; None where it is too old, broken or cannot make a venv."""
    code = "import ensurepip, sys, venv; print(*sys.version_info[:3], sep='.')"
    try:
        done = subprocess.run([*command, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = done.stdout.strip()
    if done.returncode != 0 or tuple(int(part) for part in version.split(".")) < OLDEST:
        return None
    return version


@contextlib.contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """Print a step and how long it took; yield a function that shows a detail on a terminal."""
    started = time.monotonic()
    terminal = sys.stdout.isatty()

    def show(detail: str) -> None:
        if terminal:
            line = "%s: %d s  %s" % (title, time.monotonic() - started, detail)
            print("\r\033[K" + line[: shutil.get_terminal_size().columns - 1], end="", flush=True)

    print(title, end="" if terminal else " ...\n", flush=True)
    yield show
    print(
        "%s%s: done in %d s" % ("\r\033[K" if terminal else "", title, time.monotonic() - started), flush=True
    )


def run(command: list[str], show: Callable[[str], None]) -> None:
    """Run a command, showing each line that it prints; exit with the last of them where it fails."""
    lines: list[str] = []
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        show(line.strip())
    if process.wait() != 0:
        print()
        print("".join(lines[-40:]))
        print("%s ended with exit code %d." % (" ".join(command), process.returncode), flush=True)
        sys.exit(SET_UP_FAILED)


@contextlib.contextmanager
def only_one(path: str) -> Iterator[None]:
    """Hold a lock that one process has at a time, and that the system frees however the process ends."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "a+b") as file:
        waiting = False
        while not try_lock(file):
            if not waiting:
                print("Waiting for another dev.py that is setting up ...", flush=True)
            waiting = True
            time.sleep(0.2)
        yield


def try_lock(file: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
