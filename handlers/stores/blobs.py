"""Containers and blobs."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import quote

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError

from handlers.errors import Conflict, NotFound, StorageFault
from handlers.paths import Stored
from handlers.stores.account import Account
from handlers.stores.faults import BODY_SECONDS, storage_call, storage_write

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties
    from azure.storage.blob.aio import (
        BlobClient,
        BlobLeaseClient,
        BlobServiceClient,
        StorageStreamDownloader,
    )


class ContainerName(StrEnum):
    HOT_FOLDER = "hot-folder"
    ARCHIVE = "archive"
    QUARANTINE = "quarantine"
    FTP = "ftp"


class BlobRef(NamedTuple):
    """A blob's container and name."""

    container: ContainerName
    name: str

    def __str__(self) -> str:
        return f"{self.container}/{self.name}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what `str` writes. Raises ValueError for a place that this app did not write."""
        container, _, name = text.partition("/")
        return cls(ContainerName(container), name).checked()

    def checked(self) -> Self:
        """Return this reference, if a delivery's blob can be there. Raises ValueError."""
        if self.container not in _OF_DELIVERIES:
            raise ValueError(f"the container {self.container} has no blobs of deliveries")
        Stored.read(self.name)
        return self


_OF_DELIVERIES = {ContainerName.ARCHIVE, ContainerName.QUARANTINE}


class Found(NamedTuple):
    """The properties of a blob; `modified` is aware.

    `atomic` means that it was written in one step, `folder` that it is only the marker of a folder,
    `archived` that it cannot be read in its tier.
    """

    name: str
    size: int
    etag: str
    modified: datetime
    atomic: bool
    folder: bool
    metadata: Mapping[str, str]
    archived: bool

    @classmethod
    def of(cls, properties: "BlobProperties", *, hierarchical: bool = False) -> Self:
        """Read the SDK's properties. In a hierarchical namespace even a block blob is written bit by bit."""
        return cls(
            properties.name,
            properties.size,
            properties.etag,
            properties.last_modified,
            atomic=properties.blob_type == "BlockBlob" and not hierarchical,
            folder=properties.name.endswith("/") or _FOLDER_MARK in (properties.metadata or {}),
            metadata=properties.metadata or {},
            archived=properties.blob_tier == "Archive",
        )


# The metadata that SFTP, Data Lake and their tools put on the empty blob that marks a folder.
_FOLDER_MARK = "hdi_isfolder"
# Only accounts with a hierarchical namespace send it.
_HIERARCHICAL = "x-ms-resource-type"


# The longest finite lease: a process that died does not keep the blob.
_LEASE_SECONDS = 60
_RENEW_SECONDS = 15


class Held:
    """A blob that only this process can change, until `lost`."""

    def __init__(self, client: "BlobClient", lease: "BlobLeaseClient", place: str) -> None:
        self._client = client
        self._lease = lease
        self._place = place
        self._until = time.monotonic() + _LEASE_SECONDS

    @property
    def lost(self) -> bool:
        return time.monotonic() > self._until

    async def keep(self) -> None:
        """Renew the lease until cancelled or refused."""
        while not self.lost:
            await asyncio.sleep(_RENEW_SECONDS)
            asked = time.monotonic()
            try:
                async with storage_call(f"keep {self._place}"):
                    await self._lease.renew()
            except StorageFault:
                continue
            except (Conflict, NotFound):
                self._until = 0
                return
            self._until = asked + _LEASE_SECONDS

    async def read(self) -> bytes:
        async with storage_call(f"read {self._place}"):
            return await (await self._client.download_blob(lease=self._lease)).readall()

    async def write(self, body: bytes) -> None:
        """Replace the content. Raises Conflict once the blob is lost."""
        async with storage_call(f"write {self._place}"):
            await self._client.upload_blob(body, overwrite=True, lease=self._lease)


