"""docs/deploy.md and operate.md as a reader follows them, in bash: no value has to be guessed."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from infra.bicep_cli import kept_snapshot
from infra.published import INFRA, ROOT

PAGE = "".join((ROOT / "docs" / name).read_text("utf-8") for name in ("deploy.md", "operate.md"))
OUTPUTS = {name: f"the-{name.lower()}" for name in kept_snapshot(INFRA, "uat")["outputs"]} | {
    "HEALTH_URL": "https://app.example/api/health",
    "HOT_FOLDER_URL": "https://drops.example/hot-folder/{event}/",
}
PROGRAMS = ("az", "azd", "func", "git", "python3", "terraform")
# Writes down what it is called with, and prints what the real program would where the page uses it.
PROGRAM = """#!/bin/sh
printf '%s' "${{0##*/}}" >> '{log}'
for word in "$@"; do printf '\\t%s' "$word" >> '{log}'; done
printf '\\n' >> '{log}'
case "${{0##*/}} $*" in
  "azd env get-values") printf '{azd}' ;;
  terraform*" output") printf '{terraform}' ;;
  *"--query"*) echo printed ;;
esac
"""


def _sections() -> dict[str, str]:
    parts = re.split(r"^## (.+)\n", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _commands(text: str) -> str:
    """Return what is to be typed in bash. Where a block follows for PowerShell, the first is bash's."""
    return "\n".join(re.findall(r"^```(?:sh|bash)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def _walk(folder: Path, commands: str) -> list[list[str]]:
    """Run the commands, and return the calls that they made. Bash fails on a name that nothing has set."""
    if sys.platform == "win32" or shutil.which("bash") is None:
        pytest.skip("there is no bash here")
    (folder / "infra" / "terraform" / "hot_folder_events").mkdir(parents=True)
    log, programs = folder / "log", folder / "bin"
    programs.mkdir()
    text = PROGRAM.format(
        log=log,
        azd="".join(f'{name}="{value}"\\n' for name, value in OUTPUTS.items()),
        terraform="".join(f'{name} = "{value}"\\n' for name, value in OUTPUTS.items()),
    )
    for name in PROGRAMS:
        (programs / name).write_text(text, "utf-8")
        (programs / name).chmod(stat.S_IRWXU)
    environment = {"PATH": f"{programs}{os.pathsep}{os.defpath}", "USER": "alice"}
    done = subprocess.run(
        ["bash", "-euc", commands],
        cwd=folder,
        env=environment,
        input="https://hooks.example/pasted\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in log.read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    ("way", "other"),
    [("With azd: one command", ["With Terraform"]), ("With Terraform", ["With azd: one command"])],
)
def test_a_reader_gets_from_an_empty_subscription_to_the_first_event(
    tmp_path: Path, way: str, other: list[str]
) -> None:
    sections = {name: text for name, text in _sections().items() if name not in other}
    assert way in sections
    calls = _walk(tmp_path, "\n".join(_commands(text) for text in sections.values()))
    for call in calls:
        assert not [word for word in call if word == "" or re.search(r"[<>$]", word)], call
    first_event = [
        "python3",
        "dev.py",
        "send",
        "CreateQuote",
        "--url",
        "https://app.example",
        "--key",
        "printed",
    ]
    assert first_event in calls
    assert calls.index(first_event) < next(at for at, call in enumerate(calls) if "policy" in call)


def test_nothing_is_left_to_be_filled_in() -> None:
    code = "".join(re.findall(r"^```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    assert re.findall(r"<[^>\n]+>", code) == []


def test_powershell_is_told_what_bash_is() -> None:
    """Each command that stands for bash alone has its twin, with the same programs and options."""
    pairs = re.findall(r"^```bash\n(.*?)^```\n\n```powershell\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(pairs) == PAGE.count("```bash\n") == PAGE.count("```powershell\n")
    for bash, powershell in pairs:
        options = re.compile(r"--[a-z][a-z-]+")
        assert options.findall(bash) == options.findall(powershell)


def test_every_output_that_the_page_uses_is_one() -> None:
    code = "".join(re.findall(r"^```(?:sh|bash)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    used = set(re.findall(r"\$\{?([A-Z][A-Z_]{3,})", code))
    assigned = set(re.findall(r"^ *(?:export |for |read -rs )?([A-Z]+\d?)(?:=| in|$)", code, re.MULTILINE))
    assert used - assigned - {"USER"} <= set(OUTPUTS)
