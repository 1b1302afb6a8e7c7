"""Custody is taken before anybody is told, also of what is refused; without storage nobody is told so."""

import gc
import os
from typing import Any

import pytest
from azure.core.pipeline.transport import AioHttpTransport, HttpRequest
from bench import Bench, Call, delivery, quote, without
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from events import EmptyBody, EventError, Kind, Malformed, NotJsonOrXml, Payload, Subject, UnknownEvent
from handlers.errors import NoCustody
from handlers.pipeline import inbox
from handlers.pipeline.receive import receive
from handlers.stores import INBOX_QUEUE
from handlers.work import Work


async def test_an_event_is_in_the_inbox_when_its_receipt_is_given(bench: Bench) -> None:
    sent = delivery(quote("Q1"))
    receipt = await receive(sent, bench.app)
    assert receipt.event == "CreateQuote"
    assert receipt.subject is not None
    assert receipt.subject.key == "Q1"
    (waiting,) = await bench.waiting()
    work = Work.read(waiting)
    assert (work.id, work.refusal, work.attempt) == (sent.id, None, 1)
    assert await inbox.fetch(bench.app.stores, work) == sent


@pytest.mark.parametrize(
    ("event", "body", "error"),
    [
        ("CreateQuote", b'{"QuoteNo": ', Malformed),
        ("CreateQuote", b"<html></html>", NotJsonOrXml),
        ("NoSuchEvent", b"{}", UnknownEvent),
        ("", b"{}", UnknownEvent),
    ],
)
async def test_what_is_refused_is_in_custody_too(
    bench: Bench, event: str, body: bytes, error: type[EventError]
) -> None:
    sent = delivery(body, event)
    with pytest.raises(error):
        await receive(sent, bench.app)
    (waiting,) = await bench.waiting()
    work = Work.read(waiting)
    assert work.refusal is not None
    assert work.refusal.status == error.status
    assert (await inbox.fetch(bench.app.stores, work)).body == body


async def test_an_empty_body_leaves_nothing_behind(bench: Bench, calls: list[Call]) -> None:
    with pytest.raises(EmptyBody):
        await receive(delivery(b""), bench.app)
    assert calls == []


async def test_custody_of_an_event_is_one_storage_call(bench: Bench, calls: list[Call]) -> None:
    await receive(delivery(quote("Q1")), bench.app)
    calls.clear()
    await receive(delivery(quote("Q2", Noise=os.urandom(20_000).hex())), bench.app)
    assert [(call.method, call.path) for call in calls] == [("POST", f"{INBOX_QUEUE}/messages")]


async def test_no_event_stays_in_memory_while_storage_is_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[Payload] = []
    send = AioHttpTransport.send

    async def looked(self: AioHttpTransport, request: HttpRequest, **options: Any) -> Any:
        held.extend(
            each for each in gc.get_objects() if isinstance(each, Payload) and subject in each.subjects()
        )
        return await send(self, request, **options)

    subject = Subject(Kind.QUOTE, "held")
    monkeypatch.setattr(AioHttpTransport, "send", looked)
    receipt = await receive(delivery(quote(subject.key)), bench.app)
    assert (receipt.subject, held) == (subject, [])


async def test_a_missing_queue_is_created_once(bench: Bench, calls: list[Call]) -> None:
    for number in range(3):
        await receive(delivery(quote(f"Q{number}")), bench.app)
    assert [call.path for call in calls if call.method == "PUT"] == [INBOX_QUEUE]
    assert len(await bench.waiting()) == 3


@pytest.mark.parametrize("body", [quote("Q1"), b"<html></html>"])
async def test_without_storage_there_is_no_custody(bench: Bench, body: bytes) -> None:
    app = bench.start(without(bench.storage, "Queue"))
    with pytest.raises(NoCustody):
        await receive(delivery(body), app)


async def test_a_large_event_is_not_in_custody_without_its_blob(bench: Bench) -> None:
    app = bench.start(without(bench.storage, "Blob"))
    with pytest.raises(NoCustody):
        await receive(delivery(quote("Q1", Noise=os.urandom(60_000).hex())), app)
    assert await bench.waiting() == []


HOSTILE = [
    ("CreateQuote", b'{"%s": 1, "%s": 2}' % (b"x" * 100_000, b"x" * 100_000)),
    ("CreateQuote", b'{"%s": {"a": 1, "a": 2}}' % (b"x" * 100_000)),
    ("CreateQuote", b"<QuoteDetails><%s></QuoteDetails>" % (b"x" * 100_000)),
    ("CreateQuote", b"<a>" + b"<%s>" % (b"y" * 2000) * 60),
    ("x" * 10_000, b"{}"),
    ("\ufffe\uffff\x00\x0b", b"{}"),
    ("\ud800", b"{}"),
    ("../../etc/passwd", b"{}"),
    ("CreateQuote", '{"QuoteNo": "\ufffe\uffff\x7f\x9f", "\ufffe": 1, "\ufffe": 2}'.encode()),
    ("CreateQuote", b'{"IsError": true, "ErrorMessage": "%s"}' % ("\ufffe🖨" * 20_000).encode()),
]


@pytest.mark.parametrize(("event", "body"), HOSTILE)
async def test_hostile_deliveries_are_kept_and_set_aside_like_any_other(
    bench: Bench, event: str, body: bytes
) -> None:
    with pytest.raises(EventError):
        await receive(delivery(body, event), bench.app)
    assert await bench.work_off() == 1
    (row,) = await bench.rows("deliveries", PartitionKey="open")
    assert row["status"] == "quarantined"
    assert await bench.blob(row["raw"]) == body
    assert await bench.depth(INBOX_QUEUE) == 0


@hypothesis_settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    event=st.text(st.characters(exclude_categories=()), max_size=20), body=st.text(min_size=1).map(str.encode)
)
async def test_any_text_is_received_or_refused(bench: Bench, event: str, body: bytes) -> None:
    try:
        await receive(delivery(body, event), bench.app)
    except EmptyBody:
        return
    except EventError:
        pass
    assert await bench.work_off() == 1
