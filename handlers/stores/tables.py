"""Tables and rows."""

import asyncio
import contextlib
import json
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode
from weakref import WeakValueDictionary

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from handlers.errors import Conflict, NotFound, StorageFault
from handlers.ids import ending_in_hash
from handlers.stores import transaction
from handlers.stores.account import Account
from handlers.stores.faults import storage_call
from handlers.stores.transaction import Operation

type Value = str | int | bool | float
type Entity = Mapping[str, Value]
# Where a query resumes: the service's own names of the next partition and row.
type Continuation = Mapping[str, str]


_RESUME = ("NextPartitionKey", "NextRowKey")
_LARGEST_PAGE = 1000


class TableName(StrEnum):
    DELIVERIES = "deliveries"
    TIMELINE = "timeline"
    RECORDS = "records"
    ERASURES = "erasures"
    DUPLICATES = "duplicates"
    LAST_SEEN = "lastseen"
    DRIFT = "drift"
    SENDS = "sends"
    SEARCH = "search"
    SUBSCRIPTIONS = "subscriptions"


class Int64(int):
    """A number for a column of 64 bits; plain integers become columns of 32."""


# How long `update` competes with other writers of one row, in seconds.
_CONTENTION_SECONDS = 60
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 2.0


# Azure's limit is 1 KiB for a key, in UTF-16.
_MAX_KEY = 400


