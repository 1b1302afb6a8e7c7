"""Runs blob triggers as the platform does: found by listing or announced by Event Grid, and run off a queue.

A blob that is found becomes a message in a queue of the host's own, whose processing invokes the function:
that gives leases, retries and a poison queue. A receipt in azure-webjobs-hosts keeps a listing from
announcing a blob twice. It is complete once the message is queued, before the function runs. So a blob in
work when the host dies is run again when its message is visible again, ten minutes later, and one that fails
five times, which takes half a second, never.
"""

import asyncio
import base64
import binascii
import contextlib
import ipaddress
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from tools.host.faults import Faults, Outage, first_line
from tools.host.locks import singleton
from tools.host.queues import QueueListener, UndecodableError, queue_client, send
from tools.host.runtime import Function, TypedData, Worker
from tools.host.settings import DEFAULT_STORAGE, HostConfig, connection_string, resolve

POISON_QUEUE = "webjobs-blobtrigger-poison"
HOSTS = "azure-webjobs-hosts"
EVENT_GRID = "eventgrid"
_FUNCTION_ID = "Host.Functions."
# The platform lists an account whose address is like Azurite's every 2 s, any other every 10 s.
_POLL_SECONDS = 0.5
_INCOMPLETE = {"Incomplete": "true"}
# Names that are never run, in silence: the platform's client tidies them, and then finds no such blob.
_NEVER_RUN = re.compile(r"/.*|.*/|(?:.*/)?\.{1,2}(?:/.*)?|.*[\r\n].*", re.DOTALL)
_log = logging.getLogger("host")


@dataclass(frozen=True, slots=True)
class Announcement:
    """A message of the host's queue: a blob, and the function that is to run."""

    function: str
    container: str
    name: str
    etag: str | None
    """Quoted; None if Event Grid announced the blob: it then runs even if it has changed since."""

    def encode(self) -> str:
        """Write it as the platform does: indented JSON in base64, whatever host.json sets."""
        members = {
            "Type": "BlobTrigger",
            "FunctionId": _FUNCTION_ID + self.function,
            "BlobType": "BlockBlob",
            "ContainerName": self.container,
            "BlobName": self.name,
            "ETag": self.etag,
        }
        return base64.b64encode(json.dumps(members, indent=2).encode()).decode()

    @classmethod
    def read(cls, text: str) -> "Announcement":
        """Read what `encode` writes. Raises UndecodableError."""
        try:
            members: Mapping[str, Any] = json.loads(base64.b64decode(text, validate=True))
            function = str(members["FunctionId"]).removeprefix(_FUNCTION_ID)
            return cls(function, members["ContainerName"], members["BlobName"], members["ETag"])
        except (binascii.Error, ValueError, KeyError, TypeError) as exc:
            raise UndecodableError("it is no message of a blob trigger") from exc

    @classmethod
    def of_event(cls, function: str, event: Mapping[str, Any]) -> "Announcement":
        """Read an event of Event Grid, whatever its type. Raises ValueError, KeyError, TypeError."""
        url = urlsplit(event["data"]["url"])
        parts = unquote(url.path).removeprefix("/").split("/")
        if _is_address(url.hostname or ""):  # Azurite has the account in the path
            del parts[0]
        container, *name = parts
        return cls(function, container, "/".join(name), None)


