"""Our own requests to storage: signed as they are sent, sent again after a lost answer, bounded in time."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import trustme
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import AioHttpTransport
from bench import Bench
from faulty import answering, faulty_app
from hypothesis import given
from hypothesis import strategies as st

from handlers.errors import StorageFault
from handlers.settings import Connection
from handlers.stores import Account, ContainerName, Int64, TableName
from handlers.stores.tables import _decode, _encode
from handlers.stores.wire import Wire
from tools.host.azurite import ACCOUNT, Azurite, connection_string, install
from tools.host.testing import free_port

ROOT = Path(__file__).parents[3]
ODD_NAMES = [
    "CreateQuote/2026/11/27/plain.json",
    "with blanks and 'quotes' (and) !marks*",
    "percent %2F %25 %zz",
    "plus+equals=ampersand&semicolon;comma,colon:at@dollar$",
    "Größe 7½ 文字 🖨️.xml",
    "tilde~under_score-dash.dot",
    "brackets[]{}|^`<>",
    "question?hash#",
]


async def test_a_name_of_any_characters_is_signed_as_it_is_sent(bench: Bench) -> None:
    blobs = bench.app.stores.blobs
    for number, name in enumerate(ODD_NAMES):
        body = f"{number}".encode()
        await blobs.put(ContainerName.ARCHIVE, name, body, "text/plain; charset=utf-8")
        assert await blobs.get(ContainerName.ARCHIVE, name) == body
    assert sorted([blob.name async for blob in blobs.list(ContainerName.ARCHIVE)]) == sorted(ODD_NAMES)


async def test_the_sdk_reads_what_was_sent(bench: Bench) -> None:
    stores = bench.app.stores
    text = 'lines\nand <markup> & "quotes" 🖨️'
    await stores.queues.send("printiq-events", text.encode(), encoding="none")
    await stores.queues.send("printiq-base64", text.encode(), encoding="base64")
    (plain,) = [received async for batch in stores.queues.receive("printiq-events") for received in batch]
    (coded,) = [received async for batch in stores.queues.receive("printiq-base64") for received in batch]
    assert plain.text == text
    assert base64.b64decode(coded.text).decode() == text


async def test_a_row_holds_whole_numbers_of_64_bits(bench: Bench) -> None:
    row: dict[str, str | int | bool | float] = {
        "PartitionKey": "p",
        "RowKey": "r",
        "size": Int64(2**31),
        "small": -1,
        "flag": True,
        "rate": 0.5,
    }
    tables = bench.app.stores.tables
    await tables.insert(TableName.RECORDS, row)
    found = await tables.get(TableName.RECORDS, "p", "r")
    assert {name: found[name] for name in row} == row


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}", fullmatch=True),
        st.text(st.characters(exclude_categories=["Cs"]))
        | st.integers(-(2**31), 2**31 - 1)
        | st.integers(-(2**63), 2**63 - 1).map(Int64)
        | st.booleans()
        | st.floats(allow_nan=False, allow_infinity=False),
    )
)
def test_a_row_is_read_as_it_was_written(row: dict[str, Any]) -> None:
    assert _decode(json.loads(_encode(row)), "etag") == row


async def test_a_write_whose_answer_was_lost_is_sent_again(storage: str, azurite: Azurite) -> None:
    async with faulty_app(storage, azurite) as (proxy, app):
        row = {"PartitionKey": "p", "RowKey": "r", "text": "once"}
        await app.stores.tables.put(TableName.RECORDS, row)
        seen = proxy.seen
        proxy.cut = True
        with pytest.raises(StorageFault):
            await app.stores.tables.put(TableName.RECORDS, {**row, "text": "twice"})
        assert proxy.seen == seen + 2 * 3  # aiohttp sends an idempotent request again itself
        proxy.cut = False
        assert (await app.stores.tables.get(TableName.RECORDS, "p", "r"))["text"] == "twice"


async def test_a_long_retry_after_holds_nobody_up(storage: str, azurite: Azurite) -> None:
    async with faulty_app(storage, azurite) as (proxy, app):
        proxy.fault = answering(503, "ServerBusy", retry_after=3600)
        with pytest.raises(StorageFault, match="503 ServerBusy"):
            await app.stores.queues.send("printiq-events", b"{}")
        assert proxy.seen == 3


class SignedIn:
    """A token as Azurite wants it: Microsoft's issuer and audience, any signature."""

    async def get_token(self, *_: str, **__: object) -> AccessToken:
        now = int(time.time())
        claims = {
            "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/",
            "aud": "https://storage.azure.com",
            "iat": now,
            "nbf": now - 60,
            "exp": now + 3600,
        }
        parts = [{"alg": "HS256", "typ": "JWT"}, claims]
        text = ".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
        )
        return AccessToken(f"{text}.c2lnbmF0dXJl", now + 3600)

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


@pytest.fixture
def https_azurite(tmp_path: Path) -> Iterator[tuple[Azurite, Path]]:
    """Yield an Azurite that takes tokens over https, and the certificate authority to trust."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    paths = {name: tmp_path / f"{name}.pem" for name in ("key", "cert", "ca")}
    certificate.private_key_pem.write_to_path(paths["key"])
    certificate.cert_chain_pems[0].write_to_path(paths["cert"])
    authority.cert_pem.write_to_path(paths["ca"])
    options = ("--oauth=basic", f"--cert={paths['cert']}", f"--key={paths['key']}")
    program = install(ROOT / ".local" / "azurite", print)
    with Azurite(program, free_port(3), tmp_path / "data", options=options) as running:
        yield running, paths["ca"]


async def test_an_identitys_token_opens_every_service(https_azurite: tuple[Azurite, Path]) -> None:
    azurite, authority = https_azurite
    blob, queue, table = (f"https://127.0.0.1:{azurite.port + offset}/{ACCOUNT}" for offset in range(3))
    connection = Connection("", blob, queue, table, "")
    transport = AioHttpTransport(connection_verify=str(authority))
    wires = {
        name: Wire.to_storage(name, connection, SignedIn(), transport) for name in ("blob", "queue", "table")
    }
    json_only = {"Accept": "application/json", "Content-Type": "application/json"}
    created = [
        await wires["blob"].call("PUT", "/archive?restype=container", headers={}),
        await wires["queue"].call("PUT", "/printiq-events", headers={}),
        await wires["table"].call("POST", "/Tables", headers=json_only, body=b'{"TableName": "records"}'),
    ]
    assert [response.status_code for response in created] == [201, 201, 201]
    await transport.close()


def test_a_connection_string_is_read_in_each_of_its_forms() -> None:
    def address(text: str) -> str:
        return Account(Connection(text, "", "", "", "")).wire("queue").address

    assert address("UseDevelopmentStorage=true") == "http://127.0.0.1:10001/devstoreaccount1"
    assert address(connection_string(20000)) == f"http://127.0.0.1:20001/{ACCOUNT}"
    assert (
        address(
            "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=a2V5;EndpointSuffix=core.windows.net"
        )
        == "https://shop.queue.core.windows.net"
    )
    assert (
        address("QueueEndpoint=https://shop.queue.core.windows.net/;SharedAccessSignature=sv=2024&sig=abc%3D")
        == "https://shop.queue.core.windows.net"
    )
