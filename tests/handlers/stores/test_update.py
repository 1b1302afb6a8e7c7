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


async def test_unread_a_row_that_is_new_or_as_it_was_left_takes_one_call(
    bench: Bench, calls: list[Call]
) -> None:
    tables = bench.app.stores.tables
    await tables.ensure(TableName.RECORDS)
    calls.clear()
    for _ in range(3):
        await tables.update(*KEYS, one_more, unread=True)
    assert [call.method for call in calls] == ["POST", "PUT", "PUT"]
    assert (await tables.get(*KEYS))["count"] == 3


async def test_unread_changes_of_several_instances_are_all_made(bench: Bench) -> None:
    instances = [bench.app.stores.tables, bench.start().stores.tables, bench.start().stores.tables]
    changes = [each.update(*KEYS, one_more, unread=True) for each in instances for _ in range(10)]
    await asyncio.gather(*changes)
    assert (await instances[0].get(*KEYS))["count"] == 30


async def test_unread_a_row_that_is_gone_is_made_again(bench: Bench) -> None:
    tables = bench.app.stores.tables
    await tables.update(*KEYS, one_more, unread=True)
    await tables.delete(*KEYS)
    assert await tables.update(*KEYS, one_more, unread=True) is None
    assert (await tables.get(*KEYS))["count"] == 1


async def test_unread_a_row_is_left_as_it_is_only_for_what_is_in_it(bench: Bench) -> None:
    tables, others = bench.app.stores.tables, bench.start().stores.tables
    await tables.update(*KEYS, lambda _: {"count": 7}, unread=True)
    await others.update(*KEYS, lambda _: {"count": 1})
    # as this process left it, nothing would have to be done
    await tables.update(*KEYS, lambda row: None if row and row["count"] == 7 else {"count": 7}, unread=True)
    assert (await tables.get(*KEYS))["count"] == 7


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
