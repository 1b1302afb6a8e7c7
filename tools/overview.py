"""What `dev.py` shows before anything is set up: its commands, its version, its help.

dev.py imports this with any Python from 3.9 on: nothing but the standard library, no newer syntax.
"""

import os
import re
from typing import Optional

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PURPOSE = "Develop the printIQ event receiver on this machine. Start with: dev.py run"
COMMANDS = {
    "run": "Run the app on this machine, with the storage it needs.",
    "send": "Send an event to the app and show its outcome.",
    "watch": "Follow the ledger and the result queues, live.",
    "listen": "Push the messages of a result queue to a web handler of yours.",
    "replay": "Process deliveries again: one, or all that a filter selects.",
    "drift": "Show where printIQ's fields differ from the models, and what a changed model would do.",
    "adopt": "Save a payload as a sample of the corpus, its data replaced by invented data.",
    "verify": "Show that nothing is lost: reconcile archive, quarantine, ledger and search index.",
    "erase": "Erase all data held about one person, and keep a record of the erasure.",
    "reset": "Empty what the app on this machine has stored.",
    "bench": "Measure the app beside its peers and limits.",
    "contract": "Write the contract of the messages as a zip: schemas, samples, types.",
    "test": "Check style, types and import directions, and run the tests.",
    "lock": "Pin every package that the requirements.in files lead to, with hashes.",
}


def version() -> str:
    """Return the project's version, as pyproject.toml has it."""
    with open(os.path.join(ROOT, "pyproject.toml"), encoding="utf-8") as file:
        found = re.search(r'^version = "(.+)"$', file.read(), re.MULTILINE)
    assert found
    return found.group(1)


def help_text(called: Optional[str]) -> str:
    """Write the help of dev.py, or of one command, without the options, which only the commands know."""
    once = "Its options show once the project is set up, which any other call does, in about a minute."
    if called is not None:
        return "\n".join(["Usage: dev.py " + called + " [OPTIONS]", "", COMMANDS[called], "", once])
    width = max(map(len, COMMANDS)) + 2
    commands = ["  " + name.ljust(width) + summary for name, summary in COMMANDS.items()]
    end = "Each command has a --help of its own. The first call sets the project up, in about a minute."
    return "\n".join(["Usage: dev.py [--env NAME] COMMAND [OPTIONS]", "", PURPOSE, "", *commands, "", end])
