"""The index of a search: what it costs an event, and that it goes with what it was made from."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from bench import Bench, Call, delivery

from events import Delivery, Subject, parse
from events.models import Kind
from handlers.errors import StorageFault
from handlers.ledger import query, write
from handlers.ledger.query import find
from handlers.ledger.rows import Outcome, Status
from handlers.ledger.words import keys_of
from handlers.operations import erasure, retention
from handlers.operations.erasure import Person
from handlers.stores import Entity, TableName, Tables
from handlers.work import Work

SENT = Outcome(status=Status.SENT)
JOB = Subject(Kind.JOB, "J29328-01")
KOWHAI = {"Number": "KOWSEED", "Name": "Kowhai Seeds"}


def about_job(
    customer: Mapping[str, str] = KOWHAI, *, at: datetime | None = None, price: int = 1
) -> Delivery:
    body = {"JobNumber": JOB.key, "Customer": customer, "Product": {"TotalSalePrice": price}}
    return delivery(json.dumps(body).encode(), "CreateJobXml", at=at)


async def record(bench: Bench, sent: Delivery, *, attempt: int = 1) -> None:
    work = Work.of(sent).model_copy(update={"attempt": attempt})
    await write.record(bench.app.stores.tables, work, SENT, parse(sent))


async def found(bench: Bench, text: str) -> list[str]:
    return [match.subject.key for match in (await query.search(bench.app.stores.tables, text)).subjects]


async def test_an_event_about_a_known_subject_costs_no_further_request(
    bench: Bench, calls: list[Call]
) -> None:
    await bench.app.stores.tables.ensure(TableName.SEARCH)
    await record(bench, about_job())
    assert len(written_to_search(calls)) == 1, "all rows of a new subject are one request"
    calls.clear()
    await record(bench, about_job(price=2))
    assert written_to_search(calls) == []


def written_to_search(calls: list[Call]) -> list[Call]:
    return [call for call in calls if "$batch" in call.path or call.path.startswith(TableName.SEARCH)]


async def test_a_subject_is_found_by_its_new_customer(bench: Bench) -> None:
    await record(bench, about_job())
    await record(bench, about_job({"Number": "RIMU", "Name": "Rimu Press"}))
    assert await found(bench, "rimu pr") == ["RIMU"]


async def test_what_an_older_state_says_that_comes_late_finds_the_subject_too(bench: Bench) -> None:
    older, newer = about_job(), about_job({"Number": "RIMU", "Name": "Rimu Press"})
    await record(bench, newer)
    await record(bench, older)
    assert await found(bench, "kowhai") == [JOB.key], "the name is not RIMU's"
    assert await found(bench, "rimu") == ["RIMU"]


async def test_events_that_say_different_things_of_a_subject_write_its_index_once_each(
    bench: Bench, calls: list[Call]
) -> None:
    await bench.app.stores.tables.ensure(TableName.SEARCH)
    accepted = {"QuoteNo": "Q7", "JobReference": "spring", "Products": [{"JobNo": JOB.key}]}
    for number in range(3):
        calls.clear()
        await record(bench, about_job(price=number))
        status = delivery(json.dumps({**accepted, "StatusID": number}).encode(), "UpdateJobStatus")
        await record(bench, status)
        assert len(written_to_search(calls)) == (0 if number else 2)
    assert await found(bench, "kowhai") == ["KOWSEED"]
    (match,) = (await query.search(bench.app.stores.tables, "spring")).subjects
    assert (match.subject, match.customer) == (JOB, "Kowhai Seeds")


@pytest.mark.parametrize("later", [False, True])
async def test_what_an_interrupted_attempt_did_not_write_the_next_one_does(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, later: bool
) -> None:
    async def no_more(self: Tables, table: TableName, partition: str, rows: Mapping[str, Entity]) -> None:
        raise StorageFault("away")

    sent = about_job()
    with monkeypatch.context() as interrupted:
        interrupted.setattr(Tables, "put_all", no_more)
        with pytest.raises(StorageFault):
            await record(bench, sent)
    if later:
        await record(bench, about_job(price=2))
    assert await found(bench, "29328") == []
    await record(bench, sent, attempt=2)
    assert await found(bench, "29328") == [JOB.key]


async def test_retention_removes_what_only_the_removed_deliveries_brought(bench: Bench) -> None:
    old = datetime.now(UTC) - timedelta(days=400)
    await record(bench, about_job({"Number": "RIMU", "Name": "Rimu Press"}, at=old))
    await record(bench, about_job(at=old + timedelta(days=1)))
    await record(bench, about_job())
    assert await found(bench, "rimu") == ["RIMU", JOB.key]
    assert await retention.retain(bench.app) == 2
    assert await found(bench, "rimu") == []
    assert await found(bench, "29328") == [JOB.key]
    assert await found(bench, "kowhai") == ["KOWSEED"]


async def test_erasure_leaves_nothing_to_find_a_person_by(bench: Bench) -> None:
    sent = [about_job(), about_job({"Number": "KOWSEED", "Name": "Kowhai Seeds and Sons"})]
    for each in sent:
        await record(bench, each)
    person = Person(subject=Subject(Kind.CUSTOMER, "KOWSEED"))
    for row in [row async for row in erasure.deliveries_of(person, bench.app)]:
        await erasure.erase(row, "asked", person, bench.app)
    assert await bench.rows("search") == []
    for each in sent:
        assert (await find(bench.app.stores.tables, each.id)).terms == ()


async def test_what_comes_while_its_predecessor_is_removed_can_be_found(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = about_job(), about_job(price=2)
    await record(bench, first)
    delete_all = Tables.delete_all

    async def late(self: Tables, table: TableName, partition: str, keys: list[str]) -> None:
        monkeypatch.setattr(Tables, "delete_all", delete_all)
        await record(bench, second)
        await delete_all(self, table, partition, keys)

    monkeypatch.setattr(Tables, "delete_all", late)
    await write.forget(bench.app.stores.tables, await find(bench.app.stores.tables, first.id))
    assert await found(bench, "29328") == [JOB.key]


def test_a_subject_with_much_to_find_it_by_fits_into_one_transaction() -> None:
    body = {
        "SalesOrderNo": "SO-4711-0815",
        "CustomerReference": "0123456789" * 30,
        "Products": [{"JobNo": f"J{number:06}-{number:04}"} for number in range(300)],
    }
    event = parse(delivery(json.dumps(body).encode(), "CreateJob"))
    assert event.subject is not None
    keys = keys_of(event.subject, event.terms)
    assert len(keys) == 100
    assert {term.value[:9] for term in keys.values()} >= {"SO-4711-0", "012345678", "J000000-0"}
