"""The commands of `dev.py`: a row in COMMANDS and a file in tools/commands for each."""

import importlib
import sys
from collections.abc import Mapping

import typer

# The file of a command is imported only when it is called: what it imports costs the others nothing.
COMMANDS: Mapping[str, str] = {
    "run": "Run the app on this machine, with the storage it needs.",
    "send": "Send an event to the app and show what came of it.",
    "watch": "Follow the ledger and the result queues, live.",
    "replay": "Send deliveries through again: one, or all that a filter selects.",
    "drift": "Show where printIQ's fields differ from the models, and what a changed model would do.",
    "adopt": "Save a payload as a sample of the corpus, its data replaced by invented data.",
    "verify": "Show that nothing is lost: archive, quarantine and ledger against each other.",
    "erase": "Erase what is held of one person, and keep a record that it was done.",
    "bench": "Measure the app beside its peers and limits.",
    "test": "Check style, types and imports, and run the tests.",
    "lock": "Pin every package, with hashes, that the requirements.in files lead to.",
}


def main() -> None:
    """Run the command that the command line names."""
    app = typer.Typer(
        name="dev.py",
        help="Develop the printIQ event receiver on this machine. Start with: dev.py run",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="markdown",  # else the lines of a docstring break where they do in the source
        pretty_exceptions_enable=False,
    )
    app.callback()(_no_options)
    called = sys.argv[1] if len(sys.argv) > 1 else None
    for name, summary in COMMANDS.items():
        if name == called:
            module = importlib.import_module(f"tools.commands.{name}")
            app.command(name, context_settings=getattr(module, "CONTEXT_SETTINGS", None))(module.main)
        else:
            app.command(name, help=summary)(_no_options)
    app(prog_name="dev.py")


def _no_options() -> None:
    """Take no options: the help of the commands that were not called needs a function, too."""


if __name__ == "__main__":
    main()
