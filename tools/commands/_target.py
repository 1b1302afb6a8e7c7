"""Where commands find the app, and how they read its work: from its storage, or through its API."""

import base64
import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Protocol
from urllib.parse import urlsplit

import httpx
import typer
from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import EntityProperty, TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from handlers.channels import hot_folder
from handlers.http.schemas import DeliveryDetail, Send
from handlers.ids import just_before, newest_first
from handlers.ledger.rows import DeliveryRow, SendRow, day
from handlers.stores import ContainerName, Row, TableName
from tools.commands._api import Api, Json, Queue, UnreachableError
from tools.commands._ports import DEFAULT_URL, LARGEST_PORT
from tools.host.azurite import connection_string
from tools.host.errors import HostError
from tools.host.settings import DEFAULT_STORAGE, load_app_settings

ROOT = Path(__file__).parents[2]
# The most messages that a queue shows without giving them away.
PEEK = 32
DEVELOPMENT = "UseDevelopmentStorage=true"
# Queues of the Functions host itself.
_HOSTS_OWN = ("azure-webjobs-", "webjobs-")


def address(url: str) -> str:
    """Check an address. Raises typer.BadParameter."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        good = False
    if not good:
        raise typer.BadParameter(
            f"{url} is no address. Write it like {DEFAULT_URL} or https://my-app.example.com."
        )
    return url.rstrip("/")


UrlOption = Annotated[
    str, typer.Option("--url", envvar="PRINTIQ_URL", callback=address, help="The app's address.")
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="PRINTIQ_KEY",
        help="A host key, if the app asks for one. A function's own key is for that function alone.",
    ),
]
StoragePortOption = Annotated[
    int,
    typer.Option(
        "--storage-port",
        # Azurite takes three: blobs, queues, tables.
        min=1,
        max=LARGEST_PORT - 2,
        help="The app's --storage-port, on which its Azurite serves blobs.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


class AppView(Protocol):
    """A view of what an app did, which changes nothing. Every method raises UnreachableError."""

    def delivery(self, delivery_id: str) -> Json | None:
        """Return a delivery's row of the ledger, as the API shows it."""

    def deliveries(self, since: datetime) -> list[Json]:
        """Return the rows of what was received since, the oldest first."""

    def queues(self) -> list[Queue]:
        """Return the result queues and the inbox."""


@dataclass(frozen=True)
class Target:
    """The address of an app; commands look into its storage only where it is on this machine."""

    url: str
    key: str | None
    storage: str | None
    hot_folder: str | None

    @classmethod
    def of(cls, url: str, key: str | None, storage_port: int) -> "Target":
        read_app_settings()
        is_here = urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}
        return cls(
            url=url,
            key=key,
            storage=_storage(DEFAULT_STORAGE, storage_port) if is_here else None,
            hot_folder=_storage("HOT_FOLDER", storage_port) if is_here else os.environ.get("HOT_FOLDER"),
        )

    @cached_property
    def api(self) -> Api:
        return Api(self.url, self.key)

    @cached_property
    def account(self) -> AppView:
        return self.api if self.storage is None else StorageAccount(self.storage)

    @cached_property
    def pushed(self) -> frozenset[str]:
        """The subscriptions that are pushed to, as far as the app answers: a webhook's key may not ask."""
        try:
            response = self.api.get("subscriptions")
        except UnreachableError:
            return frozenset()
        found = response.json()["subscriptions"] if response.is_success else ()
        return frozenset(each["name"] for each in found if each["kind"] == "https")

    def drop(self, name: str, body: bytes) -> str:
        """Upload a file into the hot folder; return the id that its delivery will have."""
        assert self.hot_folder is not None
        with storage_answers(self.hot_folder):
            service = BlobServiceClient.from_connection_string(self.hot_folder, **_QUICK)
            blob = service.get_blob_client(ContainerName.HOT_FOLDER, name)
            try:
                written = blob.upload_blob(body, overwrite=True)
            except ResourceNotFoundError:
                with contextlib.suppress(ResourceExistsError):  # the app was first
                    service.create_container(ContainerName.HOT_FOLDER)
                written = blob.upload_blob(body, overwrite=True)
        return hot_folder.delivery_id(name, written["etag"], written["last_modified"])


def read_app_settings() -> None:
    """Put what local.settings.json sets into the environment. Raises typer.BadParameter for a wrong file."""
    try:
        load_app_settings(ROOT)
    except HostError as error:
        raise typer.BadParameter(str(error)) from None


