"""Read events from a result queue: what every consumer has to get right, in one place.

- A message whose `delivery` was handled is skipped. A replay has a new `delivery`, so it is handled.
- A queue has no order: an event older than the latest handled one of its subject changes nothing.
- A message that can never be handled goes to the poison queue at once, with the reason in the log; one that
  fails, after five tries. Neither holds up the others.
- A message is deleted after the work is done. A crash in between repeats the work, so make it an upsert by
  subject.

Copy it beside your consumer. Needs `pip install azure-storage-queue azure-storage-blob azure-identity`.
"""

import argparse
import base64
import contextlib
import json
import logging
import os
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from azure.core.exceptions import ResourceNotFoundError
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient, QueueMessage, QueueServiceClient

type Event = dict[str, Any]

# The storage of `python3 dev.py run`.
LOCAL = "UseDevelopmentStorage=true"
# A message that was received is invisible for this long.
_LEASE_SECONDS = 300
_MAX_TRIES = 5
_log = logging.getLogger("printiq.consumer")


class SetAsideError(Exception):
    """The reason why a message can never be handled."""


class Storage:
    """The storage account: by its name and an identity, or by a connection string."""

    def __init__(self, account: str) -> None:
        if "=" not in account:
            blobs, queues = (f"https://{account}.{service}.core.windows.net" for service in ("blob", "queue"))
            account = f"BlobEndpoint={blobs};QueueEndpoint={queues}"
        holds_secret = re.search("AccountKey=|SharedAccessSignature=|UseDevelopmentStorage=", account)
        identity = None if holds_secret else DefaultAzureCredential()
        self._blobs = BlobServiceClient.from_connection_string(account, identity)
        self._queues = QueueServiceClient.from_connection_string(account, identity)

    def queue(self, name: str) -> QueueClient:
        return self._queues.get_queue_client(name)

    def blob(self, address: str) -> bytes:
        """Read the blob with the address's name from this account's archive.

        A message can name any host; our token goes to none of them.
        """
        name = unquote(urlsplit(address).path).partition("/archive/")[2]
        return self._blobs.get_blob_client("archive", name).download_blob().readall()


class State:
    """What was handled, in a database: the deliveries, and the latest event of each subject."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path)
        self._database.executescript(
            "CREATE TABLE IF NOT EXISTS handled (delivery TEXT PRIMARY KEY);"
            "CREATE TABLE IF NOT EXISTS latest (subject TEXT PRIMARY KEY, sequence TEXT NOT NULL);"
        )

    def is_handled(self, event: Event) -> bool:
        return self._has("SELECT 1 FROM handled WHERE delivery = ?", event["delivery"])

    def is_outdated(self, event: Event) -> bool:
        # a replay has the sequence of what it replays
        query = "SELECT 1 FROM latest WHERE subject = ? AND sequence > ?"
        return self._has(query, key(event), event["sequence"])

    def remember(self, event: Event) -> None:
        with self._database:
            self._database.execute("INSERT OR IGNORE INTO handled VALUES (?)", [event["delivery"]])
            self._database.execute(
                "INSERT INTO latest VALUES (?, ?) "
                "ON CONFLICT DO UPDATE SET sequence = max(sequence, excluded.sequence)",
                [key(event), event["sequence"]],
            )

    def _has(self, query: str, *values: str) -> bool:
        return self._database.execute(query, values).fetchone() is not None


def key(event: Event) -> str:
    """Return the event's subject, or its id if it has none."""
    return str(event.get("subject", event["id"]))


class Arguments(NamedTuple):
    """The command line of a consumer that writes into a folder; `state` is a folder beside it."""

    folder: Path
    state: Path
    queue: str
    once: bool


