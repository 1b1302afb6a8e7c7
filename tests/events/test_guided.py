"""Half a minute of fuzzing that looks for code not reached yet, beside the properties of Hypothesis.

It begins alike in every run, and a fast machine gets further than a slow one.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_guided_fuzzing_finds_nothing(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "events" / "guided.py", "-max_total_time=30", "-seed=1"],
        cwd=tmp_path,  # an input that fails is left there
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