def _storage(setting: str, port: int) -> str:
    value = os.environ.get(setting, DEVELOPMENT)
    return connection_string(port) if value == DEVELOPMENT else value


_QUICK: Any = {"retry_total": 1, "connection_timeout": 2, "read_timeout": 10}


@contextlib.contextmanager
def storage_answers(connection: str) -> Iterator[None]:
    try:
        yield
    except AzureError as error:
        parts = dict(part.partition("=")[::2] for part in connection.split(";") if part)
        where = parts.get("BlobEndpoint") or parts.get("AccountName", "the storage account")
        why = str(error).partition("\n")[0]
        raise UnreachableError(
            f"The storage at {where} does not respond as it should: {why}\n"
            "Is the app running (dev.py run)? It shows its --storage-port when it starts."
        ) from error


class StorageAccount:
    """The app's tables and queues themselves; messages are only peeked at."""

    def __init__(self, connection: str) -> None:
        self._connection = connection
        self._tables = TableServiceClient.from_connection_string(connection, **_QUICK)
        self._queues = QueueServiceClient.from_connection_string(connection, **_QUICK)

    def delivery(self, delivery_id: str) -> Json | None:
        with storage_answers(self._connection):
            table = self._tables.get_table_client(TableName.DELIVERIES)
            try:
                found = _shown([table.get_entity(day(delivery_id), newest_first(delivery_id))])
            except ResourceNotFoundError:
                return None
            return {**found[0], "sends": self._sends(found[0])} if found else None

    def _sends(self, delivery: Json) -> list[Json]:
        """Return what became of a delivery where it is pushed to, or was withheld from."""
        table, row_key = self._tables.get_table_client(TableName.SENDS), newest_first(delivery["id"])
        rows = []
        for name in (*delivery["queues"], *delivery["withheld"]):
            with contextlib.suppress(ResourceNotFoundError):
                rows.append(SendRow.read_ours(Row(_plain(table.get_entity(name, row_key)), "")))
        return [json.loads(Send.of(row).document()) for row in rows if row is not None]

    def deliveries(self, since: datetime) -> list[Json]:
        # newest first: a key that sorts before this one was received since
        last, found = just_before(since), []
        with storage_answers(self._connection):
            table = self._tables.get_table_client(TableName.DELIVERIES)
            when = since.date()
            while when <= datetime.now(UTC).date():
                condition = f"PartitionKey eq '{when:%Y-%m-%d}' and RowKey le '{last}'"
                try:
                    found += _shown(table.query_entities(condition))
                except ResourceNotFoundError:
                    break
                when += timedelta(days=1)
        return sorted(found, key=lambda row: str(row["id"]))

    def queues(self) -> list[Queue]:
        with storage_answers(self._connection):
            names = [str(queue.name) for queue in self._queues.list_queues()]
            return [self._queue(name) for name in names if not name.startswith(_HOSTS_OWN)]

    def _queue(self, name: str) -> Queue:
        client = self._queues.get_queue_client(name)
        try:
            messages = client.get_queue_properties().approximate_message_count or 0
            first = client.peek_messages(PEEK) if messages else []
        except ResourceNotFoundError:  # deleted just now
            return Queue(name, 0, ())
        return Queue(name, messages, tuple(read_message(message.content) for message in first))


def _shown(entities: Iterable[Mapping[str, Any]]) -> list[Json]:
    """Return rows as the API shows them, without those that are not the app's."""
    rows = (DeliveryRow.read_ours(Row(_plain(each), "")) for each in entities)
    return [json.loads(DeliveryDetail.model_validate(row).document()) for row in rows if row is not None]


def _plain(entity: Mapping[str, Any]) -> Json:
    """Return the columns without the SDK's wrapping of 64-bit numbers."""
    return {
        name: value.value if isinstance(value, EntityProperty) else value for name, value in entity.items()
    }


def read_message(text: str) -> Json:
    """Read a CloudEvent, in base64 or not; of any other message return its beginning."""
    with contextlib.suppress(ValueError):
        event = json.loads(message_bytes(text))
        if isinstance(event, dict) and "specversion" in event:
            return event
    return {"text": text[:60]}


def message_bytes(text: str) -> bytes:
    """Return a message as it was before a queue's encoding: a CloudEvent itself is never base64."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return text.encode()