@dataclass(slots=True)
class BlobTrigger:
    """The blob trigger of one function."""

    worker: Worker
    function: Function
    connection: str
    container: ContainerClient
    pattern: re.Pattern[str]
    prefix: str
    receipts: ContainerClient
    host_id: str
    poison: QueueClient
    _announced: set[str] = field(default_factory=set)
    """The complete receipts of the blobs in the container."""

    @property
    def listed(self) -> bool:
        """Whether the host looks for blobs; with Event Grid it never does."""
        return str(self.function.trigger.get("source") or "").lower() != EVENT_GRID

    @property
    def _by_reference(self) -> bool:
        """Whether the function takes a reference (an SDK type): nobody but the app reads the blob then."""
        properties = self.function.trigger.get("properties") or {}
        return str(properties.get("SupportsDeferredBinding")).lower() == "true"

    async def find(self, queue: QueueClient) -> bool:
        """Announce each blob that is new; return whether there was one."""
        receipts: dict[str, BlobProperties] = {}
        async for blob in self.container.list_blobs(name_starts_with=self.prefix or None):
            if self.pattern.fullmatch(blob.name) and is_run(blob.name):
                receipts[self._receipt(blob)] = blob
        self._announced &= receipts.keys()
        found = False
        for receipt, blob in receipts.items():
            if receipt not in self._announced:
                found |= await self._announce(receipt, blob, queue)
                self._announced.add(receipt)
        return found

    async def _announce(self, receipt: str, blob: BlobProperties, queue: QueueClient) -> bool:
        """Announce a blob, unless its receipt is complete; return whether it was announced."""
        client = self.receipts.get_blob_client(receipt)
        try:
            if not (await client.get_blob_properties()).metadata:
                return False
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):
                await self.receipts.create_container()
            await client.upload_blob(b"", metadata=_INCOMPLETE, overwrite=True)
        container = self.container.container_name
        announced = Announcement(self.function.name, container, blob.name, _quoted(blob.etag))
        await send(queue, announced.encode())
        await client.set_blob_metadata({})
        return True

    async def handle(self, announced: Announcement, attempt: int) -> bool:
        """Invoke the function with a blob; return whether that succeeded, or the blob is gone or changed."""
        bound = self._bound(announced)
        if bound is None:
            _log.error("%s/%s does not match the path", announced.container, announced.name)
            return False
        container = self.container
        if announced.container != container.container_name:
            container = _container(self.connection, announced.container)
        condition: dict[str, Any] = {}
        if announced.etag is not None:
            condition = {"etag": announced.etag, "match_condition": MatchConditions.IfNotModified}
        client = container.get_blob_client(announced.name)
        try:
            properties = await client.get_blob_properties(**condition)
            if self._by_reference:
                data = TypedData(model_binding_data=self._reference(announced))
            else:  # the host reads it whole, before the function is called
                data = TypedData(bytes=await (await client.download_blob(**condition)).readall())
        except (ResourceNotFoundError, ResourceModifiedError):
            return True  # gone, or announced anew under another ETag
        finally:
            if container is not self.container:
                await container.close()
        where = f"{announced.container}/{announced.name}"
        result = await self.worker.invoke(
            self.function,
            data,
            {**self._metadata(where, properties), **bound},
            reason=f"blob {where}, try {attempt}",
        )
        return result.succeeded

    def _bound(self, announced: Announcement) -> dict[str, TypedData] | None:
        """Return what the path binds, None where it cannot: Event Grid announces blobs that do not match."""
        match = self.pattern.fullmatch(announced.name)
        if announced.container != self.container.container_name or match is None:
            return None if self.pattern.groups else {}
        return {name: TypedData(string=value) for name, value in match.groupdict().items()}

    def _reference(self, announced: Announcement) -> SimpleNamespace:
        """Return what the platform passes for an SDK type: the name of a setting, and where the blob is."""
        content = {
            "Connection": self.function.trigger.get("connection") or DEFAULT_STORAGE,
            "ContainerName": announced.container,
            "BlobName": announced.name,
        }
        return SimpleNamespace(
            version="1.0",
            source="AzureStorageBlobs",
            content_type="application/json",
            content=json.dumps(content).encode(),
        )

    def _receipt(self, blob: BlobProperties) -> str:
        """Return the name of a blob's receipt, laid out as the platform's."""
        container, function = self.container.container_name, _FUNCTION_ID + self.function.name
        return f"blobreceipts/{self.host_id}/{function}/{_quoted(blob.etag)}/{container}/{blob.name}"

    def _metadata(self, where: str, properties: BlobProperties) -> dict[str, TypedData]:
        described = {
            "ContentLength": properties.size,
            "ContentType": properties.content_settings.content_type,
            "ContentEncoding": properties.content_settings.content_encoding,
            "ETag": properties.etag,
            "LastModified": properties.last_modified.isoformat(),
        }
        uri = f"{self.container.primary_endpoint}/{quote(properties.name)}"
        return {
            "BlobTrigger": TypedData(string=where),
            "Uri": TypedData(json=json.dumps(uri)),
            "Properties": TypedData(json=json.dumps(described)),
            "Metadata": TypedData(json=json.dumps(properties.metadata or {})),
        }


