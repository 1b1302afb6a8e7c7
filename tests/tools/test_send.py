"""`dev.py send` shows the outcome of an event."""

import os
import subprocess
import sys
from pathlib import Path

from receiver import Receiver

ROOT = Path(__file__).parents[2]


def test_the_outcome_of_a_soap_request_is_shown_though_its_response_names_no_id(receiver: Receiver) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tools", "send", "acceptquote", f"--url={receiver.host.url}"),
            "--file=tests/corpus/AcceptQuote/soap.xml",
        ],
        cwd=ROOT,
        env={**os.environ, "AzureWebJobsStorage": receiver.storage, "HOT_FOLDER": receiver.storage},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (row,) = receiver.written("timeline", subject="Q004872v1", channel="webhook")
    assert f"sent quote Q004872v1, id {row['id']}" in done.stdout
