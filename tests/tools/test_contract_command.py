"""`dev.py contract` writes schemas, samples and types that hold for every sample of the corpus."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from jsonschema import Draft7Validator, Draft202012Validator
from typer.testing import CliRunner

from events import EventType
from events.catalogue import payload_types
from tools import node
from tools.commands import contract

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TYPESCRIPT = ROOT / "tests" / "consumers"
STRICT = {
    "strict": True,
    "noImplicitReturns": True,
    "noUncheckedIndexedAccess": True,
    "exactOptionalPropertyTypes": True,
    "allowImportingTsExtensions": True,
    "noEmit": True,
    "target": "es2023",
    "module": "nodenext",
    "types": ["node"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the contract, unpacked."""
    folder = tmp_path_factory.mktemp("contract")
    for name, text in contract.contract_files():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def samples(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the event and the file of each message."""
    for path in sorted(folder.glob("samples/*/*.json")):
        if not path.name.endswith(".data.json"):
            yield path.parent.name, path


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def test_it_is_written_as_a_zip_whose_bytes_depend_on_the_contract_alone(tmp_path: Path) -> None:
    command = typer.Typer()
    command.command()(contract.main)
    for name in ("one.zip", "two.zip"):
        done = CliRunner().invoke(command, ["--out", str(tmp_path / name)])
        assert done.exit_code == 0, done.stdout
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        names = archive.namelist()
        assert "Fields are only **added**" in archive.read("README.md").decode()
    assert {f"schemas/{event}.json" for event in EventType} < set(names)
    assert {f"samples/{event}/typical.json" for event in EventType} < {
        name.replace("-xml.json", ".json") for name in names
    }


def test_a_folder_that_is_not_there_is_named_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match=r"there is no folder .*missing"):
        contract.main(out=tmp_path / "missing" / "contract.zip")


def test_every_sample_is_a_message_of_its_event_and_what_is_too_large_has_its_data_beside_it(
    folder: Path,
) -> None:
    referring = []
    for event, path in samples(folder):
        message, schema = read(path), read(folder / "schemas" / f"{event}.json")
        if "dataref" in message:
            referring.append(path.stem)
            data = read(path.with_name(f"{path.stem}.data.json"))
            message = {**message, "data": data}
        for validator in (Draft7Validator, Draft202012Validator):
            validator.check_schema(schema)
            validator(schema).validate(message)
    assert referring


def test_typescript_types_are_strict_and_read_every_sample(folder: Path, tmp_path: Path) -> None:
    types = (folder / "types/typescript/printiq.ts").read_text("utf-8")
    loose = [line.strip() for line in types.splitlines() if re.search(r"\b(unknown|any)\b|\{\}", line)]
    assert {line for line in loose if not line.startswith("*")} <= {"[k: string]: unknown;"}
    lines = [
        'import type * as printiq from "./printiq.ts";',
        'import { EventType } from "./event-types.ts";',
        "export function about(message: printiq.PrintIQMessage): string | null | undefined {",
        "  switch (message.type) {",
        "    case EventType.CreateQuote: return message.data?.QuoteNo;",
        "    case EventType.ExportInvoice: return message.data?.InvoiceDetails[0]?.IDTPrice_ForeignAmount;",
        "    default: return message.subject;",
        "  }",
        "}",
    ]
    for number, (event, path) in enumerate(samples(folder)):
        name = f"printiq.{event}Message"
        lines.append(f"export const m{number}: printiq.PrintIQMessage & {name} = {path.read_text('utf-8')};")
        if (data := path.with_name(f"{path.stem}.data.json")).exists():
            lines.append(f'export const d{number}: NonNullable<{name}["data"]> = {data.read_text("utf-8")};')
    _compiled(tmp_path, "\n".join(lines), folder / "types/typescript")


def test_the_typescript_example_reads_what_the_schemas_say(folder: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples" / "typescript" / "src" / "message.ts", tmp_path)
    text = """
        import type * as printiq from "./printiq.ts";
        import type { Known } from "./message.ts";
        export const invoice = (message: printiq.ExportInvoiceMessage): Known => message;
        export const quote = (message: printiq.CreateQuoteMessage): Known => message;
    """
    _compiled(tmp_path, text, folder / "types/typescript")


def test_quicktypes_typescript_reads_every_sample_with_its_own_checks(folder: Path, tmp_path: Path) -> None:
    installed = node.packages(contract.PINS)
    program = installed / "node_modules" / "quicktype" / "dist" / "index.js"
    schema = f"{folder / 'schemas' / 'messages.json'}#/definitions/"
    made = tmp_path / "made" / "quicktype.ts"
    made.parent.mkdir()
    node.run(program, "--src-lang=schema", "--lang=typescript", "--prefer-unions", f"--out={made}", schema)
    loose = [line.strip() for line in made.read_text("utf-8").splitlines() if "unknown" in line]
    known = {field.alias or name for model in payload_types() for name, field in model.model_fields.items()}
    for line in loose:
        field = re.match(r'"?(\w+)"?\??:', line)
        assert field is None or field[1] not in known or "{ [key: string]: unknown }[]" in line, line
    readers = _by_event(r"public static to(\w+)Message\(", made)
    reading = [
        'import { readFileSync } from "node:fs";',
        'import { Convert } from "./quicktype.ts";',
        *(
            f"Convert.to{readers[event]}Message(readFileSync({json.dumps(str(path))}, 'utf8'));"
            for event, path in samples(folder)
        ),
        'console.log("all read");',
    ]
    _compiled(tmp_path, "\n".join(reading), made.parent)
    assert node.run(Path("check.ts"), cwd=tmp_path) == "all read\n"


def _by_event(pattern: str, source: Path) -> dict[str, str]:
    """Return what a generator made of each event's name: it has its own ways with XML and _."""
    found = {name.lower(): name for name in re.findall(pattern, source.read_text("utf-8"))}
    return {event: found[event.replace("_", "").lower()] for event in EventType}


def _compiled(folder: Path, text: str, types: Path) -> None:
    """Compile a program strictly, beside the types that it imports."""
    for path in types.iterdir():
        shutil.copy(path, folder)
    modules = node.packages(TYPESCRIPT) / "node_modules"
    (folder / "node_modules").symlink_to(modules, target_is_directory=True)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "check.ts").write_text(text, "utf-8")
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": STRICT, "files": ["check.ts"]}))
    node.npm("exec", "--no", "--", "tsc", cwd=folder)


