"""Runs blob triggers by polling their containers, with the platform's receipts, retries and poison queue.

As on the platform, a blob that is found becomes a message in a queue of the host's own, whose processing
invokes the function: that gives leases, retries and a poison queue. A receipt for each function, blob and
ETag that was handled stands in the container azure-webjobs-hosts.
"""

import asyncio
import contextlib
import json
import logging
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import BlobClient, ContainerClient
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from tools.host.queues import QueueListener, first_line, queue_client, send
from tools.host.runtime import Function, TypedData, Worker
from tools.host.settings import HostConfig, connection_string, resolve

POISON_QUEUE = "webjobs-blobtrigger-poison"
RECEIPTS = "azure-webjobs-hosts"
_POLL_SECONDS = 0.5
_log = logging.getLogger("host")


@dataclass(slots=True)
class BlobTrigger:
    """Find new and changed blobs for one function, and hand them to it."""

    worker: Worker
    function: Function
    container: ContainerClient
    pattern: re.Pattern[str]
    prefix: str
    receipts: ContainerClient
    host_id: str
    poison_threshold: int
    _queued: set[str] = field(default_factory=set)
    """Receipts of the blobs in the container that were handled or stand in the queue."""

    async def find(self, queue: QueueClient) -> bool:
        """Put a message into the host's queue for each blob that is new; return whether there was one."""
        receipts: dict[str, BlobProperties] = {}
        async for blob in self.container.list_blobs(name_starts_with=self.prefix or None):
            if self.pattern.fullmatch(blob.name):
                receipts[self._receipt(blob.name, blob.etag)] = blob
        self._queued &= receipts.keys()
        found = False
        for receipt, blob in receipts.items():
            if receipt in self._queued:
                continue
            if not await self.receipts.get_blob_client(receipt).exists():
                await send(queue, self._message(blob))
                found = True
            self._queued.add(receipt)
        return found

    async def handle(self, name: str, etag: str, attempt: int) -> bool:
        """Invoke the function with a blob, unless it was handled already, changed, or is gone."""
        receipt = self.receipts.get_blob_client(self._receipt(name, etag))
        if await receipt.exists():
            return True
        try:
            download = await self.container.get_blob_client(name).download_blob(
                etag=f'"{etag}"', match_condition=MatchConditions.IfNotModified
            )
            content = await download.readall()
        except (ResourceNotFoundError, ResourceModifiedError):
            return True  # gone, or found again under its new ETag
        where = f"{self.container.container_name}/{name}"
        result = await self.worker.invoke(
            self.function,
            TypedData(bytes=content),
            self._metadata(where, download.properties),
            reason=f"blob {where}, try {attempt}",
        )
        if result.succeeded or attempt >= self.poison_threshold:
            await self._keep(receipt)
        return result.succeeded

    async def _keep(self, receipt: BlobClient) -> None:
        try:
            await receipt.upload_blob(b"", overwrite=True)
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):
                await self.receipts.create_container()
            await receipt.upload_blob(b"", overwrite=True)

    def _receipt(self, name: str, etag: str) -> str:
        """Return the name of a blob's receipt, laid out as the platform's."""
        container = self.container.container_name
        return f"blobreceipts/{self.host_id}/{self.function.name}/{_bare(etag)}/{container}/{name}"

    def _message(self, blob: BlobProperties) -> str:
        container = self.container.container_name
        members = {"Type": "BlobTrigger", "FunctionId": self.function.name, "BlobType": "BlockBlob"}
        return json.dumps(
            {**members, "ContainerName": container, "BlobName": blob.name, "ETag": _bare(blob.etag)}
        )

    def _metadata(self, where: str, properties: BlobProperties) -> dict[str, TypedData]:
        match = self.pattern.fullmatch(properties.name)
        assert match is not None
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
            **{name: TypedData(string=value) for name, value in match.groupdict().items()},
        }


class BlobPoller:
    """Poll the containers of an app's blob triggers; `listener`, run beside it, invokes the functions."""

    def __init__(self, worker: Worker, config: HostConfig, host_id: str, lease: float) -> None:
        """Take all of the worker's blob triggers."""
        storage = connection_string(None)
        self._receipts = _container(storage, RECEIPTS)
        functions = [function for function in worker.functions if function.kind == "blobTrigger"]
        self._triggers = {
            function.name: _trigger(
                worker, function, self._receipts, host_id, config.blobs.poison_blob_threshold
            )
            for function in functions
        }
        self._stopping = asyncio.Event()
        queue = f"azure-webjobs-blobtrigger-{host_id}"
        self._queue = queue_client(storage, queue)
        self.listener = QueueListener(
            queue=queue_client(storage, queue),
            poison=queue_client(storage, POISON_QUEUE),
            handler=self._handle,
            options=config.blobs.queue_options(config.queues),
            lease=lease,
        )

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        try:
            await self._poll_all()
        finally:
            for container in (self._receipts, *(trigger.container for trigger in self._triggers.values())):
                await container.close()
            await self._queue.close()

    async def _poll_all(self) -> None:
        failing = False
        while not self._stopping.is_set():
            try:
                for trigger in self._triggers.values():
                    await self._poll(trigger)
                failing = False
            except AzureError as exc:
                if not failing:
                    _log.warning("Blobs cannot be listed; trying until they can: %s", first_line(exc))
                failing = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _POLL_SECONDS)

    async def _poll(self, trigger: BlobTrigger) -> None:
        with contextlib.suppress(ResourceNotFoundError):  # the container does not exist yet
            if await trigger.find(self._queue):
                self.listener.wake()

    async def _handle(self, message: QueueMessage) -> bool:
        members: dict[str, Any] = json.loads(message.content)
        trigger = self._triggers.get(members["FunctionId"])
        if trigger is None:
            return True  # the function is no longer part of the app
        try:
            return await trigger.handle(members["BlobName"], members["ETag"], message.dequeue_count or 1)
        except AzureError as exc:
            _log.warning("Blob %s: %s", members["BlobName"], first_line(exc))
            return False


def _trigger(
    worker: Worker, function: Function, receipts: ContainerClient, host_id: str, poison_threshold: int
) -> BlobTrigger:
    container, _, path = resolve(str(function.trigger["path"])).partition("/")
    return BlobTrigger(
        worker=worker,
        function=function,
        container=_container(connection_string(function.trigger.get("connection")), container),
        pattern=_pattern(path),
        prefix=path.partition("{")[0],
        receipts=receipts,
        host_id=host_id,
        poison_threshold=poison_threshold,
    )


def _bare(etag: str) -> str:
    """Return an ETag without its quotes: services differ in whether they write them."""
    return etag.strip('"')


def _container(connection: str, name: str) -> ContainerClient:
    return ContainerClient.from_connection_string(connection, name, initial_backoff=1, increment_base=1)


def _pattern(path: str) -> re.Pattern[str]:
    """Compile a trigger's path behind the container: literals and `{name}`; an empty one takes every blob."""
    if not path:
        return re.compile(".*", re.DOTALL)
    parts = re.split(r"\{(\w+)\}", path)
    literals, names = parts[::2], parts[1::2]
    pattern = "".join(
        f"{re.escape(literal)}(?P<{name}>.+)" for literal, name in zip(literals, names, strict=False)
    )
    return re.compile(pattern + re.escape(literals[-1]), re.DOTALL)
