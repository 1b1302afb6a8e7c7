"""A misspelling on the command line ends with exit code 2: it would select nothing, or everything."""

from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from tools.commands import drift, replay

NOBODY = "http://127.0.0.1:9"


def called(main: Any, *arguments: str) -> Result:
    command = typer.Typer()
    command.command()(main)
    return CliRunner().invoke(command, [*arguments, "--url", NOBODY], env={"COLUMNS": "200"})


@pytest.mark.parametrize(
    ("main", "arguments", "message"),
    [
        (drift.main, ["--event", "CreateQoute"], "Did you mean CreateQuote"),
        (drift.main, ["--backtest", "--event", "CreateQoute"], "Did you mean CreateQuote"),
        (replay.main, ["--event", "CreateQoute"], "Did you mean CreateQuote"),
        (replay.main, ["01a20c85-28f3-7725-98fa-0ae6b24c90ff", "--as", "CreateQoute"], "Did you mean"),
        (replay.main, ["--since", "yesterday"], "or a date as 2026-01-31"),
        (replay.main, ["--open", "--until", "2026-13-01"], "month must be in 1..12"),
        (replay.main, ["--status", "sentt"], "quarantined"),
    ],
)
def test_a_misspelling_is_reported_before_the_app_is_asked(
    main: Any, arguments: list[str], message: str
) -> None:
    done = called(main, *arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("main", "arguments"),
    [
        (drift.main, ["--event", "createquote"]),
        (replay.main, ["--event", "_unknown"]),
        (replay.main, ["--since", "2026-03-31T08:00:00Z", "--until", "2026-04-01", "--status", "sent"]),
    ],
)
def test_what_is_right_is_asked_of_the_app(main: Any, arguments: list[str]) -> None:
    assert called(main, *arguments).exit_code == 3
