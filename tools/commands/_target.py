"""Where `send` and `watch` find the app, and how they look at what it did: in its storage, or by its API."""

import base64
import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import httpx
import typer
from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from handlers.channels.hot_folder import delivery_id
from handlers.ids import just_before, newest_first
from handlers.ledger.write import day
from handlers.stores import ContainerName, TableName
from tools.commands._ports import STORAGE_PORT, URL
from tools.host.azurite import connection_string
from tools.host.errors import HostError
from tools.host.settings import DEFAULT_STORAGE, load_app_settings

type Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
# The most messages that a queue shows without giving them away.
PEEK = 32
DEVELOPMENT = "UseDevelopmentStorage=true"
# Queues of the Functions host itself.
_HOSTS_OWN = ("azure-webjobs-", "webjobs-")
_PAGE = 500

UrlOption = Annotated[str, typer.Option("--url", help="Where the app listens.")]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="PRINTIQ_KEY",
        help="A host key, where the app asks for one. A function's key opens that one alone.",
    ),
]
StoragePortOption = Annotated[
    int, typer.Option("--storage-port", help="The app's --storage-port: where its Azurite has its blobs.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
DEFAULT_URL = URL
DEFAULT_STORAGE_PORT = STORAGE_PORT


class UnreachableError(Exception):
    """Say that the app, its storage or its API does not answer, and what to do."""


class Queue(NamedTuple):
    """Hold what can be seen of a queue: about how many messages it has, and the first of those that wait.

    `first` is None where messages cannot be peeked at.
    """

    name: str
    messages: int
    first: tuple[Json, ...] | None


class Account(Protocol):
    """Look at what an app did, changing nothing."""

    def delivery(self, of: str) -> Json | None:
        """Return a delivery's row of the ledger, as the API would. Raises UnreachableError."""

    def deliveries(self, since: datetime) -> list[Json]:
        """Return the rows of what was received since, the oldest first. Raises UnreachableError."""

    def queues(self) -> list[Queue]:
        """Return the queues, result queues and the inbox. Raises UnreachableError."""


@dataclass(frozen=True)
class Target:
    """Say where the app is; only one on this machine has storage that can be looked into."""

    url: str
    key: str | None
    storage: str | None
    hot_folder: str | None

    @classmethod
    def of(cls, url: str, key: str | None, storage_port: int) -> "Target":
        read_app_settings()
        is_here = urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}
        return cls(
            url=url.rstrip("/"),
            key=key,
            storage=_storage(DEFAULT_STORAGE, storage_port) if is_here else None,
            hot_folder=_storage("HOT_FOLDER", storage_port) if is_here else os.environ.get("HOT_FOLDER"),
        )

    @property
    def headers(self) -> dict[str, str]:
        return {"x-functions-key": self.key} if self.key else {}

    def account(self) -> Account:
        if self.storage is not None:
            return StorageAccount(self.storage)
        return Api(self.url, self.headers)

    def drop(self, name: str, body: bytes) -> str:
        """Upload a file into the hot folder; return the id that its delivery will have."""
        assert self.hot_folder is not None
        with _storage_answers(self.hot_folder):
            service = BlobServiceClient.from_connection_string(self.hot_folder, **_QUICK)
            blob = service.get_blob_client(ContainerName.HOT_FOLDER, name)
            try:
                written = blob.upload_blob(body, overwrite=True)
            except ResourceNotFoundError:
                with contextlib.suppress(ResourceExistsError):  # the app was first
                    service.create_container(ContainerName.HOT_FOLDER)
                written = blob.upload_blob(body, overwrite=True)
        return delivery_id(name, written["etag"], written["last_modified"])


def read_app_settings() -> None:
    """Put what local.settings.json says into the environment. Raises typer.BadParameter where it is wrong."""
    try:
        load_app_settings(ROOT)
    except HostError as error:
        raise typer.BadParameter(str(error)) from None


def _storage(setting: str, port: int) -> str:
    value = os.environ.get(setting, DEVELOPMENT)
    return connection_string(port) if value == DEVELOPMENT else value


_QUICK: Any = {"retry_total": 1, "connection_timeout": 2, "read_timeout": 10}


@contextlib.contextmanager
def _storage_answers(connection: str) -> Iterator[None]:
    try:
        yield
    except AzureError as error:
        parts = dict(part.partition("=")[::2] for part in connection.split(";") if part)
        where = parts.get("BlobEndpoint") or parts.get("AccountName", "the storage account")
        why = str(error).partition("\n")[0]
        raise UnreachableError(
            f"The storage at {where} does not answer as it should: {why}\n"
            "If it is this machine's, give the --storage-port that dev.py run shows at its start."
        ) from error


class StorageAccount:
    """Read tables and queues themselves; messages are only peeked at."""

    def __init__(self, connection: str) -> None:
        self._connection = connection
        self._tables = TableServiceClient.from_connection_string(connection, **_QUICK)
        self._queues = QueueServiceClient.from_connection_string(connection, **_QUICK)

    def delivery(self, of: str) -> Json | None:
        with _storage_answers(self._connection):
            table = self._tables.get_table_client(TableName.DELIVERIES)
            try:
                return _shown(table.get_entity(day(of), newest_first(of)))
            except ResourceNotFoundError:
                return None

    def deliveries(self, since: datetime) -> list[Json]:
        # newest first: a key that sorts before this one was received since
        last, found = just_before(since), []
        with _storage_answers(self._connection):
            table = self._tables.get_table_client(TableName.DELIVERIES)
            when = since.date()
            while when <= datetime.now(UTC).date():
                condition = f"PartitionKey eq '{when:%Y-%m-%d}' and RowKey le '{last}'"
                try:
                    found += [_shown(row) for row in table.query_entities(condition)]
                except ResourceNotFoundError:
                    break
                when += timedelta(days=1)
        return sorted(found, key=lambda row: str(row["id"]))

    def queues(self) -> list[Queue]:
        with _storage_answers(self._connection):
            names = [str(queue.name) for queue in self._queues.list_queues()]
            return [self._queue(name) for name in names if not name.startswith(_HOSTS_OWN)]

    def _queue(self, name: str) -> Queue:
        client = self._queues.get_queue_client(name)
        try:
            messages = client.get_queue_properties().approximate_message_count or 0
            first = client.peek_messages(PEEK) if messages else []
        except ResourceNotFoundError:  # deleted just now
            return Queue(name, 0, ())
        return Queue(name, messages, tuple(_message(message.content) for message in first))


def _shown(row: Any) -> Json:
    """Return a row as the API shows it: no blanks, lists as lists."""
    shown = {
        name: value
        for name, value in row.items()
        if value not in {"", None} and name not in {"PartitionKey", "RowKey"}
    }
    for name in ("queues", "subjects", "warnings"):
        if isinstance(shown.get(name), str):
            shown[name] = json.loads(shown[name])
    return shown


def _message(text: str) -> Json:
    """Read a message: a CloudEvent, in base64 or not; of what is none, only its beginning."""
    for body in (_from_base64(text), text):
        with contextlib.suppress(ValueError):
            event = json.loads(body)
            if isinstance(event, dict) and "specversion" in event:
                return event
    return {"text": text[:60]}


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


@dataclass(frozen=True)
class Api:
    """Ask the app itself."""

    url: str
    headers: dict[str, str]

    def delivery(self, of: str) -> Json | None:
        found: Json | None = self._get(f"/api/deliveries/{of}", {})
        return found

    def deliveries(self, since: datetime) -> list[Json]:
        found: list[Json] = []
        query = {"from": since.isoformat(), "size": str(_PAGE)}
        while True:
            page = self._get("/api/deliveries", query) or {"deliveries": []}
            found += page["deliveries"]
            if not page.get("cursor"):
                return sorted(found, key=lambda row: str(row["id"]))
            query["cursor"] = page["cursor"]

    def queues(self) -> list[Queue]:
        stats = self._get("/api/stats", {}) or {"queues": []}
        return [Queue(queue["name"], queue["messages"], None) for queue in stats["queues"]]

    def _get(self, path: str, query: dict[str, str]) -> Any:
        """Return what is answered, None where it is a 404 of the app's own."""
        with app_answers(self.url):
            response = httpx.get(self.url + path, params=query, headers=self.headers, timeout=30)
        if response.status_code == httpx.codes.NOT_FOUND and response.content:
            return None
        if response.status_code != httpx.codes.OK:
            raise UnreachableError(
                f"{self.url}{path} answered {response.status_code} {response.reason_phrase}. {hint(response)}"
            )
        return response.json()


@contextlib.contextmanager
def app_answers(url: str) -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        raise UnreachableError(
            f"The app at {url} does not answer: {error or type(error).__name__}\n"
            "Is it running (dev.py run), and is this its address (--url)?"
        ) from error


def hint(answer: httpx.Response) -> str:
    """Say what a refusal is about: in the app's words; of one by the host, which has none, what it means."""
    if "problem+json" in answer.headers.get("Content-Type", ""):
        return str(answer.json()["detail"])
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        if "x-functions-key" in answer.request.headers:
            return "This key does not open it. A function's key opens that function alone: give a host key."
        return "The app asks for a key: give a host key with --key."
    if answer.status_code == httpx.codes.NOT_FOUND:
        return "There is no such address: is it this app that listens there?"
    return "Its log tells more."
