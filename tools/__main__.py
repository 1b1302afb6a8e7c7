"""The command line of `dev.py`: a row in COMMANDS and a file in tools/commands for each command."""

import importlib
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, override

import typer
from typer.core import TyperGroup

from tools.overview import COMMANDS, PURPOSE, ROOT, version

ENVIRONMENTS = Path(ROOT) / "environments.toml"
# The settings that commands read; any other in an environment is an app setting, under its own name.
_SETTINGS = {"url": "PRINTIQ_URL", "key": "PRINTIQ_KEY"}


class _Commands(TyperGroup):
    """All commands; the file of one is imported only when it is called."""

    @override
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in COMMANDS:
            self.add_command(_load(args[0]))
        return super().resolve_command(ctx, args)


# What every level of the command line has in common.
_HELP = {"help_option_names": ["-h", "--help"]}
# Else the lines of a docstring break where they do in the source.
_MARKUP: Literal["markdown"] = "markdown"


def _load(name: str) -> Any:
    module = importlib.import_module(f"tools.commands.{name}")
    single = typer.Typer(add_completion=False, rich_markup_mode=_MARKUP)
    single.command(name, context_settings={**_HELP, **getattr(module, "CONTEXT_SETTINGS", {})})(module.main)
    return typer.main.get_command(single)


def main() -> None:
    """Run the command that the command line names."""
    app = typer.Typer(
        cls=_Commands,
        name="dev.py",
        help=PURPOSE,
        no_args_is_help=True,
        rich_markup_mode=_MARKUP,
        pretty_exceptions_enable=False,
        context_settings=_HELP,
    )
    app.callback()(_options)
    for name, summary in COMMANDS.items():
        app.command(name, help=summary)(_unloaded)
    app(prog_name="dev.py")


def _unloaded() -> None:
    """Replace a command that was not called, of which only the help is needed."""


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - a callback's signature
    if wanted:
        print(version())
        raise typer.Exit


def _options(
    *,
    env: Annotated[
        str | None,
        typer.Option("--env", help="Work with this environment of environments.toml, such as uat."),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    del version
    if env is not None:
        os.environ.update(_environment(env))


def _environment(name: str) -> dict[str, str]:
    """Return an environment's settings. Raises typer.BadParameter."""
    try:
        environments = tomllib.loads(ENVIRONMENTS.read_text("utf-8"))
    except FileNotFoundError:
        raise typer.BadParameter(
            f"There is no {ENVIRONMENTS}. docs/deploy.md, Check it, shows one.", param_hint="--env"
        ) from None
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{ENVIRONMENTS} cannot be read: {error}", param_hint="--env") from None
    found = environments.get(name)
    if not isinstance(found, dict):
        names = ", ".join(environments) or "none"
        raise typer.BadParameter(
            f"{ENVIRONMENTS.name} has no environment {name}. It has {names}.", param_hint="--env"
        )
    return {_SETTINGS.get(setting) or setting: str(value) for setting, value in found.items()}


if __name__ == "__main__":
    main()
