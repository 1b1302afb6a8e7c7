"""In whatever order deliveries are processed, exactly one of each run of equal ones goes out unmarked."""

import asyncio
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby, permutations

import pytest
from bench import Bench, delivery, quote
from hypothesis import given
from hypothesis import strategies as st

from events import Channel, Delivery, Event, Payload, parse
from handlers.ids import new_id, time_of
from handlers.ledger import write
from handlers.ledger.rows import Outcome, Status
from handlers.pipeline.duplicates import Entry, History, Verdict, decide, insert
from handlers.pipeline.process import process
from handlers.stores import Tables
from handlers.timings import Timings
from handlers.work import Message, Work

START = datetime(2025, 8, 11, 2, 0, tzinfo=UTC)
WINDOW = timedelta(minutes=10)


def _entries(contents: str, *, apart: timedelta = timedelta(milliseconds=5)) -> list[Entry]:
    return [
        Entry(new_id(START + number * apart), content, Channel.WEBHOOK, "json", 1)
        for number, content in enumerate(contents)
    ]


def _processed(entries: Iterable[Entry]) -> History:
    """Return the history after deliveries were processed in this order."""
    history = History()
    for entry in entries:
        history, _ = insert(history, entry, WINDOW)
    return history


def _seen(entries: Sequence[Entry], order: Iterable[int]) -> tuple[Entry, ...]:
    return _processed(entries[number] for number in order).entries


def _check(entries: Sequence[Entry], history: Sequence[Entry]) -> None:
    assert [entry.id for entry in history] == [entry.id for entry in entries]
    for content, run in groupby(history, key=lambda entry: entry.digest):
        heads = [entry for entry in run if entry.duplicate_of is None]
        assert len(heads) == 1, f"{content}: {history}"
    ids = {entry.id: entry.digest for entry in history}
    for entry in history:
        assert entry.duplicate_of is None or ids[entry.duplicate_of] == entry.digest


@pytest.mark.parametrize(
    "contents", ["A", "AA", "AB", "ABA", "AAA", "AABA", "ABAB", "ABBA", "AAAA", "AABAA", "ABCAB"]
)
def test_each_run_has_one_head_in_every_order_of_processing(contents: str) -> None:
    entries = _entries(contents)
    for order in permutations(range(len(contents))):
        _check(entries, _seen(entries, order))


@given(st.data())
def test_each_run_has_one_head_in_any_order_of_any_deliveries(data: st.DataObject) -> None:
    contents = data.draw(st.text("AB", min_size=1, max_size=12))
    entries = _entries(contents)
    _check(entries, _seen(entries, data.draw(st.permutations(range(len(contents))))))


def test_what_an_earlier_one_frees_is_remembered_with_it() -> None:
    first, between, last = _entries("ABA")
    history = _processed([first, last, between]).entries
    assert history[1].freed == (last.id,)
    assert history[2].duplicate_of is None


def test_deliveries_further_apart_than_the_window_are_no_duplicates() -> None:
    entries = _entries("AA", apart=WINDOW + timedelta(milliseconds=1))
    assert [entry.duplicate_of for entry in _seen(entries, range(2))] == [None] * 2


def test_each_of_a_chain_is_compared_with_the_one_before_it_even_when_the_first_is_forgotten() -> None:
    entries = _entries("A" * 420, apart=WINDOW)
    history = _seen(entries, range(len(entries)))
    assert entries[0].id not in {entry.id for entry in history}
    assert {entry.duplicate_of for entry in history} == {entries[0].id}


async def test_a_verdict_is_still_known_when_sending_failed_for_days(bench: Bench) -> None:
    begun = datetime.now(UTC) - timedelta(days=6)
    first, second = (delivery(quote("Q1"), at=begun + timedelta(minutes=minute)) for minute in range(2))
    later = delivery(quote("Q1", 9), at=begun + timedelta(days=5))
    assert [await _verdict(bench, each) for each in (first, second, later)] == [None, first.id, None]
    assert await _verdict(bench, second) == first.id


def test_files_of_one_second_with_different_contents_are_not_taken_for_duplicates() -> None:
    first, *of_one_second = _entries("ABA", apart=timedelta())
    for order in permutations([first, *of_one_second]):
        assert [entry.duplicate_of for entry in _processed(order).entries] == [None] * 3


def test_the_history_stays_short() -> None:
    entries = _entries("AB" * 220)
    history = _processed(entries)
    assert [entry.id for entry in history.entries] == [entry.id for entry in entries[-400:]]
    assert history.trimmed == entries[-401].id


def test_what_is_older_than_the_history_is_never_marked() -> None:
    entries = _entries("A" + "B" + "A" * 420)
    history = _processed(entries[2:])
    for older in (entries[1], entries[0]):
        history, verdict = insert(history, older, WINDOW)
        assert verdict.duplicate_of is None


def test_what_is_older_than_the_history_frees_what_it_parts_from_a_forgotten_head() -> None:
    head, older, *others = _entries("AB" + "A" * 420)
    history = _processed([head, *others])
    history, verdict = insert(history, older, WINDOW)
    assert [each.id for each in verdict.freed] == [others[20].id]
    assert history.recall(older.id) == verdict, "a retry must free it again"
    for entry in _entries("C" * 399):
        history, _ = insert(history, replace(entry, id=new_id(time_of(entry.id) + WINDOW)), WINDOW)
    assert history.recall(older.id) is not None


