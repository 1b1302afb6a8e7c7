"""A row that several change at once has every change; numbers keep their size."""

import asyncio

import pytest
from bench import Bench, Call

from handlers.errors import NotFound
from handlers.stores import Entity, Int64, Row, TableName

KEYS = (TableName.RECORDS, "quote", "Q1")


def one_more(row: Row | None) -> Entity:
    return {"count": row["count"] + 1 if row is not None else 1}


async def test_changes_at_once_are_all_made(bench: Bench) -> None:
    tables = bench.app.stores.tables
    await asyncio.gather(*(tables.update(*KEYS, one_more) for _ in range(20)))
    assert (await tables.get(*KEYS))["count"] == 20


async def test_a_change_that_leaves_a_row_as_it_is_writes_nothing(bench: Bench, calls: list[Call]) -> None:
    tables = bench.app.stores.tables
    assert await tables.update(*KEYS, lambda _: None) is None
    assert {call.method for call in calls} == {"GET"}
    with pytest.raises(NotFound):
        await tables.get(*KEYS)


async def test_a_row_is_deleted_only_if_the_condition_holds(bench: Bench) -> None:
    tables = bench.app.stores.tables
    await tables.update(*KEYS, one_more)
    await tables.delete_if(*KEYS, lambda row: row["count"] == 2)
    assert await tables.exists(*KEYS)
    await tables.delete_if(*KEYS, lambda row: row["count"] == 1)
    assert not await tables.exists(*KEYS)


async def test_a_number_beyond_32_bits_comes_back_as_it_went(bench: Bench) -> None:
    tables = bench.app.stores.tables
    await tables.update(*KEYS, lambda _: {"size": Int64(5_000_000_000), "small": 7})
    await tables.update(*KEYS, lambda row: {**(row or {}), "small": 8})
    row = await tables.get(*KEYS)
    assert (row["size"], row["small"]) == (5_000_000_000, 8)
