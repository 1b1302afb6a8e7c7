"""Sends events to a running app by webhook or hot folder, and reads the outcome as a consumer would."""

import base64
import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import httpx
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient
from bench import plain_row

from events import Channel
from handlers.ids import newest_first
from handlers.ledger.rows import day
from tools.host.testing import HostProcess, wait_until

type Json = dict[str, Any]

CORPUS = Path(__file__).parent / "corpus"
RESULTS = "printiq-events"


def sample(event: str, variant: str = "typical") -> bytes:
    """Return a sample of the corpus; without an extension, JSON where there are twins."""
    pattern = variant if "." in variant else f"{variant}.[jx]*[ln]"
    found = [path for path in (CORPUS / event).glob(pattern) if not path.name.endswith(".expected.json")]
    return min(found).read_bytes()


def marked(body: bytes, mark: str) -> bytes:
    """Return the same document with one more field, so that it is no duplicate of the sample."""
    if body.lstrip().startswith(b"{"):
        head, brace, rest = body.partition(b"{")
        return head + brace + f'"SentAs": {json.dumps(mark)}, '.encode() + rest
    rest, slash, end = body.rpartition(b"</")
    return rest + f"<SentAs>{mark}</SentAs>".encode() + slash + end


class Receiver:
    """A running app and its storage."""

    def __init__(self, host: HostProcess, storage: str) -> None:
        self.host = host
        self.storage = storage
        self.blobs = BlobServiceClient.from_connection_string(storage)
        self.queues = QueueServiceClient.from_connection_string(storage)
        self.tables = TableServiceClient.from_connection_string(storage)
        self._taken: dict[str, list[Json]] = {}

    def post(
        self, event: str, body: bytes | Iterator[bytes], headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        return httpx.post(
            f"{self.host.url}/api/webhooks/{event}", content=body, headers=dict(headers or {}), timeout=60
        )

    def accepted(self, event: str, body: bytes, headers: Mapping[str, str] | None = None) -> str:
        """Post an event, assert that it is accepted, and return the delivery's id."""
        response = self.post(event, body, headers)
        assert response.status_code == 202, response.text
        return str(response.json()["id"])

    def drop(self, name: str, body: bytes) -> None:
        """Upload a file into the hot folder."""
        with contextlib.suppress(ResourceExistsError):
            self.blobs.create_container("hot-folder")
        self.blobs.get_blob_client("hot-folder", name).upload_blob(body)

    def drops(self) -> list[str]:
        """Return the names of the files in the hot folder."""
        try:
            return [blob.name for blob in self.blobs.get_container_client("hot-folder").list_blobs()]
        except ResourceNotFoundError:
            return []

    def rows(self, table: str, **columns: str) -> list[Json]:
        """Return the rows of a table in which these columns have these values."""
        condition = " and ".join(f"{name} eq @{name}" for name in columns)
        client = self.tables.get_table_client(table)
        try:
            return [plain_row(row) for row in client.query_entities(condition, parameters=columns)]
        except ResourceNotFoundError:
            return []

    def written(self, table: str, **columns: str) -> list[Json]:
        """Wait for rows in which these columns have these values.

        The tables are written at the same time: the ledger may have a delivery before the others do.
        """
        return wait_until(lambda: self.rows(table, **columns))

    def row(self, delivery_id: str, *statuses: str) -> Json:
        """Wait until the ledger gives a delivery one of these statuses (default: sent); return its row."""
        wanted = statuses or ("sent",)
        client = self.tables.get_table_client("deliveries")

        def found() -> Json | None:
            try:
                row = client.get_entity(day(delivery_id), newest_first(delivery_id))
            except ResourceNotFoundError:
                return None
            return plain_row(row) if row["status"] in wanted else None

        row = wait_until(found)
        assert row is not None
        return row

    def row_of_drop(self, mark: str, *statuses: str) -> Json:
        """Wait for the ledger's row of a file from the hot folder whose bytes hold this mark."""
        wanted = statuses or ("sent",)
        refused: set[str] = set()

        def found() -> Json | None:
            for row in self.rows("deliveries", channel=Channel.HOT_FOLDER):
                if row["status"] in wanted and row["id"] not in refused:
                    if mark.encode() in self.blob(row["raw"]):
                        return row
                    refused.add(row["id"])
            return None

        row = wait_until(found)
        assert row is not None
        return row

    def blob(self, place: str) -> bytes:
        """Read a blob by `container/name`."""
        container, _, name = place.partition("/")
        return self.blobs.get_blob_client(container, name).download_blob().readall()

    def referred(self, event: Json) -> Any:
        """Follow a message's `dataref`, which this account's key opens, to its data."""
        prefix = f"{self.blobs.url.rstrip('/')}/"
        assert event["dataref"].startswith(prefix)
        assert "data" not in event
        return json.loads(self.blob(event["dataref"].removeprefix(prefix)))

    def taken(self, queue: str = RESULTS, *, encoding: str = "base64") -> list[Json]:
        """Take what waits in a result queue; return everything ever taken from it, in that order."""
        taken = self._taken.setdefault(queue, [])
        client = self.queues.get_queue_client(queue)
        try:
            for message in client.receive_messages(messages_per_page=32):
                text = message.content
                taken.append(json.loads(base64.b64decode(text) if encoding == "base64" else text))
                client.delete_message(message)
        except ResourceNotFoundError:
            pass  # nothing was ever sent to it
        return taken

    def messages(self, event_id: str, queue: str = RESULTS, *, encoding: str = "base64") -> list[Json]:
        """Wait for CloudEvents of this id, and return all that arrived so far."""
        return wait_until(
            lambda: [event for event in self.taken(queue, encoding=encoding) if event["id"] == event_id]
        )


class StartReceiver(Protocol):
    """Starts this app with settings, and with options of the local host, on a storage account of its own."""

    def __call__(self, settings: Mapping[str, str], *arguments: str) -> Receiver: ...
