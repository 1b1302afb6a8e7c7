"""Whatever storage answers, however slowly, becomes a result or one of our errors in bounded time."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest
from aiohttp import web
from bench import Bench, Call, delivery, quote
from faulty import faulty_app

from handlers.errors import HandlerError, NotFound, StorageFault
from handlers.http import endpoints
from handlers.http.routing import respond
from handlers.ids import new_id
from handlers.ledger import query
from handlers.paths import raw_path
from handlers.pipeline.process import process
from handlers.stores import INBOX_QUEUE, BlobRef, ContainerName, Stores, TableName, faults
from handlers.work import Message, Work
from tools.host.azurite import Azurite

type Operation = Callable[[Stores], Awaitable[object]]

PAGE = b"<html><body>Sign in to the guest network</body></html>"
ANSWERS: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "412": (412, b"", {}),
    "404": (404, b"", {}),
    "409": (409, b"", {"x-ms-error-code": "AccountBeingCreated"}),
    "an empty 200": (200, b"", {}),
    "an empty 204": (204, b"", {}),
    "another's 200": (200, PAGE, {"Content-Type": "text/html"}),
    "JSON of another's": (200, b'{"ok": true}', {"Content-Type": "application/json"}),
    "XML of another's": (200, b"<ok/>", {"Content-Type": "application/xml"}),
}


async def listed(stores: Stores) -> list[object]:
    return [each async for each in stores.blobs.list(ContainerName.ARCHIVE)]


async def rows(stores: Stores) -> list[object]:
    return [each async for each in stores.tables.query(TableName.RECORDS, "PartitionKey eq 'p'")]


async def received(stores: Stores) -> object:
    return await anext(stores.queues.receive(INBOX_QUEUE), None)


async def streamed(stores: Stores) -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b"x"

    await stores.blobs.put_stream(ContainerName.ARCHIVE, "a", content(), "text/plain")


async def held(stores: Stores) -> None:
    async with stores.blobs.hold(ContainerName.FTP, "a") as blob:
        await blob.write(await blob.read())


ROW = {"PartitionKey": "p", "RowKey": "r"}
OPERATIONS: dict[str, Operation] = {
    "put a row": lambda stores: stores.tables.put(TableName.RECORDS, ROW),
    "insert a row": lambda stores: stores.tables.insert(TableName.RECORDS, ROW),
    "replace a row": lambda stores: stores.tables.replace(TableName.RECORDS, ROW, etag="x"),
    "get a row": lambda stores: stores.tables.get(TableName.RECORDS, "p", "r"),
    "delete a row": lambda stores: stores.tables.delete(TableName.RECORDS, "p", "r"),
    "put rows": lambda stores: stores.tables.put_all(TableName.RECORDS, "p", {"r": {"text": "x"}}),
    "delete rows": lambda stores: stores.tables.delete_all(TableName.RECORDS, "p", ["r"]),
    "query rows": rows,
    "send": lambda stores: stores.queues.send(INBOX_QUEUE, b"x"),
    "receive": received,
    "depth": lambda stores: stores.queues.depth(INBOX_QUEUE),
    "oldest": lambda stores: stores.queues.oldest(INBOX_QUEUE),
    "put a blob": lambda stores: stores.blobs.put(ContainerName.ARCHIVE, "a", b"x", "text/plain"),
    "stream a blob": streamed,
    "get a blob": lambda stores: stores.blobs.get(ContainerName.ARCHIVE, "a"),
    "open a blob": lambda stores: stores.blobs.open(ContainerName.ARCHIVE, "a"),
    "find a blob": lambda stores: stores.blobs.find(ContainerName.ARCHIVE, "a"),
    "delete a blob": lambda stores: stores.blobs.delete(ContainerName.ARCHIVE, "a"),
    "list blobs": listed,
    "hold a blob": held,
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_an_answer_that_storage_would_not_give_is_a_result_or_an_error_of_ours(
    storage: str, azurite: Azurite, answer: str
) -> None:
    status, body, headers = ANSWERS[answer]
    async with faulty_app(storage, azurite) as (proxy, app):
        proxy.fault = lambda _: web.Response(status=status, body=body, headers=headers)
        for operation in OPERATIONS.values():
            with contextlib.suppress(HandlerError):
                await operation(app.stores)


@pytest.mark.parametrize("answer", ["an empty 200", "another's 200", "JSON of another's"])
async def test_the_api_answers_503_and_logs_why(
    storage: str, azurite: Azurite, answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    status, body, headers = ANSWERS[answer]
    async with faulty_app(storage, azurite) as (proxy, app):
        proxy.fault = lambda _: web.Response(status=status, body=body, headers=headers)
        with caplog.at_level(logging.ERROR):
            response = await respond(endpoints.delivery(new_id(delivery(b"").received_at), {}, app))
    assert response.status == 503
    assert b"deliveries" not in response.body, "the names of tables are nobody's business"
    assert "could not read table deliveries" in caplog.text


async def test_every_call_is_bounded_however_slowly_storage_answers(
    storage: str, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then keeps a connection alive for as long as it likes."""

    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    monkeypatch.setattr(faults, "CALL_SECONDS", 0.5)
    async with faulty_app(storage, azurite) as (proxy, app):
        proxy.fault = lambda _: web.Response(body=drip())
        for operation in OPERATIONS.values():
            with contextlib.suppress(HandlerError):
                await asyncio.wait_for(operation(app.stores), 20)


