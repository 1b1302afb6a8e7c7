"""Rows of one partition are written and deleted in one request."""

from bench import Bench, Call

from handlers.stores import TableName

ODD = ["it's", "Kōwhai 🌿", "a=b&c+d", "%2F", "two  blanks", 'a "quote"']


PARTITION = "p's & q's"


def rows(*keys: str) -> dict[str, dict[str, str]]:
    return {key: {"text": f"{key}\r\n--changeset_printiq"} for key in keys}


async def test_rows_come_back_as_they_went_whatever_their_keys(bench: Bench) -> None:
    tables = bench.app.stores.tables
    await tables.put_all(TableName.SEARCH, PARTITION, rows(*ODD))
    assert {row["RowKey"]: {"text": row["text"]} for row in await bench.rows("search")} == rows(*ODD)


async def test_rows_are_deleted_in_one_request_and_those_that_are_not_there_do_no_harm(
    bench: Bench, calls: list[Call]
) -> None:
    tables = bench.app.stores.tables
    await tables.put_all(TableName.SEARCH, PARTITION, rows("a", "b", "c"))
    calls.clear()
    await tables.delete_all(TableName.SEARCH, PARTITION, ["a"])
    assert [call.path for call in calls] == ["$batch"]
    await tables.delete_all(TableName.SEARCH, PARTITION, ["a", "b"])
    assert [row["RowKey"] for row in await bench.rows("search")] == ["c"]


async def test_nothing_is_deleted_where_there_is_no_table(bench: Bench) -> None:
    await bench.app.stores.tables.delete_all(TableName.SEARCH, "p", ["a"])
