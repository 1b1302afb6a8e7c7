"""Tables and rows."""

import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from handlers.errors import NotFound, StorageFault
from handlers.stores.faults import storage_call

type Value = str | int | bool | float | datetime
type Entity = Mapping[str, Value]
# Where a query goes on: the service's own names of the next partition and row.
type Continuation = Mapping[str, str | None]


class TableName(StrEnum):
    DELIVERIES = "deliveries"
    TIMELINE = "timeline"
    RECORDS = "records"
    REPEATS = "repeats"
    ARRIVALS = "arrivals"
    DRIFT = "drift"


# Azure's limit is 1 KiB for a key, in UTF-16.
_MAX_KEY = 400


def table_key(text: str) -> str:
    r"""Make a text fit for a key: what keys forbid is percent-encoded, and an over-long one ends in a hash.

    Forbidden are `/ \ # ?`, control characters and what is no character; `%` is encoded so that the encoding
    can be undone, `~` so that no other text makes the key of an over-long one. What else lies beyond ASCII is
    kept.
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
    """Hold a row that was read, with the `etag` that names its state."""

    etag: str

    def __init__(self, values: Mapping[str, Any], etag: str) -> None:
        super().__init__(values)
        self.etag = etag


class Tables:
    """Write and read rows; a table that is missing is created when a write first finds it so."""

    def __init__(self, service: TableServiceClient) -> None:
        self._service = service
        self._clients: dict[TableName, TableClient] = {}

    def _client(self, table: TableName) -> TableClient:
        client = self._clients.get(table)
        if client is None:
            client = self._clients[table] = self._service.get_table_client(table)
        return client

    async def merge(self, table: TableName, row: Entity) -> None:
        """Write these columns of a row, whether it was there or not; other columns stay."""
        client = self._client(table)
        await self._write(table, lambda: client.upsert_entity(dict(row), mode=UpdateMode.MERGE))

    async def insert(self, table: TableName, row: Entity) -> None:
        """Write a new row. Raises Conflict if it is there."""
        client = self._client(table)
        await self._write(table, lambda: client.create_entity(dict(row)))

    async def replace(self, table: TableName, row: Entity, *, etag: str) -> None:
        """Replace a row in the state that `etag` names. Raises Conflict if it changed, NotFound if gone."""
        client = self._client(table)
        with storage_call(f"write to table {table}"):
            await client.update_entity(
                dict(row), mode=UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
            )

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
        with storage_call(f"look into table {table}"):
            entity = await self._client(table).get_entity(partition, row)
        return Row(entity, str(entity.metadata["etag"]))

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

        The second value says that there is more to look at and where; the rows may then be fewer, or none.
        """
        query = self._client(table).query_entities(condition, results_per_page=size, select=columns)
        pages = query.by_page(after)  # type: ignore[arg-type] # a mapping, which the SDK calls a str
        try:
            with storage_call(f"look into table {table}"):
                rows = [Row(each, str(each.metadata["etag"])) async for each in await anext(pages)]
        except NotFound:
            return [], None
        return rows, pages.continuation_token  # type: ignore[attr-defined]

    async def query(
        self, table: TableName, condition: str, *, columns: list[str] | None = None
    ) -> AsyncIterator[Row]:
        """Yield the rows that meet an OData condition, in the order of their keys; none if no such table."""
        try:
            with storage_call(f"look into table {table}"):
                async for entity in self._client(table).query_entities(condition, select=columns):
                    yield Row(entity, str(entity.metadata["etag"]))
        except NotFound:
            return