# what is written once stays


async def test_a_blob_that_exists_stays_as_it_is(bench: Bench) -> None:
    blobs = bench.app.stores.blobs
    for body in (b"first", b"second", b"x" * 5_000_000):
        await blobs.put(ContainerName.ARCHIVE, "a", body, "text/plain")
    assert await blobs.get(ContainerName.ARCHIVE, "a") == b"first"


@pytest.mark.parametrize("size", [10, 5_000_000], ids=["in one request", "in blocks"])
async def test_what_is_archived_under_a_lease_counts_as_written(bench: Bench, size: int) -> None:
    sent = delivery(quote("Q1", Noise="x" * size))
    work = Work.of(sent)
    message = Message("m", sent.received_at, work.encode().decode())
    await process(message, bench.app)
    raw = BlobRef.read(str((await bench.row(sent.id))["raw"]))
    client = bench.app.stores.blobs._service.get_blob_client(*raw)
    lease = await client.acquire_lease(15)
    await process(message, bench.app)
    await lease.release()
    assert (await bench.row(sent.id))["status"] == "sent"
    assert await bench.depth(INBOX_QUEUE) == 0


async def test_what_is_archived_under_an_immutability_policy_counts_as_written(
    storage: str, azurite: Azurite
) -> None:
    """Azurite knows no policies: the refusal is Azure's, as its documentation has it."""

    def immutable(request: web.Request) -> web.Response | None:
        if request.method == "PUT" and "/archive/" in request.path:
            return web.Response(status=409, headers={"x-ms-error-code": "BlobImmutableDueToPolicy"})
        return None

    async with faulty_app(storage, azurite) as (proxy, app):
        sent = delivery(quote("Q1"))
        message = Message("m", sent.received_at, Work.of(sent).encode().decode())
        proxy.fault = immutable
        place = BlobRef(ContainerName.ARCHIVE, raw_path("CreateQuote", sent.id, "json"))
        with pytest.raises(StorageFault):  # refused, and not there: it was never written
            await app.stores.blobs.put(*place, sent.body, "application/json")
        proxy.fault = None
        await process(message, app)
        proxy.fault = immutable
        await process(message, app)
        assert (await query.find(app.stores.tables, sent.id)).status == "sent"


# names


@pytest.mark.parametrize("name", ["../azure-webjobs-secrets/host.json", "a/./b", "..", "a/../../b"])
async def test_a_name_with_dot_segments_addresses_nothing(bench: Bench, calls: list[Call], name: str) -> None:
    blobs = bench.app.stores.blobs
    for operation in (blobs.get, blobs.open, blobs.find):
        with pytest.raises(NotFound):
            await operation(ContainerName.ARCHIVE, name)
    assert not await blobs.delete(ContainerName.ARCHIVE, name)
    with pytest.raises(StorageFault):
        await blobs.put(ContainerName.ARCHIVE, name, b"x", "text/plain")
    assert [call for call in calls if call.method != "PUT" or "restype" not in call.query] == []


@pytest.mark.parametrize(
    "place",
    [
        "archive/../azure-webjobs-secrets/host.json",
        "azure-webjobs-secrets/host.json",
        "hot-folder/CreateQuote/a.json",
        "archive/CreateQuote/2026/11/27/../../../../x/01a21be1-cffa-7021-8404-c3388e74bf75.json",
        "archive/CreateQuote/2026/11/26/01a21be1-cffa-7021-8404-c3388e74bf75.json",
        "archive/CreateTelegram/2026/11/27/01a21be1-cffa-7021-8404-c3388e74bf75.json",
        "archive/CreateQuote/2026/11/27/01a21be1-cffa-7021-8404-c3388e74bf75.exe",
    ],
)
async def test_a_reference_accepts_only_names_of_our_own_making(bench: Bench, place: str) -> None:
    with pytest.raises(ValueError, match=r"not|names|no"):
        BlobRef.read(place)
    forged = {
        "id": new_id(datetime.now(UTC)),
        "event": "CreateQuote",
        "channel": "webhook",
        "received_at": datetime.now(UTC).isoformat(),
        "size": 10,
        "blob": place.split("/", 1),
    }
    text = "printiq/1\n" + json.dumps(forged)
    await process(Message("m", datetime.now(UTC), text), bench.app)
    assert await bench.sent() == []
    (row,) = [row for row in await bench.rows("deliveries") if row["PartitionKey"] != "open"]
    assert (row["status"], row["event"]) == ("quarantined", "_unknown")
    assert await bench.blob(row["raw"]) == text.encode()


async def test_a_reference_reads_what_it_writes() -> None:
    ours = BlobRef(ContainerName.QUARANTINE, raw_path("CreateQuote", new_id(datetime.now(UTC)), "bin"))
    assert BlobRef.read(str(ours)) == ours


async def test_a_fault_from_a_response_that_is_not_storages_says_where_in_the_code() -> None:
    with pytest.raises(StorageFault, match=r"\(KeyError at test_answers\.py:\d+\)"):
        async with faults.storage_call("read table records"):
            json.loads("{}")["value"]
