"""`dev.py contract`: write the contract of the result messages as a zip, for consumers in any language."""

import copy
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from events import (
    Channel,
    Delivery,
    Envelope,
    EventType,
    cloud_event,
    envelope_schema,
    message_schema,
    parse,
)
from handlers import paths
from handlers.ids import derived_id
from handlers.stores import ContainerName, fits
from tools import node
from tools.commands._exit import ExitCode
from tools.overview import version

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "tests" / "corpus"
PINS = ROOT / "tools" / "contract"
# No app's own: the contract is that of all.
_SITE = "https://printiq.example.com"
_ARCHIVE = "https://account.blob.core.windows.net"
# The same contract gives the same bytes.
_RECEIVED = datetime(2025, 8, 11, 3, 50, 52, 697000, UTC)
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def main(
    *,
    out: Annotated[Path, typer.Option(help="The zip to write.", dir_okay=False)] = Path("contract.zip"),
) -> None:
    """Write the contract of the result messages: schemas, samples, types for TypeScript, Python and C#.

    A release carries it, for the consumers' own projects and tests.
    """
    if not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {out.absolute().parent}", param_hint="--out")
    console = Console(highlight=False)
    try:
        with console.status("Making types"):
            files = dict(sorted(contract_files()))
    except (node.NodeError, subprocess.CalledProcessError) as error:
        console.print(f"The types could not be made: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(ExitCode.REFUSED) from None
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), content, zipfile.ZIP_DEFLATED)
    console.print(f"Wrote {out}: {len(files)} files.", markup=False, soft_wrap=True)


def contract_files() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each file."""
    yield "README.md", (PINS / "README.md").read_text("utf-8")
    yield "VERSION", f"{version()}\n"
    yield "schemas/envelope.json", _json(envelope_schema(f"{_SITE}/api/schemas/envelope"))
    for event in EventType:
        yield f"schemas/{event}.json", _json(message_schema(event, _schema_address(event) + "/message"))
    messages = _all_messages()
    yield "schemas/messages.json", _json(messages)
    for path in sorted(CORPUS.glob("[!_]*/*")):
        if path.suffix in {".json", ".xml"} and not path.name.endswith(".expected.json"):
            yield from _sample(EventType.named(path.parent.name), path)
    yield from _types(messages)
    yield from _constants()


def _schema_address(event: EventType) -> str:
    return f"{_SITE}/api/schemas/{event}"


def _all_messages() -> dict[str, Any]:
    """Return one schema of all messages, whose parts they share: types made from it are made once."""
    definitions: dict[str, Any] = {}
    dialect = ""
    for event in EventType:
        schema = message_schema(event, "")
        definitions |= schema.pop("definitions")
        dialect = schema.pop("$schema")
        del schema["$id"]
        definitions[schema["title"]] = schema
    return {
        "$schema": dialect,
        "title": "PrintIQMessage",
        "oneOf": [{"$ref": f"#/definitions/{event}Message"} for event in EventType],
        "definitions": definitions,
    }


def _sample(event_type: EventType, path: Path) -> Iterator[tuple[str, str]]:
    """Yield the message that a sample of the corpus becomes; of one too large, its data beside it."""
    delivery = Delivery(
        id=derived_id(_RECEIVED, event_type, path.name),
        event=event_type,
        body=path.read_bytes(),
        channel=Channel.WEBHOOK,
        received_at=_RECEIVED,
    )
    event = parse(delivery)
    envelope = Envelope(
        id=delivery.id,
        time=_RECEIVED,
        source="/printiq/printiq",
        data_schema=_schema_address(event_type),
    )
    message = cloud_event(event, envelope)
    name = f"samples/{event_type}/{path.name.replace('.xml', '-xml').removesuffix('.json')}"
    if not fits(len(message), "base64"):
        blob = f"{_ARCHIVE}/{ContainerName.ARCHIVE}/{paths.data_path(event_type, delivery.id)}"
        message = cloud_event(event, replace(envelope, data_ref=blob))
        yield f"{name}.data.json", _json(json.loads(event.data))
    yield f"{name}.json", _json(json.loads(message))


def _types(messages: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the types that the generators make of the schema of all messages."""
    programs = node.packages(PINS) / "node_modules"
    with tempfile.TemporaryDirectory() as name:
        schema, python, csharp = (Path(name) / each for each in ("messages.json", "printiq.py", "PrintIQ.cs"))
        schema.write_text(_json(_open(messages)), "utf-8")
        json2ts = programs / "json-schema-to-typescript" / "dist" / "src" / "cli.js"
        yield "types/typescript/printiq.ts", node.run(json2ts, given=_json(messages))
        options = ("--src-lang=schema", "--lang=csharp", "--framework=SystemTextJson", "--namespace=PrintIQ")
        quicktype = programs / "quicktype" / "dist" / "index.js"
        node.run(quicktype, *options, f"--out={csharp}", f"{schema}#/definitions/")
        yield "types/csharp/PrintIQ.cs", csharp.read_text("utf-8")
        subprocess.run(
            [
                sys.executable,
                "-m",
                "datamodel_code_generator",
                *_PYTHON,
                f"--input={schema}",
                f"--output={python}",
            ],
            check=True,
        )
        yield "types/python/printiq.py", python.read_text("utf-8")


def _open(messages: dict[str, Any]) -> dict[str, Any]:
    """Return the schema without the lists of values that may grow: types made of those raise on a new one.

    With a discriminator pydantic reads a message as its `type` alone, and does not try all of them.
    """
    opened = copy.deepcopy(messages) | {"discriminator": {"propertyName": "type"}}
    for event in EventType:
        for attribute in ("channel", "kind"):
            del opened["definitions"][f"{event}Message"]["properties"][attribute]["enum"]
    return opened


_PYTHON = (
    "--input-file-type=jsonschema",
    "--output-model-type=pydantic_v2.BaseModel",
    "--target-python-version=3.13",
    "--use-annotated",
    "--extra-fields=allow",
    "--enum-field-as-literal=all",
    "--disable-timestamp",
    "--formatters=builtin",
)


def _constants() -> Iterator[tuple[str, str]]:
    """Yield the names of the types, as each language writes constants."""
    rows = [(event.value, event.message_type, f"Sent when {event.trigger}.") for event in EventType]
    typescript = "".join(f'  /** {about} */\n  {name}: "{value}",\n' for name, value, about in rows)
    yield "types/typescript/event-types.ts", f"export const EventType = {{\n{typescript}}} as const;\n"
    python = "".join(f'    {name}: Final = "{value}"\n    """{about}"""\n' for name, value, about in rows)
    yield "types/python/event_types.py", f"from typing import Final\n\n\nclass EventType:\n{python}"
    csharp = "".join(
        f'    /// <summary>{about}</summary>\n    public const string {name} = "{value}";\n'
        for name, value, about in rows
    )
    head = "namespace PrintIQ;\n\npublic static class EventTypes\n"
    yield "types/csharp/EventTypes.cs", f"{head}{{\n{csharp}}}\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"
