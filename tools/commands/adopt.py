"""`dev.py adopt`: make a payload that printIQ sent a sample of the corpus, without its data."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from events import Differences, EventError, differences, parse, sniff
from tools.commands._api import Api, RefusedError, UnreachableError, as_received
from tools.commands._exit import ExitCode
from tools.commands._invented import Inventor
from tools.commands._ports import DEFAULT_URL
from tools.commands._target import ROOT, KeyOption, UrlOption

CORPUS = ROOT / "tests" / "corpus"
# One by one: two samples may share an expected file.
_WRITE = "python3 dev.py test -n 0 tests/events/test_corpus.py --write-expected"


class NotAdoptedError(Exception):
    """The reason why a payload cannot become a sample."""


def main(
    delivery: Annotated[str, typer.Argument(help="The id of a delivery.")],
    *,
    name: Annotated[
        str | None,
        typer.Option(
            help="The sample's name: what it shows.", show_default="adopted- and the id's beginning"
        ),
    ] = None,
    corpus: Annotated[Path, typer.Option(help="Folder of samples.", show_default="tests/corpus")] = CORPUS,
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = None,
) -> None:
    """Save a received payload as a sample of the corpus, its data replaced by invented data.

    The sample shows the models what a shop's own printIQ sends: it keeps the field names, structure, encoding
    and forms of values, and no real name, address, number or price. Read it before you commit it all the
    same: field names are kept as they are.

    Exit codes: 0 saved; 1 not possible, with the reason; 2 the command line is wrong; 3 the app does not
    answer.
    """
    console = Console(highlight=False)
    try:
        path = _adopt(Api(url, key), delivery, name, corpus)
    except UnreachableError as error:
        console.print(escape(str(error)))
        raise typer.Exit(ExitCode.UNREACHABLE) from None
    except (NotAdoptedError, RefusedError) as error:
        console.print(escape(str(error)))
        raise typer.Exit(ExitCode.REFUSED) from None
    console.print(f"Saved {escape(str(path))}. Now:", soft_wrap=True)
    console.print("  1. Read it: field names are kept, values are invented.")
    console.print(f"  2. {_WRITE}, and read what it writes.", soft_wrap=True)
    console.print("  3. Add its fields to the model, and run python3 dev.py drift --backtest.")


def _adopt(api: Api, delivery_id: str, name: str | None, corpus: Path) -> Path:
    found = api.find(f"deliveries/{delivery_id}")
    if found is None:
        raise NotAdoptedError(f"The app has no delivery {delivery_id}, or it still waits to be processed.")
    row: dict[str, str] = found.json()
    raw = api.find(f"deliveries/{delivery_id}/raw")
    if raw is None:
        raise NotAdoptedError("Its bytes are no longer kept.")
    body = _invented(row, raw.content)
    folder = corpus / row["event"]
    path = folder / f"{name or f'adopted-{delivery_id[:13]}'}.{sniff(body)}"
    if path.exists():
        raise NotAdoptedError(f"The sample {path} exists: give this one another --name.")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def _invented(row: Any, body: bytes) -> bytes:
    """Return the payload with invented data. Raises NotAdoptedError where its form would change."""
    try:
        before = _form(row, body)
    except EventError as error:
        raise NotAdoptedError(
            f"The models of this folder refuse it: {error.message} A sample shows what is accepted; "
            "what must be refused is in tests/corpus/_refused."
        ) from error
    try:
        invented = Inventor().payload(body)
        after = _form(row, invented)
    except (UnicodeError, EventError) as error:
        raise NotAdoptedError(f"Its data could not be replaced: {error}") from error
    changed = [place for old, new in zip(before, after, strict=True) for place in set(old) ^ set(new)]
    if changed:
        raise NotAdoptedError(
            f"With other data it would be read differently, at {', '.join(sorted(changed))}. "
            "Adopt it by hand, as tests/corpus/README.md explains."
        )
    return invented


def _form(row: Any, body: bytes) -> Differences:
    return differences(parse(as_received(row, body)).payload)