class BlobPoller:
    """The finder of what an app's blob triggers are to run; `listener`, run beside it, invokes them."""

    def __init__(  # noqa: PLR0913, PLR0917 - what the host knows
        self, worker: Worker, config: HostConfig, host_id: str, lease: float, faults: Faults, lock: Path
    ) -> None:
        """Take all of the worker's blob triggers; the host that holds `lock` lists their containers."""
        storage = connection_string(None)
        self._faults = faults
        self._lock = lock
        self._receipts = _container(storage, HOSTS)
        self._triggers = {
            function.name: _trigger(worker, function, self._receipts, host_id)
            for function in worker.functions
            if function.kind == "blobTrigger"
        }
        self._stopping = asyncio.Event()
        queue = f"azure-webjobs-blobtrigger-{host_id}"
        self._queue = queue_client(storage, queue)
        self._poison = queue_client(storage, POISON_QUEUE)
        self.listener = QueueListener(
            queue=queue_client(storage, queue),
            poison_of=self._poison_of,
            handler=self._handle,
            options=config.blobs.queue_options(),
            lease=lease,
            faults=faults,
        )

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """List until stopped. Raises StorageLostError."""
        listed = [trigger for trigger in self._triggers.values() if trigger.listed]
        try:
            if listed:
                async with singleton(self._lock, self._stopping):
                    await self._list(listed)
            await self._stopping.wait()
        finally:
            for trigger in self._triggers.values():
                await trigger.container.close()
                await trigger.poison.close()
            await self._receipts.close()
            await self._queue.close()
            await self._poison.close()

    async def announce(self, function: str, event: Mapping[str, Any]) -> None:
        """Queue what Event Grid announces, also for a function that the app has not.

        Nothing is checked: the same event twice is two runs. Raises ValueError, KeyError, TypeError.
        """
        name = function.removeprefix(_FUNCTION_ID)
        await send(self._queue, Announcement.of_event(name, event).encode())
        self.listener.wake()

    async def _list(self, triggers: list[BlobTrigger]) -> None:
        outage = Outage(self._faults, "Blobs cannot be listed", server_errors_end_it=True)
        while not self._stopping.is_set():
            try:
                for trigger in triggers:
                    with contextlib.suppress(ResourceNotFoundError):  # the container does not exist yet
                        if await trigger.find(self._queue):
                            self.listener.wake()
                outage.over()
            except AzureError as exc:
                outage.goes_on(exc)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _POLL_SECONDS)

    async def _handle(self, message: QueueMessage) -> bool:
        announced = Announcement.read(message.content)
        trigger = self._triggers.get(announced.function)
        if trigger is None:
            return True  # the app has no such function, any more
        try:
            return await trigger.handle(announced, message.dequeue_count or 1)
        except AzureError as exc:
            _log.warning("Blob %s: %s", announced.name, first_line(exc))
            return False

    def _poison_of(self, message: QueueMessage) -> QueueClient:
        """Return the poison queue of a message: it is in the account of the trigger, not of the host."""
        with contextlib.suppress(UndecodableError):
            trigger = self._triggers.get(Announcement.read(message.content).function)
            if trigger is not None:
                return trigger.poison
        return self._poison


def is_run(name: str) -> bool:
    """Return whether the platform ever runs a blob of this name."""
    return _NEVER_RUN.fullmatch(name) is None


def _trigger(worker: Worker, function: Function, receipts: ContainerClient, host_id: str) -> BlobTrigger:
    container, _, path = resolve(str(function.trigger["path"])).partition("/")
    connection = connection_string(function.trigger.get("connection"))
    return BlobTrigger(
        worker=worker,
        function=function,
        connection=connection,
        container=_container(connection, container),
        pattern=_pattern(path),
        prefix=path.partition("{")[0],
        receipts=receipts,
        host_id=host_id,
        poison=queue_client(connection, POISON_QUEUE),
    )


def _quoted(etag: str) -> str:
    """Return an ETag with its quotes: services differ in whether they write them."""
    return f'"{etag.strip('"')}"'


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _container(connection: str, name: str) -> ContainerClient:
    return ContainerClient.from_connection_string(connection, name, retry_total=0)


def _pattern(path: str) -> re.Pattern[str]:
    """Compile a trigger's path behind the container; an empty one takes every blob.

    A parameter is greedy, takes slashes and may be empty, and takes no line break.
    """
    if not path:
        return re.compile(".*", re.DOTALL)
    parts = re.split(r"\{(\w+)\}", path)
    literals, names = parts[::2], parts[1::2]
    pattern = "".join(
        f"{re.escape(literal)}(?P<{name}>.*)" for literal, name in zip(literals, names, strict=False)
    )
    return re.compile(pattern + re.escape(literals[-1]))
