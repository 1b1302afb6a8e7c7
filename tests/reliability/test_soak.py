"""A short soak; `python3 dev.py test --soak 20000` is a long one."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from soak import Soak

from tools.commands.test import SOAK, environment


def test_the_command_finds_all_that_the_soak_imports() -> None:
    subprocess.run([sys.executable, SOAK, "--help"], env=environment(), check=True)


@pytest.mark.slow
async def test_nothing_is_lost_while_everything_around_the_app_fails(tmp_path: Path) -> None:
    said = io.StringIO()
    soak = Soak(120, 3, tmp_path, Console(file=said, width=120), harm=(10, 30), acts=(5, 15))
    assert await soak.run(), said.getvalue()
