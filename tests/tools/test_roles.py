"""The roles that docs/operate.md lists for the commands that work on the storage itself."""

import re
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from bench import Bench, Call, delivery, quote
from rich.console import Console

from handlers.ids import new_id
from handlers.operations.erasure import Person
from handlers.paths import content_type, raw_path
from handlers.pipeline.receive import receive
from handlers.stores import ContainerName, TableName
from tools.commands import erase, verify

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[2] / "docs" / "operate.md"
QUIET = Console(file=StringIO())


def listed(*commands: str) -> set[str]:
    """Return the roles in the page's rows of these commands."""
    rows = re.findall(r"^\| `(\w+(?: --\w+)?)`[^|]*\|(.+)\|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return {role for command in commands for role in re.findall(r"\*(Storage [\w ]+)\*", dict(rows)[command])}


def needed(calls: list[Call]) -> set[str]:
    """Return the roles that allow these calls, without those that another of them includes."""
    roles = {_role(call.method, re.split(r"[/(]", call.path)[0]) for call in calls}
    return roles - {role.replace("Contributor", "Reader") for role in roles if role.endswith("Contributor")}


def _role(method: str, name: str) -> str:
    reads = method in {"GET", "HEAD"}
    if name in {*TableName, "Tables", "$batch"}:
        return f"Storage Table Data {'Reader' if reads else 'Contributor'}"
    if name in set(ContainerName):
        return f"Storage Blob Data {'Reader' if reads else 'Contributor'}"
    return f"Storage Queue Data {'Reader' if reads else 'Message Sender'}"


async def arrived(bench: Bench) -> None:
    await receive(delivery(quote("Q1", Name="Aroha")), bench.app)
    await bench.work_off()
    await bench.app.drift.close()  # it stores in the background


@pytest.mark.parametrize(("command", "really"), [("erase", False), ("erase --yes", True)])
async def test_erase_needs_the_roles_that_are_listed(
    bench: Bench, calls: list[Call], command: str, *, really: bool
) -> None:
    await arrived(bench)
    calls.clear()
    person = Person(text="aroha")
    found, _ = await erase._erase(bench.app, person=person, reason="asked", console=QUIET, really=really)
    assert len(found) == 1
    assert needed(calls) == listed(command)


async def test_verify_needs_the_roles_that_are_listed(bench: Bench, calls: list[Call]) -> None:
    await arrived(bench)
    calls.clear()
    assert (await verify._verify(bench.app, None, QUIET, repair=False)).balanced
    assert needed(calls) == listed("verify")


async def test_a_repair_needs_the_roles_that_are_listed_too(bench: Bench, calls: list[Call]) -> None:
    await arrived(bench)
    unknown = raw_path("CreateQuote", new_id(datetime.now(UTC)), "json")
    stores = bench.app.stores
    await stores.blobs.put(ContainerName.ARCHIVE, unknown, quote("Q2"), content_type(unknown))
    await stores.tables.delete(TableName.SEARCH, "quote", "q1  Q1")
    calls.clear()
    assert len((await verify._verify(bench.app, None, QUIET, repair=True)).findings) == 2
    assert needed(calls) == listed("verify", "verify --repair") - {"Storage Table Data Reader"}