def test_in_a_long_burst_each_run_keeps_an_unmarked_one() -> None:
    """Longer than what is remembered, and out of order by nearly as much."""
    draw = random.Random(1)
    contents = "".join(draw.choices("AB", k=700))
    entries = _entries(contents)
    order = sorted(range(len(contents)), key=lambda number: number + draw.uniform(0, 390))
    marked: set[str] = set()
    history = History()
    for number in order:
        history, verdict = insert(history, entries[number], WINDOW)
        marked -= {each.id for each in verdict.freed}
        if verdict.duplicate_of:
            marked.add(entries[number].id)
    for _, run in groupby(entries, key=lambda entry: entry.digest):
        assert [entry.id in marked for entry in run].count(False) == 1


async def test_a_verdict_is_the_same_when_asked_for_again(bench: Bench) -> None:
    first, second = delivery(quote("Q1")), delivery(quote("Q1"))
    assert await _verdict(bench, first) is None
    assert await _verdict(bench, second) == first.id
    third = delivery(quote("Q1", price=2))
    assert await _verdict(bench, third) is None
    assert await _verdict(bench, second) == first.id
    assert await _verdict(bench, first) is None


async def _decided(
    bench: Bench, each: Delivery, *, settled: bool = True, seconds: int = 600
) -> Verdict | None:
    own = bench.app.settings.model_copy(update={"duplicate_window_seconds": seconds})
    return await decide(parse(each), replace(bench.app, settings=own), settled=settled)


async def _verdict(bench: Bench, each: Delivery, *, settled: bool = True, seconds: int = 600) -> str | None:
    verdict = await _decided(bench, each, settled=settled, seconds=seconds)
    assert verdict is not None
    return verdict.duplicate_of


async def test_an_apparent_duplicate_waits_once(bench: Bench) -> None:
    await _verdict(bench, delivery(quote("Q1")))
    second = delivery(quote("Q1"))
    assert await _decided(bench, second, settled=False) is None
    assert await _verdict(bench, second) is not None


async def test_other_events_subjects_and_contents_are_no_duplicates(bench: Bench) -> None:
    first = quote("Q1")
    for each in (
        delivery(first),
        delivery(first, "AcceptQuote"),
        delivery(quote("Q2")),
        delivery(quote("Q1", price=2)),
    ):
        assert await _verdict(bench, each, settled=False) is None


async def test_without_a_window_or_a_subject_nothing_is_a_duplicate(bench: Bench) -> None:
    for _ in range(2):
        assert await _verdict(bench, delivery(quote("Q1")), seconds=0) is None
        assert await _verdict(bench, delivery(b'{"EditingQQAdKey": 1}'), settled=False) is None


@pytest.mark.parametrize(
    ("event", "body"),
    [
        ("InventoryTransactionInserted", b'{"IICode": "A4", "ITUnits": 1}'),
        ("UpdateDispatchStatus", b'{"QuoteNo": "Q1", "Products": [{"JobNo": "J1"}]}'),
        ("UpdateSalesOrderStatusLine", b'{"QuoteNo": "Q1", "Products": [{"JobNo": "J1"}]}'),
    ],
)
async def test_events_whose_equals_are_separate_happenings_are_never_duplicates(
    bench: Bench, event: str, body: bytes
) -> None:
    for _ in range(2):
        assert await _verdict(bench, delivery(body, event), settled=False) is None


async def test_of_thirty_equal_ones_at_once_exactly_one_is_unmarked(bench: Bench) -> None:
    equal = [delivery(quote("Q1")) for _ in range(30)]
    found = await asyncio.gather(*(_verdict(bench, each) for each in reversed(equal)))
    assert found.count(None) == 1


async def test_a_late_one_between_two_equal_ones_has_the_second_sent_again_unmarked(bench: Bench) -> None:
    bench.app = bench.start(timings=Timings(settle=0))
    first, between, last = (delivery(quote("Q1", price)) for price in (1, 2, 1))
    for each in (first, last):
        await _process(bench, each, settled=True)
    assert (await bench.row(last.id))["status"] == "duplicate"
    await _process(bench, between, settled=True)
    assert await bench.depth("printiq-inbox") == 1
    assert await bench.work_off() == 1
    row = await bench.row(last.id)
    assert (row["status"], row.get("duplicateOf")) == ("sent", None)
    sent = [(event["id"], event.get("duplicateof")) for event in await bench.sent()]
    assert sent == [(first.id, None), (last.id, first.id), (between.id, None), (last.id, None)]
    timeline = {row["id"]: row["status"] for row in await bench.rows("timeline")}
    assert timeline == dict.fromkeys((first.id, between.id, last.id), "sent")


async def test_a_mark_that_is_recorded_late_does_not_outlast_the_verdict(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, between, last = (delivery(quote("Q1", price)) for price in (1, 2, 1))
    await _process(bench, first, settled=True)
    app = bench.start(timings=Timings(settle=0))
    genuine = write.record

    async def slow(tables: Tables, work: Work, outcome: Outcome, event: Event[Payload] | None = None) -> None:
        if outcome.status is Status.DUPLICATE:  # the ledger takes longer than all that happens meanwhile
            await process(Message("2", time_of(between.id), Work.of(between).encode().decode()), app)
            assert await bench.work_off(app) == 1
        await genuine(tables, work, outcome, event)

    monkeypatch.setattr(write, "record", slow)
    await _process(bench, last, settled=True)
    row = await bench.row(last.id)
    assert (row["status"], row.get("duplicateOf")) == ("sent", None)


async def _process(bench: Bench, each: Delivery, *, settled: bool) -> None:
    work = Work.of(each).model_copy(update={"settled": settled})
    await process(Message("1", time_of(each.id), work.encode().decode()), bench.app)
