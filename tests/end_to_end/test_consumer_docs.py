"""The consumers that the documentation prints compile, and those in Python and TypeScript do what it says."""

import base64
import json
import os
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import azure.functions as func
import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient, QueueServiceClient

from tools import node

ROOT = Path(__file__).parents[2]
PINS = ROOT / "tests" / "consumers"
EVENT = {"id": "1", "type": "com.printiq.CreateQuote", "subject": "Q1", "sequence": "1"}
MESSAGES = [
    {**EVENT, "delivery": "1", "data": {"QuoteNo": "Q1"}},
    {**EVENT, "delivery": "1", "data": {"QuoteNo": "Q1"}},
    {**EVENT, "delivery": "2", "duplicateof": "1", "data": {"QuoteNo": "Q1"}},
    {**EVENT, "delivery": "3", "replayof": "1", "dataref": "https://elsewhere.example/archive/a/1%20b.json"},
]
HANDLED = [("Q1", {"QuoteNo": "Q1"}), ("Q1", {"QuoteNo": "far away"})]


def snippets(language: str) -> list[str]:
    text = (ROOT / "docs" / "consumers.md").read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def with_messages(storage: str) -> str:
    archive = BlobServiceClient.from_connection_string(storage).create_container("archive")
    archive.upload_blob("a/1 b.json", json.dumps(HANDLED[1][1]))
    queue = QueueServiceClient.from_connection_string(storage).create_queue("printiq-events")
    for message in MESSAGES:
        queue.send_message(base64.b64encode(json.dumps(message).encode()).decode())
    return storage


class Own:
    """What the documentation leaves to the reader, in Python."""

    def __init__(self, storage: str) -> None:
        self.handled: list[tuple[str, Any]] = []
        self._known: set[str] = set()
        self.names: dict[str, Any] = {
            "QueueClient": QueueClient,
            "account": BlobServiceClient.from_connection_string(storage),
            "app": func.FunctionApp(),
            "base64": base64,
            "func": func,
            "json": json,
            "os": os,
            "unquote": unquote,
            "urlsplit": urlsplit,
            "is_handled": self._known.__contains__,
            "remember": self._known.add,
            "handle": lambda _type, subject, _sequence, data: self.handled.append((subject, data)),
        }


def test_the_python_program_handles_each_delivery_once(
    with_messages: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, _, blob = snippets("python")
    own = Own(with_messages)
    monkeypatch.setenv("PRINTIQ_STORAGE", with_messages)
    exec(blob, own.names)
    exec(program, own.names)
    assert own.handled == HANDLED
    assert QueueClient.from_connection_string(with_messages, "printiq-events").peek_messages() == []


def test_a_table_holds_the_latest_state_in_whatever_order_messages_come() -> None:
    (upsert,) = snippets("sql")
    old, new = (
        {"subject": "INV-1", "total": total, "sequence": at} for total, at in (("1", "a"), ("2", "b"))
    )
    for messages in ([old, new, new], [new, old], [new, {**new, "total": "wrong"}, new, old]):
        database = sqlite3.connect(":memory:")
        database.execute("CREATE TABLE invoices (number TEXT PRIMARY KEY, total TEXT, sequence TEXT)")
        for message in messages:
            database.execute(upsert, message)
        assert database.execute("SELECT * FROM invoices").fetchall() == [("INV-1", "2", "b")]


def test_the_python_function_handles_each_delivery_once(with_messages: str) -> None:
    _, function, blob = snippets("python")
    own = Own(with_messages)
    exec(blob, own.names)
    exec(function, own.names)
    on_event = own.names["on_event"].build().get_user_function()
    for message in MESSAGES:
        on_event(func.QueueMessage(body=json.dumps(message).encode()))
    assert own.handled == HANDLED


TYPESCRIPT_HEAD = """
import { app } from "@azure/functions";
import { BlobServiceClient } from "@azure/storage-blob";
import { QueueServiceClient } from "@azure/storage-queue";
interface Message {
  type: string; subject?: string; sequence: string; delivery: string;
  duplicateof?: string; data?: unknown; dataref?: string;
}
const account = BlobServiceClient.fromConnectionString(process.env["PRINTIQ_STORAGE"]!);
const known = new Set<string>();
const isHandled = async (delivery: string) => known.has(delivery);
const remember = async (delivery: string) => void known.add(delivery);
const handle = async (_type: string, subject: string | undefined, _sequence: string, data: unknown) =>
  console.log(JSON.stringify([subject, data]));
"""
TYPESCRIPT_OPTIONS = {
    "strict": True,
    "noUncheckedIndexedAccess": True,
    "noEmit": True,
    "target": "es2023",
    "module": "nodenext",
    "skipLibCheck": True,
    "types": ["node"],
}


def test_the_typescript_is_strictly_typed_and_its_program_handles_each_delivery_once(
    with_messages: str, tmp_path: Path
) -> None:
    program, function, blob = snippets("typescript")
    installed = node.packages(PINS)
    (tmp_path / "node_modules").symlink_to(installed / "node_modules", target_is_directory=True)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": TYPESCRIPT_OPTIONS}))
    (tmp_path / "program.ts").write_text(TYPESCRIPT_HEAD + program + blob, "utf-8")
    (tmp_path / "function.ts").write_text(TYPESCRIPT_HEAD + function + blob, "utf-8")
    node.npm("exec", "--no", "--", "tsc", cwd=tmp_path)
    said = node.run(Path("program.ts"), cwd=tmp_path, env={**os.environ, "PRINTIQ_STORAGE": with_messages})
    found = [json.loads(line) for line in said.splitlines()]
    assert found == [list(each) for each in HANDLED]


CSHARP_HEAD = """
using Azure.Identity; using Azure.Messaging; using Azure.Storage.Blobs; using Azure.Storage.Queues;
using Microsoft.Azure.Functions.Worker;
class Snippets(BlobServiceClient account)
{
    Task<bool> IsHandled(string delivery) => Task.FromResult(false);
    Task Remember(string delivery) => Task.CompletedTask;
    Task Handle(string type, string? subject, string sequence, BinaryData data) => Task.CompletedTask;
"""
CSHARP_PROJECT = """
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <TargetFramework>net10.0</TargetFramework><Nullable>enable</Nullable><ImplicitUsings>enable</ImplicitUsings>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="Azure.Identity" Version="1.*" />
    <PackageReference Include="Azure.Storage.Blobs" Version="12.*" />
    <PackageReference Include="Azure.Storage.Queues" Version="12.*" />
    <PackageReference Include="Microsoft.Azure.Functions.Worker" Version="2.*" />
    <PackageReference Include="Microsoft.Azure.Functions.Worker.Extensions.Storage.Queues" Version="5.*" />
  </ItemGroup>
</Project>
"""


def test_the_csharp_compiles_where_dotnet_is_at_hand(tmp_path: Path) -> None:
    program, function, blob = snippets("csharp")
    if (dotnet := shutil.which("dotnet")) is None:
        pytest.skip("there is no .NET SDK here: the documentation's C# was not compiled")
    (tmp_path / "Snippets.csproj").write_text(CSHARP_PROJECT)
    body = f"{CSHARP_HEAD}async Task Program() {{ {program} }}\n{function}\n{blob}}}"
    (tmp_path / "Snippets.cs").write_text(body, "utf-8")
    done = subprocess.run([dotnet, "build", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