def table_key(text: str, *, longest: int = _MAX_KEY) -> str:
    r"""Encode a text as a key: what keys forbid is percent-encoded, and one over `longest` ends in a hash.

    Forbidden are `/ \ # ?`, control characters and code points that are not characters. `%` is encoded to
    keep the encoding reversible, `~` to keep keys of over-long texts unique. Other characters beyond ASCII
    are kept.
    """
    encoded = _FORBIDDEN.sub(_percent, text)
    if len(encoded.encode("utf-16-le")) // 2 <= longest:
        return encoded
    return ending_in_hash(encoded[: longest // 2], text)


_FORBIDDEN = re.compile(r"[/\\#?%~\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


class Row(dict[str, Any]):
    """A row that was read; `etag` names its state."""

    etag: str

    def __init__(self, values: Mapping[str, Any], etag: str) -> None:
        super().__init__(values)
        self.etag = etag


# https://learn.microsoft.com/rest/api/storageservices/payload-format-for-table-service-operations
_READ = {"Accept": "application/json;odata=minimalmetadata", "DataServiceVersion": "3.0"}
_WRITE = {
    "Accept": "application/json;odata=nometadata",
    "Content-Type": "application/json",
    "DataServiceVersion": "3.0",
    "Prefer": "return-no-content",
}


def _path(table: TableName, partition: str, row: str) -> str:
    return f"/{table}(PartitionKey='{_quoted(partition)}',RowKey='{_quoted(row)}')"


# One event has a few partitions and row keys, each in several of its rows.
@lru_cache(256)
def _quoted(key: str) -> str:
    return quote(key.replace("'", "''"), safe="")


def _encode(row: Entity) -> bytes:
    members: dict[str, Value] = {}
    for name, value in row.items():
        if isinstance(value, Int64):
            members[f"{name}@odata.type"] = "Edm.Int64"
            members[name] = str(value)
        else:
            members[name] = value
    return json.dumps(members).encode()


def _decode(members: Mapping[str, Any], etag: str) -> Row:
    values = {
        name: Int64(value) if members.get(f"{name}@odata.type") == "Edm.Int64" else value
        for name, value in members.items()
        if "odata." not in name and name != "Timestamp"
    }
    return Row(values, etag)


type _Place = tuple[TableName, str, str]
# Rows that a process remembers as it left them: of the subjects that have several events at a time.
_REMEMBERED = 500


class Tables:
    """The app's tables; a write that finds its table missing creates it."""

    def __init__(self, account: Account) -> None:
        self._wire = account.wire("table")
        self._turns: WeakValueDictionary[_Place, asyncio.Lock] = WeakValueDictionary()
        self._left: dict[_Place, Row] = {}

    async def put(self, table: TableName, row: Entity) -> None:
        """Write a row, in place of the one with its keys, if there is one."""
        # https://learn.microsoft.com/rest/api/storageservices/insert-or-replace-entity
        path = _path(table, str(row["PartitionKey"]), str(row["RowKey"]))
        await self._write(table, "PUT", path, _encode(row))

    async def put_all(self, table: TableName, partition: str, rows: Mapping[str, Entity]) -> None:
        """Write up to MAX_OPERATIONS rows of a partition as `put` does, in one transaction.

        `rows` maps row keys to columns without the keys.
        """
        operations = [
            Operation(
                "PUT",
                self._wire.address + _path(table, partition, key),
                _encode({**columns, "PartitionKey": partition, "RowKey": key}),
            )
            for key, columns in rows.items()
        ]
        await self._creating(table, lambda: self._transact(f"write to table {table}", operations, _WRITE))

    async def delete_all(self, table: TableName, partition: str, keys: Sequence[str]) -> None:
        """Delete rows of a partition in one transaction; if one of them is not there, one after the other."""
        headers = {"Accept": _WRITE["Accept"], "If-Match": "*"}
        operations = [Operation("DELETE", self._wire.address + _path(table, partition, key)) for key in keys]
        try:
            await self._transact(f"delete rows of {table}", operations, headers)
        except NotFound:
            for key in keys:
                await self.delete(table, partition, key)

    async def _transact(self, what: str, operations: Sequence[Operation], headers: Mapping[str, str]) -> None:
        async with storage_call(what):
            body = transaction.written(operations, headers)
            response = await self._wire.call("POST", "/$batch", headers=transaction.HEADERS, body=body)
            transaction.check(response, len(operations))

    async def insert(self, table: TableName, row: Entity) -> str:
        """Write a new row, and return its ETag. Raises Conflict if it is there."""
        # https://learn.microsoft.com/rest/api/storageservices/insert-entity
        return await self._write(table, "POST", f"/{table}", _encode(row))

    async def replace(self, table: TableName, row: Entity, *, etag: str) -> str:
        """Replace a row in the state that `etag` names, and return its new ETag.

        Raises Conflict if it changed, NotFound if it is gone.
        """
        # https://learn.microsoft.com/rest/api/storageservices/update-entity2
        path = _path(table, str(row["PartitionKey"]), str(row["RowKey"]))
        async with storage_call(f"write to table {table}"):
            headers = {**_WRITE, "If-Match": etag}
            return (await self._wire.call("PUT", path, headers=headers, body=_encode(row))).headers["ETag"]

    async def update(
        self,
        table: TableName,
        partition: str,
        row: str,
        change: Callable[[Row | None], Entity | None],
        *,
        unread: bool = False,
    ) -> Row | None:
        """Replace a row with what `change` makes of it, unless another writer was first: then try again.

        `change` gets the row, None if there is none, and returns its new columns without the keys, None to
        leave it as it is; it runs once for each try. Returns the row that was there at the last try, before
        the change. Raises what `change` raises, and StorageFault after a minute of competing.

        With `unread` the first try takes the row to be as this process left it, else not to be there: that
        saves a read. Only a write can prove it, so a row is never left as it is without having been read.
        """
        # writers in one process take turns: two dozen on one row would mostly make each other retry
        async with self._turns.setdefault((table, partition, row), asyncio.Lock()):
            return await self._compete((table, partition, row), change, unread=unread)

    async def _compete(
        self, place: _Place, change: Callable[[Row | None], Entity | None], *, unread: bool
    ) -> Row | None:
        deadline, pause = time.monotonic() + _CONTENTION_SECONDS, _FIRST_PAUSE
        found = self._left.pop(place, None) if unread else await self._find(*place)
        is_read = not unread
        while True:
            columns = change(found)
            if columns is not None:
                try:
                    written = await self._change(place, found, columns)
                except (Conflict, NotFound) as error:
                    if time.monotonic() > deadline:
                        raise StorageFault(
                            f"could not write to table {place[0]}: too many writers of one row"
                        ) from error
                else:
                    if unread:
                        self._remember(place, written)
                    return found
            elif is_read:
                return found
            if is_read:
                await asyncio.sleep(random.uniform(0, pause))
                pause = min(2 * pause, _LONGEST_PAUSE)
            found, is_read = await self._find(*place), True

    async def _find(self, table: TableName, partition: str, row: str) -> Row | None:
        try:
            return await self.get(table, partition, row)
        except NotFound:
            return None

    async def _change(self, place: _Place, found: Row | None, columns: Entity) -> Row:
        """Write a row in place of the one that was found. Raises Conflict and NotFound."""
        table, partition, row = place
        entity = {**columns, "PartitionKey": partition, "RowKey": row}
        if found is None:
            return Row(entity, await self.insert(table, entity))
        return Row(entity, await self.replace(table, entity, etag=found.etag))

    def _remember(self, place: _Place, row: Row) -> None:
        self._left[place] = row
        if len(self._left) > _REMEMBERED:
            del self._left[next(iter(self._left))]  # the one that was left first

    async def _write(self, table: TableName, method: str, path: str, body: bytes) -> str:
        """Write a row and return its ETag."""

        async def write() -> str:
            async with storage_call(f"write to table {table}"):
                return (await self._wire.call(method, path, headers=_WRITE, body=body)).headers["ETag"]

        return await self._creating(table, write)

    async def _creating[T](self, table: TableName, write: Callable[[], Awaitable[T]]) -> T:
        try:
            return await write()
        except NotFound:
            await self.ensure(table)
            try:
                return await write()
            except NotFound as error:
                raise StorageFault(str(error)) from error

    async def ensure(self, table: TableName) -> None:
        """Create the table if it is missing."""
        # suppressed: another instance was first
        async with storage_call(f"create table {table}"):
            # https://learn.microsoft.com/rest/api/storageservices/create-table
            body = json.dumps({"TableName": table}).encode()
            with contextlib.suppress(ResourceExistsError):
                await self._wire.call("POST", "/Tables", headers=_WRITE, body=body)

    async def get(self, table: TableName, partition: str, row: str) -> Row:
        """Read a row. Raises NotFound."""
        async with storage_call(f"read table {table}"):
            response = await self._wire.call("GET", _path(table, partition, row), headers=_READ)
            found = _decode(json.loads(response.body()), response.headers["ETag"])
            if (found["PartitionKey"], found["RowKey"]) != (partition, row):
                raise ValueError("the response is another row's")
        return found

    async def exists(self, table: TableName, partition: str, row: str) -> bool:
        """Return whether there is such a row."""
        return await self._find(table, partition, row) is not None

    async def delete_if(
        self, table: TableName, partition: str, row: str, condition: Callable[[Row], bool]
    ) -> Row | None:
        """Delete a row if it meets a condition, and return it if not; one that is changed meanwhile stays."""
        with contextlib.suppress(NotFound, Conflict):
            found = await self.get(table, partition, row)
            if not condition(found):
                return found
            await self.delete(table, partition, row, etag=found.etag)
        return None

    async def delete(self, table: TableName, partition: str, row: str, *, etag: str | None = None) -> None:
        """Delete a row, if it is there. With `etag`, raises Conflict if it is in another state."""
        # https://learn.microsoft.com/rest/api/storageservices/delete-entity1
        headers = {"Accept": _WRITE["Accept"], "If-Match": etag or "*"}
        async with storage_call(f"delete a row of {table}"):
            with contextlib.suppress(ResourceNotFoundError):
                await self._wire.call("DELETE", _path(table, partition, row), headers=headers)

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

        The second value is where to read on, None at the end; before the end the rows may be fewer, or none.
        """
        # https://learn.microsoft.com/rest/api/storageservices/query-entities
        asked = {"$filter": condition, "$top": str(size), **(after or {})}
        if columns:
            asked["$select"] = ",".join(columns)
        try:
            async with storage_call(f"read table {table}"):
                path = f"/{table}()?{urlencode(asked, quote_via=quote)}"
                response = await self._wire.call("GET", path, headers=_READ)
                rows = [_decode(each, each["odata.etag"]) for each in json.loads(response.body())["value"]]
        except NotFound:
            return [], None
        found = {name: response.headers.get(f"x-ms-continuation-{name}") for name in _RESUME}
        return rows, {name: value for name, value in found.items() if value} or None

    async def query(
        self, table: TableName, condition: str, *, columns: list[str] | None = None
    ) -> AsyncIterator[Row]:
        """Yield the rows that meet an OData condition, in the order of their keys; none if no such table."""
        rest: Continuation | None = None
        while True:
            rows, rest = await self.page(table, condition, size=_LARGEST_PAGE, after=rest, columns=columns)
            for row in rows:
                yield row
            if rest is None:
                return