def arguments(about: str | None, folder_help: str) -> Arguments:
    """Read the command line, and make the folders."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("folder", type=Path, help=folder_help)
    parser.add_argument("--queue", default="printiq-events")
    parser.add_argument("--once", action="store_true", help="end when the queue is empty")
    given = parser.parse_args()
    # beside the folder, not in it: what watches the folder takes every file there
    state = given.folder.absolute().with_name(f"{given.folder.name}.state")
    for folder in (given.folder, state):
        folder.mkdir(parents=True, exist_ok=True)
    return Arguments(given.folder, state, given.queue, given.once)


def write_whole(path: Path, content: bytes, *, by_way_of: Path) -> None:
    """Write a file that appears under its name only when it is complete, replacing one of that name."""
    part = by_way_of / f"{path.name}.part"
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def file_name(text: str) -> str:
    """Return a text as the name of a file; two texts never get the same name."""
    return re.sub(r"[^\w.-]", lambda found: quote(found[0], safe=""), text)


def consume(queue: str, wanted: str, handle: Callable[[Event], None], state: Path, *, once: bool) -> int:
    """Hand the events of one type to `handle`, with their data; return how many it handled.

    `handle` raises SetAsideError for what can never be handled. With `once` it ends when the queue is empty.
    """
    storage = Storage(os.environ.get("PRINTIQ_STORAGE", LOCAL))
    source, poison = storage.queue(queue), storage.queue(f"{queue}-poison")
    known = State(state / "handled.sqlite")
    handled = 0
    while True:
        messages = _messages(source)
        for message in messages:
            try:
                event = _read(message.content)
                if event["type"] == f"com.printiq.{wanted}" and _is_news(event, known):
                    handle({**event, "data": _data(event, storage)})
                    known.remember(event)
                    handled += 1
            except SetAsideError as why:
                _log.error("Set aside in %s: %s", poison.queue_name, why)
                _send(poison, message)
            except Exception:  # noqa: BLE001 - one that fails must not stop the others
                if (message.dequeue_count or 0) < _MAX_TRIES:
                    _log.exception("Try %s failed; it comes again", message.dequeue_count)
                    continue
                _log.exception("Set aside in %s: it failed %d times", poison.queue_name, _MAX_TRIES)
                _send(poison, message)
            with contextlib.suppress(ResourceNotFoundError):  # its lease ended: it comes back, and is known
                source.delete_message(message)
        if not messages and once:
            return handled
        if not messages:
            time.sleep(2)


def _is_news(event: Event, known: State) -> bool:
    # the original was, or will be, handled
    if "duplicateof" in event or known.is_handled(event):
        return False
    if known.is_outdated(event):
        _log.warning("%s: older than what was handled; ignored", key(event))
        return False
    return True


def _messages(source: QueueClient) -> list[QueueMessage]:
    try:
        return list(source.receive_messages(max_messages=16, visibility_timeout=_LEASE_SECONDS))
    except ResourceNotFoundError:  # the app makes the queue with the first event
        return []


def _read(text: str) -> Event:
    try:
        event = json.loads(base64.b64decode(text, validate=True))
    except (ValueError, RecursionError) as error:
        raise SetAsideError(f"not base64 of JSON: {text[:60]}") from error
    attributes = ("id", "type", "sequence", "delivery")
    if not isinstance(event, dict) or not all(isinstance(event.get(name), str) for name in attributes):
        raise SetAsideError(f"no event of printIQ: {text[:60]}")
    return event


def _data(event: Event, storage: Storage) -> Any:
    """Return the payload; a large one is in the blob that `dataref` names."""
    if "data" in event:
        return event["data"]
    if "dataref" not in event:
        raise SetAsideError(f"{event['id']} has neither data nor dataref")
    return json.loads(storage.blob(event["dataref"]))


def _send(poison: QueueClient, message: QueueMessage) -> None:
    """Add a message to the poison queue as it came, for ever: by default it would expire after seven days."""
    try:
        poison.send_message(message.content, time_to_live=-1)
    except ResourceNotFoundError:
        poison.create_queue()
        poison.send_message(message.content, time_to_live=-1)