class Opened:
    """A blob that is being read, from start to end in the state that `found` describes.

    Reading raises NotFound, and Conflict if the blob was changed meanwhile.
    """

    def __init__(self, found: Found, stream: "StorageStreamDownloader[bytes]", place: str) -> None:
        self.found = found
        self._stream = stream
        self._place = place

    async def read(self) -> bytes:
        """Read all of it."""
        async with storage_call(f"read {self._place}", seconds=BODY_SECONDS):
            return await self._stream.readall()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Read it piece by piece."""
        chunks = aiter(self._stream.chunks())
        while True:
            async with storage_call(f"read {self._place}"):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield chunk


# A larger body goes through the SDK's client, which sends it in blocks.
_ONE_REQUEST = 4 * 1024 * 1024


def _path(container: ContainerName, name: str) -> str:
    return f"/{container}/{quote(_addressable(name), safe='/~')}"


def _addressable(name: str) -> str:
    """Return a name, if it is the name of a blob. Raises ResourceNotFoundError.

    HTTP clients resolve dot segments: with them, a name would address a blob of another container.
    """
    if {".", ".."} & set(name.split("/")):
        raise ResourceNotFoundError(f"A blob cannot be addressed by a name with dot segments: {name[:100]!r}")
    return name


class Blobs:
    """The app's blobs; a write that finds its container missing creates it."""

    def __init__(self, account: Account) -> None:
        self._wire = account.wire("blob")
        self._account = account
        # whether the account has a hierarchical namespace, which never changes; a blob's properties show it
        self._hierarchical: bool | None = None

    @cached_property
    def _service(self) -> "BlobServiceClient":
        return self._account.sdk.blobs()

    def _client(self, container: ContainerName, name: str) -> "BlobClient":
        return self._service.get_blob_client(container, _addressable(name))

    def url(self, container: ContainerName, name: str) -> str:
        return f"{self._wire.address}{_path(container, name)}"

    async def put(
        self,
        container: ContainerName,
        name: str,
        body: bytes,
        content_type: str,
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Write a blob, unless one of that name exists: then it stays as it is. `metadata` is ASCII.

        A name belongs to one delivery, whose bytes are always the same. So a blob that a lease or an
        immutability policy protects is already written.
        """
        async with storage_write(f"write {container}/{name}"):
            try:
                await self._put(container, name, body, content_type, metadata or {})
            except ResourceNotFoundError:
                await self._create(container)
                await self._put(container, name, body, content_type, metadata or {})

    async def _put(
        self,
        container: ContainerName,
        name: str,
        body: bytes,
        content_type: str,
        metadata: Mapping[str, str],
    ) -> None:
        # https://learn.microsoft.com/rest/api/storageservices/put-blob
        if len(body) > _ONE_REQUEST:
            await self._upload(container, name, body, content_type, metadata)
            return
        headers = {"Content-Type": content_type, "x-ms-blob-type": "BlockBlob", "If-None-Match": "*"}
        headers |= {f"x-ms-meta-{name}": value for name, value in metadata.items()}
        try:
            await self._wire.call("PUT", _path(container, name), headers=headers, body=body)
        except (ResourceExistsError, ResourceModifiedError):
            await self._assert_exists(container, name)

    async def _assert_exists(self, container: ContainerName, name: str) -> None:
        """Raise azure-core's exception if there is no such blob: then the refusal has another cause."""
        await self._wire.call("HEAD", _path(container, name), headers={})

    async def put_stream(
        self,
        container: ContainerName,
        name: str,
        content: AsyncIterator[bytes],
        content_type: str,
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Write a blob without holding it in memory; one of that name stays as it is."""
        await self.ensure(container)  # no retry: a stream cannot be read twice
        async with storage_call(f"write {container}/{name}", seconds=BODY_SECONDS):
            await self._upload(container, name, content, content_type, metadata or {})

    async def _upload(
        self,
        container: ContainerName,
        name: str,
        content: bytes | AsyncIterator[bytes],
        content_type: str,
        metadata: Mapping[str, str],
    ) -> None:
        client, sdk = self._client(container, name), self._account.sdk
        try:
            await client.upload_blob(
                content, content_settings=sdk.content_settings(content_type), metadata=dict(metadata)
            )
        except (ResourceExistsError, ResourceModifiedError):
            await self._assert_exists(container, name)

    async def _create(self, container: ContainerName) -> None:
        with contextlib.suppress(ResourceExistsError):  # another instance was first
            await self._service.create_container(container)

    async def ensure(self, container: ContainerName) -> None:
        """Create the container if it is missing."""
        async with storage_call(f"create {container}"):
            await self._create(container)

    async def get(self, container: ContainerName, name: str) -> bytes:
        """Read a blob whole. Raises NotFound."""
        # https://learn.microsoft.com/rest/api/storageservices/get-blob
        async with storage_call(f"read {container}/{name}"):
            return (await self._wire.call("GET", _path(container, name), headers={})).body()

    async def open(self, container: ContainerName, name: str) -> Opened:
        """Start to read a blob: its properties and first 32 MB. Raises NotFound."""
        if self._hierarchical is None:
            await self.find(container, name)
        async with storage_call(f"read {container}/{name}"):
            stream = await self._client(container, name).download_blob()
        found = Found.of(stream.properties, hierarchical=bool(self._hierarchical))
        return Opened(found, stream, f"{container}/{name}")

    @asynccontextmanager
    async def hold(self, container: ContainerName, name: str) -> AsyncIterator["Held"]:
        """Lease a blob, created empty if missing. Raises Conflict if another process has it."""
        client = self._client(container, name)
        async with storage_call(f"lease {container}/{name}"):
            try:
                lease = await client.acquire_lease(_LEASE_SECONDS)
            except ResourceNotFoundError:
                await self._create(container)
                with contextlib.suppress(ResourceExistsError):  # another process was first
                    await client.upload_blob(b"")
                lease = await client.acquire_lease(_LEASE_SECONDS)
        held = Held(client, lease, f"{container}/{name}")
        renewing = asyncio.create_task(held.keep())
        try:
            yield held
        finally:
            renewing.cancel()
            with contextlib.suppress(StorageFault, Conflict, NotFound):
                async with storage_call("release a lease"):
                    await lease.release()  # else it expires

    async def find(self, container: ContainerName, name: str) -> Found:
        """Return the properties of a blob. Raises NotFound."""
        headers: dict[str, str] = {}
        async with storage_call(f"read {container}/{name}"):
            properties = await self._client(container, name).get_blob_properties(
                raw_response_hook=lambda response: headers.update(response.http_response.headers)
            )
        self._hierarchical = _HIERARCHICAL in headers
        return Found.of(properties, hierarchical=self._hierarchical)

    async def delete(self, container: ContainerName, name: str, *, etag: str | None = None) -> bool:
        """Delete a blob, with `etag` only in that state; return whether it was deleted."""
        condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
        try:
            async with storage_call(f"delete {container}/{name}"):
                await self._client(container, name).delete_blob(**condition)  # type: ignore[arg-type]
        except (NotFound, Conflict):
            return False
        return True

    async def list(self, container: ContainerName, prefix: str = "") -> AsyncIterator[Found]:
        """Yield the blobs in the order of their names; none if there is no such container."""
        listed = self._service.get_container_client(container).list_blobs(
            name_starts_with=prefix or None, include=["metadata"]
        )
        pages = listed.by_page()
        while True:
            try:
                async with storage_call(f"list {container}"):
                    page = await anext(pages, None)
                    found = [Found.of(each) async for each in page] if page is not None else []
            except NotFound:
                return
            if page is None:
                return
            for each in found:
                yield each
