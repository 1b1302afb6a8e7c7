"""Read events from a result queue: what every consumer has to get right, in one place.

Copy it beside your consumer. Needs `pip install azure-storage-queue azure-storage-blob azure-identity`.
"""

import argparse
import base64
import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from azure.core.exceptions import ResourceNotFoundError
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobClient, BlobServiceClient
from azure.storage.queue import QueueClient

type Event = dict[str, Any]

# The storage of `python3 dev.py run`.
LOCAL = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6I"
    "FsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
)
# Nobody else is handed a message for so long; after that it comes again.
_LEASE_SECONDS = 300
_log = logging.getLogger("printiq.consumer")


class Storage:
    """Reach the storage account: by a connection string, or by its name or queue URL and an identity."""

    def __init__(self, named: str) -> None:
        self._named = named
        self._by_string = "=" in named
        self._identity = None if self._by_string else DefaultAzureCredential()

    def queue(self, name: str) -> QueueClient:
        if self._by_string:
            return QueueClient.from_connection_string(self._named, name)
        is_url = self._named.startswith("https://")
        url = self._named if is_url else f"https://{self._named}.queue.core.windows.net"
        return QueueClient(url, name, credential=self._identity)

    def blob(self, url: str) -> bytes:
        blob = BlobClient.from_blob_url(url, credential=self._identity)
        if self._by_string:
            service = BlobServiceClient.from_connection_string(self._named)
            blob = service.get_blob_client(blob.container_name, blob.blob_name)
        return blob.download_blob().readall()


class Asked(NamedTuple):
    """Hold what a consumer that writes into a folder was asked to do."""

    folder: Path
    queue: str
    once: bool


def asked(about: str | None, folder: str) -> Asked:
    """Read the command line of such a consumer, and make its folder."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("folder", type=Path, help=folder)
    parser.add_argument("--queue", default="printiq-events")
    parser.add_argument("--once", action="store_true", help="end when the queue is empty")
    found = Asked(**vars(parser.parse_args()))
    found.folder.mkdir(parents=True, exist_ok=True)
    return found


def consume(queue: str, wanted: str, handle: Callable[[Event], None], remembered: Path, *, once: bool) -> int:
    """Hand each event of a type to `handle`, whole and once; return how many there were.

    `handle` may fail: that is logged, and the message comes again. `remembered` keeps the ids that were
    handled. With `once` it ends when the queue is empty.
    """
    storage = Storage(os.environ.get("PRINTIQ_STORAGE", LOCAL))
    client = storage.queue(queue)
    seen = sqlite3.connect(remembered)
    seen.execute("CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY)")
    handled = 0
    while True:
        messages = _messages(client)
        for message in messages:
            event = json.loads(base64.b64decode(message.content))
            is_new = not seen.execute("SELECT 1 FROM seen WHERE id = ?", [event["id"]]).fetchone()
            # a repeat says what it repeats: that was, or will be, handled itself
            if event["type"] == f"com.printiq.{wanted}" and is_new and "duplicateof" not in event:
                try:
                    handle({**event, "data": _data(event, storage)})
                except Exception:  # noqa: BLE001 - one that fails must not stop the others
                    _log.exception("%s failed; it comes again in %d s", event["id"], _LEASE_SECONDS)
                    continue
                seen.execute("INSERT INTO seen VALUES (?)", [event["id"]])
                seen.commit()
                handled += 1
            client.delete_message(message)
        if not messages and once:
            return handled
        if not messages:
            time.sleep(2)


def _messages(client: QueueClient) -> list[Any]:
    try:
        return list(client.receive_messages(max_messages=16, visibility_timeout=_LEASE_SECONDS))
    except ResourceNotFoundError:  # the app makes the queue with the first event
        return []


def _data(event: Event, storage: Storage) -> Any:
    """Return the payload; a large one lies in a blob that `dataref` names."""
    return event["data"] if "data" in event else json.loads(storage.blob(event["dataref"]))