def test_python_types_are_strict_and_read_every_sample(folder: Path, tmp_path: Path) -> None:
    types = folder / "types/python"
    source = (types / "printiq.py").read_text("utf-8")
    assert set(re.findall(r"^.*\bAny\b.*$", source, re.MULTILINE)) == {
        "from typing import Annotated, Any, Literal",
        "        dict[str, Any] | None,",
    }
    assert source.count("dict[str, Any]") == source.count("alias='_unread'")
    reading = [
        "from pathlib import Path",
        "from event_types import EventType",
        "from printiq import CreateQuoteMessage, PrintIQMessage",
        "import printiq",
    ]
    for event, path in samples(folder):
        name = f"printiq.{event.replace('_', '')}Message"
        reading.append(f"print({name}.model_validate_json(Path({str(path)!r}).read_text('utf-8')).type)")
    typical = next(
        path for event, path in samples(folder) if event == "CreateQuote" and path.stem == "typical"
    )
    reading += [
        f"quote = PrintIQMessage.model_validate_json(Path({str(typical)!r}).read_text('utf-8')).root",
        "assert isinstance(quote, CreateQuoteMessage) and quote.type == EventType.CreateQuote",
        "assert quote.data is not None and quote.data.QuoteNo == 'Q005218v2'",
        "from pydantic import ValidationError",
        "try:",
        "    PrintIQMessage.model_validate({'type': 'com.printiq.test'})",
        "except ValidationError as error:",
        "    assert error.error_count() == 1  # and not some for each type",
    ]
    for path in types.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "check.py").write_text("\n".join(reading), "utf-8")
    _succeeds("-m", "mypy", "--strict", "check.py", "printiq.py", "event_types.py", cwd=tmp_path)
    read_types = _succeeds("check.py", cwd=tmp_path).splitlines()
    assert set(read_types) == {event.message_type for event in EventType}


def _succeeds(*arguments: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_csharp_types_name_every_known_field_and_none_is_an_object(folder: Path) -> None:
    source = (folder / "types/csharp/PrintIQ.cs").read_text("utf-8")
    declared = dict(
        re.findall(r'\[JsonPropertyName\("(\w+)"\)\]\s+public ([\w<>?, \[\]]+?) \w+ \{ get; set; \}', source)
    )
    assert {name for name, kind in declared.items() if "object" in kind} == {"_unread", "Runs"}
    known = {field.alias or name for model in payload_types() for name, field in model.model_fields.items()}
    assert known <= set(declared)
    assert declared["INVInvoiceTotal"] == "string?"
    assert declared["INVID"] == "long?"
    assert declared["InvoiceDetails"] == "InvoiceDetail[]"


@pytest.mark.parametrize(
    ("language", "types"), [("ts", "typescript/printiq.ts"), ("cs", "csharp/PrintIQ.cs")]
)
def test_the_documentation_shows_the_types_as_they_are(folder: Path, language: str, types: str) -> None:
    page = (ROOT / "docs" / "consumers.md").read_text("utf-8")
    (shown,) = re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    comments = re.compile(r"^\s*(/\*\*|\*|///).*\n", re.MULTILINE)
    made = comments.sub("", (folder / "types" / types).read_text("utf-8"))
    assert "".join(shown.split()) in "".join(made.split())


CSHARP = """
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework><ImplicitUsings>enable</ImplicitUsings>
    <Nullable>enable</Nullable>
  </PropertyGroup>
</Project>
"""


def test_csharp_types_compile_and_read_every_sample_where_dotnet_is_at_hand(
    folder: Path, tmp_path: Path
) -> None:
    if (dotnet := shutil.which("dotnet")) is None:
        pytest.skip("there is no .NET SDK here: the C# types were made and looked at, not compiled")
    for path in (folder / "types/csharp").iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "Check.csproj").write_text(CSHARP)
    classes = _by_event(r"partial class (\w+)Message\b", tmp_path / "PrintIQ.cs")
    reading = [
        f"PrintIQ.{classes[event]}Message.FromJson(File.ReadAllText({json.dumps(str(path))}));"
        for event, path in samples(folder)
    ]
    (tmp_path / "Check.cs").write_text("\n".join(reading), "utf-8")
    done = subprocess.run([dotnet, "run"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
