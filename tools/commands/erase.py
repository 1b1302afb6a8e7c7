"""`dev.py erase`: erase all data held about one person."""

import json
from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from events import Kind, Subject
from handlers.app import App
from handlers.operations import erasure
from handlers.operations.erasure import Person
from tools.commands._exit import ExitCode
from tools.commands._ports import DEFAULT_STORAGE_PORT
from tools.commands._storage import with_app
from tools.commands._target import JsonOption, StoragePortOption
from tools.commands._words import counted, deliveries


def main(
    *,
    subject: Annotated[
        str | None, typer.Option(help="The person, as KIND/KEY: contact/1042, customer/KOWSEED.")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            help="A text that identifies the person, such as an e-mail address; 3 characters at least."
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; it is kept, so name nobody.")] = "",
    yes: Annotated[
        bool, typer.Option("--yes", help="Erase; without it, only show what would be erased.")
    ] = False,
    as_json: JsonOption = False,
    storage_port: StoragePortOption = DEFAULT_STORAGE_PORT,
) -> None:
    """Erase every delivery that holds something about one person, and keep a record of the erasure.

    Bytes, data and every row that names a subject are removed. The ledger keeps only that something arrived,
    when, and that it was erased. With --text every kept body is searched. Messages that consumers have taken
    are theirs to erase. This cannot be undone. If it is interrupted, run it again: it resumes.

    Works on the storage that the setting AzureWebJobsStorage names (in the environment or in
    local.settings.json), or else on the local one, and prints which that is.

    Exit codes: 0 done, or shown; 2 the command line or a setting is wrong; 3 storage does not respond;
    4 messages wait in the inbox, which could not be searched.
    """
    console = Console(stderr=as_json, markup=False)
    try:
        person = Person(subject=_subject(subject), text=text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--subject, --text") from None
    if yes and not reason.strip():
        raise typer.BadParameter("Give a reason: the record of the erasure needs it.", param_hint="--reason")
    erasing = partial(_erase, person=person, reason=reason.strip(), console=console, really=yes)
    ids, unsearched = with_app(erasing, storage_port, console)
    if as_json:
        print(json.dumps({"erased": yes, "ids": ids, "unsearched": unsearched}))
    elif not ids:
        console.print("Nothing is held about that person.")
    elif yes:
        console.print(f"Erased {deliveries(len(ids))}, and noted it in table erasures.")
    else:
        console.print(f"{deliveries(len(ids))} would be erased. To do it, add --yes and --reason.")
    if unsearched:
        waiting = counted(unsearched, "message")
        console.print(
            f"In the inbox: {waiting}, which could not be searched. Run this again when it is empty.",
            style="yellow",
        )
        raise typer.Exit(ExitCode.WAITING)


async def _erase(
    app: App, *, person: Person, reason: str, console: Console, really: bool
) -> tuple[list[str], int]:
    ids: list[str] = []
    with console.status("Looking for the person's deliveries …") as status:
        async for row in erasure.deliveries_of(person, app):
            ids.append(row.id)
            status.update(f"{len(ids)} found so far")
            if really:
                await erasure.erase(row, reason, person, app)
            else:
                line = f"{row.id}  {row.received_at}  {row.event}"
                console.print(line, highlight=False, soft_wrap=True)
    if really and ids:
        await erasure.record(ids, reason, app)
    return ids, await erasure.unsearched(app)


def _subject(text: str | None) -> Subject | None:
    if text is None:
        return None
    kind, _, key = text.partition("/")
    if kind not in set(Kind) or not key:
        raise typer.BadParameter(f"Write KIND/KEY, with a kind of {', '.join(Kind)}.", param_hint="--subject")
    return Subject(Kind(kind), key)
