"""The command line of `dev.py` as a whole: help, version, completion, environments."""

import sys
from pathlib import Path

import pytest
from command_line import copy_project, dev, words

from tools.__main__ import main
from tools.overview import COMMANDS, version

ENVIRONMENTS = """
[uat]
url = "http://127.0.0.1:9/uat"
key = "a-key"
[wrong]
url = "the-app"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of the project with two environments."""
    copy_project(tmp_path)
    (tmp_path / "environments.toml").write_text(ENVIRONMENTS)
    return tmp_path


def test_help_lists_every_command_and_each_has_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def help_of(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["dev.py", *arguments, "-h"])
        with pytest.raises(SystemExit):
            main()
        return capsys.readouterr().out

    listed = help_of()
    assert all(f" {name} " in listed for name in COMMANDS)
    for name in COMMANDS:
        assert f"dev.py {name} " in help_of(name), name


def test_the_version_is_the_projects() -> None:
    assert dev("--version").stdout == f"{version()}\n"


def test_a_misspelt_command_names_the_one_near_it() -> None:
    done = dev("sned")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean 'send'?" in done.stderr


def test_a_shell_completes_commands_and_their_options() -> None:
    settings = {"_DEV.PY_COMPLETE": "complete_bash", "COMP_WORDS": "dev.py se", "COMP_CWORD": "1"}
    assert dev(settings=settings).stdout.split() == ["send"]
    settings |= {"COMP_WORDS": "dev.py send --hot", "COMP_CWORD": "2"}
    assert dev(settings=settings).stdout.split() == ["--hot-folder"]
    settings |= {"COMP_WORDS": "dev.py send CreateQ", "COMP_CWORD": "2"}
    assert dev(settings=settings).stdout.split() == ["CreateQuote"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--env", "uat", "drift"], 3, "The app at http://127.0.0.1:9/uat does not respond"),
        (["--env", "uat", "drift", "--url", "http://127.0.0.1:9"], 3, "http://127.0.0.1:9 does not respond"),
        (["--env", "wrong", "drift"], 2, "the-app is no address"),
        (["--env", "prod", "drift"], 2, "has no environment prod. It has uat, wrong."),
    ],
)
def test_an_environment_stands_for_its_options(
    project: Path, arguments: list[str], code: int, message: str
) -> None:
    done = dev(*arguments, folder=project)
    assert done.returncode == code, done.stderr
    assert message in words(done.stdout + done.stderr)


def test_without_the_file_of_environments_the_reader_learns_of_it(project: Path) -> None:
    (project / "environments.toml").unlink()
    done = dev("--env", "uat", "drift", folder=project)
    assert done.returncode == 2
    assert "There is no" in words(done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--port", "70000"], "less than or equal to 65535"),
        (["run", "--storage-port", "65535"], "less than or equal to 65533"),
        (["send", "CreateQuote", "--url", "http://[x"], "http://[x is no address"),
        (["watch", "--url", "ftp://127.0.0.1"], "ftp://127.0.0.1 is no address"),
    ],
)
def test_a_wrong_port_or_address_is_an_error_of_the_command_line(arguments: list[str], message: str) -> None:
    done = dev(*arguments)
    assert done.returncode == 2
    assert message in words(done.stderr)
    assert "Traceback" not in done.stderr
