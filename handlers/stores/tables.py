"""Tables and rows."""

import asyncio
import contextlib
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError
from azure.data.tables import EdmType, EntityProperty, UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from handlers.errors import Conflict, NotFound, StorageFault
from handlers.stores.faults import storage_call

type Value = str | int | bool | float | datetime
type Entity = Mapping[str, Value]
# Where a query resumes: the service's own names of the next partition and row.
type Continuation = Mapping[str, str | None]


class TableName(StrEnum):
    DELIVERIES = "deliveries"
    TIMELINE = "timeline"
    RECORDS = "records"
    ERASURES = "erasures"
    DUPLICATES = "duplicates"
    LAST_SEEN = "lastseen"
    DRIFT = "drift"


class Int64(int):
    """A number for a column of 64 bits; plain integers become columns of 32."""


# How long `update` competes with other writers of one row, in seconds.
_CONTENTION_SECONDS = 60
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 2.0


# Azure's limit is 1 KiB for a key, in UTF-16.
_MAX_KEY = 400


def table_key(text: str) -> str:
    r"""Encode a text as a key: what keys forbid is percent-encoded, and an over-long one ends in a hash.

    Forbidden are `/ \ # ?`, control characters and code points that are not characters. `%` is encoded to
    keep the encoding reversible, `~` to keep keys of over-long texts unique. Other characters beyond ASCII
    are kept.
    """
    encoded = _FORBIDDEN.sub(_percent, text)
    if len(encoded.encode("utf-16-le")) // 2 <= _MAX_KEY:
        return encoded
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{encoded[: _MAX_KEY // 2]}~{digest}"


_FORBIDDEN = re.compile(r"[/\\#?%~\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


class Row(dict[str, Any]):
    """A row that was read; `etag` names its state."""

    etag: str

    def __init__(self, values: Mapping[str, Any], etag: str) -> None:
        super().__init__(values)
        self.etag = etag


def _read(entity: Any) -> Row:
    values = {name: _unwrapped(value) for name, value in entity.items()}
    return Row(values, str(entity.metadata["etag"]))


def _unwrapped(value: object) -> object:
    if isinstance(value, EntityProperty) and value.edm_type == EdmType.INT64:
        return Int64(value.value)
    return value


def _written(row: Entity) -> dict[str, Any]:
    return {
        name: EntityProperty(int(value), EdmType.INT64) if isinstance(value, Int64) else value
        for name, value in row.items()
    }


class Tables:
    """The app's tables; a write that finds its table missing creates it."""

    def __init__(self, service: TableServiceClient) -> None:
        self._service = service
        self._clients: dict[TableName, TableClient] = {}

    def _client(self, table: TableName) -> TableClient:
        client = self._clients.get(table)
        if client is None:
            client = self._clients[table] = self._service.get_table_client(table)
        return client

    async def merge(self, table: TableName, row: Entity) -> None:
        """Write these columns of a row, new or not; its other columns stay."""
        client = self._client(table)
        await self._write(table, lambda: client.upsert_entity(_written(row), mode=UpdateMode.MERGE))

    async def insert(self, table: TableName, row: Entity) -> None:
        """Write a new row. Raises Conflict if it is there."""
        client = self._client(table)
        await self._write(table, lambda: client.create_entity(_written(row)))

    async def replace(self, table: TableName, row: Entity, *, etag: str) -> None:
        """Replace a row in the state that `etag` names. Raises Conflict if it changed, NotFound if gone."""
        client = self._client(table)
        with storage_call(f"write to table {table}"):
            await client.update_entity(
                _written(row),
                mode=UpdateMode.REPLACE,
                etag=etag,
                match_condition=MatchConditions.IfNotModified,
            )

    async def update(
        self, table: TableName, partition: str, row: str, change: Callable[[Row | None], Entity | None]
    ) -> Row | None:
        """Replace a row with what `change` makes of it, unless another writer was first: then try again.

        `change` gets the row, None if there is none, and returns its new columns without the keys, None to
        leave it as it is; it runs once for each try. Returns the row that was there at the last try, before
        the change. Raises what `change` raises, and StorageFault after a minute of competing.
        """
        keys = {"PartitionKey": partition, "RowKey": row}
        deadline, pause = time.monotonic() + _CONTENTION_SECONDS, _FIRST_PAUSE
        while True:
            try:
                found = await self.get(table, partition, row)
            except NotFound:
                found = None
            columns = change(found)
            if columns is None:
                return found
            try:
                if found is None:
                    await self.insert(table, {**columns, **keys})
                else:
                    await self.replace(table, {**columns, **keys}, etag=found.etag)
            except (Conflict, NotFound) as error:
                if time.monotonic() > deadline:
                    raise StorageFault(
                        f"could not write to table {table}: too many writers of one row"
                    ) from error
            else:
                return found
            await asyncio.sleep(random.uniform(0, pause))
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _write(self, table: TableName, call: Callable[[], Awaitable[object]]) -> None:
        try:
            with storage_call(f"write to table {table}"):
                await call()
        except NotFound:
            await self.ensure(table)
            try:
                with storage_call(f"write to table {table}"):
                    await call()
            except NotFound as error:
                raise StorageFault(str(error)) from error

    async def ensure(self, table: TableName) -> None:
        """Create the table if it is missing."""
        # suppressed: another instance was first
        with storage_call(f"create table {table}"), contextlib.suppress(ResourceExistsError):
            await self._client(table).create_table()

    async def get(self, table: TableName, partition: str, row: str) -> Row:
        """Read a row. Raises NotFound."""
        with storage_call(f"read table {table}"):
            entity = await self._client(table).get_entity(partition, row)
        return _read(entity)

    async def exists(self, table: TableName, partition: str, row: str) -> bool:
        """Return whether there is such a row."""
        try:
            await self.get(table, partition, row)
        except NotFound:
            return False
        return True

    async def delete_if(
        self, table: TableName, partition: str, row: str, condition: Callable[[Row], bool]
    ) -> None:
        """Delete a row if it meets a condition; one that is changed meanwhile stays."""
        try:
            found = await self.get(table, partition, row)
            if condition(found):
                await self.delete(table, partition, row, etag=found.etag)
        except (NotFound, Conflict):
            return

    async def delete(self, table: TableName, partition: str, row: str, *, etag: str | None = None) -> None:
        """Delete a row, if it is there. With `etag`, raises Conflict if it is in another state."""
        only_if = MatchConditions.IfNotModified if etag else None
        with storage_call(f"delete a row of {table}"):
            await self._client(table).delete_entity(partition, row, etag=etag, match_condition=only_if)

    async def page(
        self,
        table: TableName,
        condition: str,
        *,
        size: int,
        after: Continuation | None = None,
        columns: list[str] | None = None,
    ) -> tuple[list[Row], Continuation | None]:
        """Read up to `size` rows (1,000 at most) in the order of their keys, in one request.

        The second value says that there is more to read and where; the rows may then be fewer, or none.
        """
        query = self._client(table).query_entities(condition, results_per_page=size, select=columns)
        pages = query.by_page(after)  # type: ignore[arg-type] # a mapping, which the SDK calls a str
        try:
            with storage_call(f"read table {table}"):
                rows = [_read(each) async for each in await anext(pages)]
        except NotFound:
            return [], None
        return rows, pages.continuation_token  # type: ignore[attr-defined]

    async def query(
        self, table: TableName, condition: str, *, columns: list[str] | None = None
    ) -> AsyncIterator[Row]:
        """Yield the rows that meet an OData condition, in the order of their keys; none if no such table."""
        try:
            with storage_call(f"read table {table}"):
                async for entity in self._client(table).query_entities(condition, select=columns):
                    yield _read(entity)
        except NotFound:
            return
