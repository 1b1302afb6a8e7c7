"""Responses of storage that Azurite never gives are faults that heal."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import pytest
from bench import Bench, delivery, quote

from handlers.errors import NoCustody, StorageFault
from handlers.pipeline.receive import receive
from handlers.stores import ContainerName, TableName

KINDS = {"printiq-events": "Queue", "printiq-inbox": "Queue", "archive": "Container"}


class BeingDeleted(BaseHTTPRequestHandler):
    """Storage that answers as Azure does for half a minute after something was deleted.

    A write finds nothing there (404), and it cannot be made anew (409, with the codes that Microsoft lists
    under "Queue service error codes" and its neighbours).
    """

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        _, name, *inside = urlsplit(self.path).path.strip("/").split("/")
        is_made = name == "Tables" or (self.command == "PUT" and not inside)
        self.send_response(409 if is_made else 404)
        self.send_header(
            "x-ms-error-code", f"{KINDS.get(name, 'Table')}{'BeingDeleted' if is_made else 'NotFound'}"
        )
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_PUT = do_POST = do_PATCH = do_GET = _answer  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def being_deleted() -> Iterator[str]:
    """Yield the connection string of an account in which everything has just been deleted."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BeingDeleted) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/account"
        endpoints = "".join(f"{service}Endpoint={url};" for service in ("Blob", "Queue", "Table"))
        yield f"DefaultEndpointsProtocol=http;AccountName=account;AccountKey=dGVzdA==;{endpoints}"
        server.shutdown()


async def test_what_is_being_deleted_is_a_fault_for_every_write(bench: Bench, being_deleted: str) -> None:
    stores = bench.start(being_deleted).stores
    row = {"PartitionKey": "a", "RowKey": "b"}
    for write in (
        stores.queues.send("printiq-events", b"{}"),
        stores.blobs.put(ContainerName.ARCHIVE, "a/b.json", b"{}", "application/json"),
        stores.tables.put(TableName.RECORDS, row),
        stores.tables.insert(TableName.RECORDS, row),
    ):
        with pytest.raises(StorageFault):
            await write


async def test_an_inbox_that_is_being_deleted_takes_no_custody(bench: Bench, being_deleted: str) -> None:
    with pytest.raises(NoCustody):
        await receive(delivery(quote("Q1")), bench.start(being_deleted))
