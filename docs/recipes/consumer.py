"""Read events from a result queue: what every consumer has to get right, in one place.

Copy it beside your consumer. Needs `pip install azure-storage-queue azure-storage-blob`.
"""

import base64
import json
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobServiceClient
from azure.storage.queue import QueueClient

type Event = dict[str, Any]

# The storage of `python3 dev.py run`; in Azure, give the connection string of yours.
LOCAL = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6I"
    "FsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
)
# Nobody else is handed a message for so long; after that it comes again.
_LEASE_SECONDS = 300


def consume(queue: str, wanted: str, handle: Callable[[Event], None], remembered: Path, *, once: bool) -> int:
    """Hand each event of a type to `handle`, whole and once; return how many there were.

    `handle` may fail: the message then comes again. `remembered` keeps the ids that were handled. With `once`
    it ends when the queue is empty.
    """
    connection = os.environ.get("PRINTIQ_STORAGE", LOCAL)
    client = QueueClient.from_connection_string(connection, queue)
    seen = sqlite3.connect(remembered)
    seen.execute("CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY)")
    handled = 0
    while True:
        empty = True
        for message in _messages(client):
            empty = False
            event = json.loads(base64.b64decode(message.content))
            is_new = not seen.execute("SELECT 1 FROM seen WHERE id = ?", [event["id"]]).fetchone()
            # a repeat says what it repeats: that was, or will be, handled itself
            if event["type"] == f"com.printiq.{wanted}" and is_new and "duplicateof" not in event:
                handle({**event, "data": _data(event, connection)})
                seen.execute("INSERT INTO seen VALUES (?)", [event["id"]])
                seen.commit()
                handled += 1
            client.delete_message(message)
        if empty and once:
            return handled
        if empty:
            time.sleep(2)


def _messages(client: QueueClient) -> list[Any]:
    try:
        return list(client.receive_messages(max_messages=16, visibility_timeout=_LEASE_SECONDS))
    except ResourceNotFoundError:  # the app makes the queue with the first event
        return []


def _data(event: Event, connection: str) -> Any:  # noqa: ANN401 - JSON
    """Return the payload; a large one lies in a blob that `dataref` names."""
    if "data" in event:
        return event["data"]
    named = BlobClient.from_blob_url(event["dataref"])
    blob = BlobServiceClient.from_connection_string(connection).get_blob_client(
        named.container_name, named.blob_name
    )
    return json.loads(blob.download_blob().readall())
