"""Bytes travel through the inbox unchanged, in one write where they fit; no message is too odd to keep."""

import base64
import json
import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import zstandard
from bench import Bench, Call, delivery, quote
from hypothesis import given
from hypothesis import strategies as st

from events import Channel, Problem
from handlers.paths import raw_path
from handlers.pipeline import inbox
from handlers.pipeline.process import process
from handlers.problems import ProblemDetails
from handlers.stores import INBOX_QUEUE, MAX_MESSAGE_BYTES
from handlers.work import Message, Work

NOW = datetime(2025, 8, 11, 2, 0, tzinfo=UTC)


def message(text: str) -> Message:
    return Message("b9a3c0de-0000-4000-8000-000000000001", NOW, text)


@given(st.binary(max_size=3000), st.text(max_size=50), st.none() | st.text(max_size=50))
def test_a_delivery_comes_out_as_it_went_in(body: bytes, event: str, content_type: str | None) -> None:
    sent = delivery(body, event, content_type=content_type)
    text = Work.of(sent).encode().decode()
    read = Work.read(Message("1", sent.received_at, text))
    assert read == Work.of(sent)
    assert text.isascii()


async def test_bytes_come_back_out_of_the_queue_as_they_were(bench: Bench) -> None:
    for body in (b"", b"\x00\xff" * 50, "£ 文字 🖨 \ufffe".encode(), b"x" * 100_000, os.urandom(70_000)):
        await inbox.put(bench.app.stores, delivery(body))
        (waiting,) = await bench.waiting()
        assert (await inbox.fetch(bench.app.stores, Work.read(waiting))).body == body


@pytest.mark.parametrize("size", [0, 1000, 47_000])
async def test_what_fits_into_a_message_is_one_write(bench: Bench, calls: list[Call], size: int) -> None:
    await inbox.put(bench.app.stores, delivery(b""))  # the queue is there from now on
    calls.clear()
    await inbox.put(bench.app.stores, delivery(os.urandom(size)))
    assert [(call.method, call.path) for call in calls] == [("POST", f"{INBOX_QUEUE}/messages")]


async def test_a_message_that_just_fits_can_be_put_back(bench: Bench) -> None:
    body, sent = os.urandom(60_000), delivery(b"")
    longest = max(
        size
        for size in range(45_000, 50_000)
        if len(Work.of(replace(sent, body=body[:size])).encode()) <= MAX_MESSAGE_BYTES
    )
    for size in range(longest - 120, longest + 1, 10):
        await inbox.put(bench.app.stores, delivery(body[:size]))
    for each in await bench.waiting():
        later = Work.read(each).model_copy(update={"settled": True, "attempt": 1_000_000, "errors": 4})
        await inbox.requeue(bench.app.stores, later, delay=0)
    assert len(await bench.waiting()) == 13


async def test_what_does_not_fit_lies_in_the_archive_first_and_the_message_names_it(
    bench: Bench, calls: list[Call]
) -> None:
    body = os.urandom(MAX_MESSAGE_BYTES)
    sent = delivery(body)
    await inbox.put(bench.app.stores, delivery(body))
    calls.clear()
    await inbox.put(bench.app.stores, sent)
    assert [call.method for call in calls] == ["PUT", "POST"]
    works = [Work.read(each) for each in await bench.waiting()]
    place = next(work.blob for work in works if work.id == sent.id)
    assert place is not None
    assert str(place) == f"archive/CreateQuote/{sent.received_at:%Y/%m/%d}/{sent.id}.bin"
    assert await bench.blob(str(place)) == body


async def test_what_is_refused_and_does_not_fit_lies_in_quarantine_first(bench: Bench) -> None:
    refusal = ProblemDetails(status=422, title="No", errors=(Problem("", "why"),))
    await inbox.put(bench.app.stores, delivery(os.urandom(70_000), "NoSuchEvent"), refusal=refusal)
    (place,) = await bench.blobs()
    assert place.startswith("quarantine/_unknown/")


async def test_messages_never_expire(bench: Bench, calls: list[Call]) -> None:
    await inbox.put(bench.app.stores, delivery(b"{}"))
    assert [call.query["messagettl"] for call in calls if call.path.endswith("messages")] == [["-1"]] * 2


WHOLE = {
    "id": "01989622-8c00-7000-8000-000000000000",
    "event": "CreateQuote",
    "channel": "webhook",
    "received_at": "2025-08-11T02:00:00Z",
    "size": 2,
}
NAME = raw_path("CreateQuote", str(WHOLE["id"]), "json")
# A message of ours, but for its bytes, which are not there; each forgery below changes one thing.
BARE = {**WHOLE, "blob": ["archive", NAME]}


def packed(body: bytes) -> str:
    return base64.b64encode(zstandard.compress(body)).decode()


# twelve kilobytes that unpack to three hundred million bytes
MUCH = packed(bytes(300 * 1024 * 1024))
FOREIGN = [
    "",
    "hello",
    '{"id": "x"}',
    "printiq/2\n{}",
    "printiq/1\n",
    "printiq/1\nno json",
    "printiq/1\n{}",
    "printiq/1\n" + json.dumps(WHOLE),
    "printiq/1\n" + json.dumps({**WHOLE, "body": "", "id": "no uuid"}),
    "printiq/1\n" + json.dumps({**WHOLE, "body": "not base64, not zstd"}),
    "printiq/1\n" + json.dumps({**BARE, "id": "ffffffff-ffff-7fff-bfff-ffffffffffff"}),
    "printiq/1\n" + json.dumps({**BARE, "received_at": "2025-08-11T02:00:00"}),
    "printiq/1\n" + json.dumps({**WHOLE, "size": 300 * 1024 * 1024, "body": MUCH}),
    "printiq/1\n" + json.dumps({**WHOLE, "body": "bm90IHpzdGQ="}),
    "printiq/1\n" + json.dumps({**BARE, "attempt": 0}),
    "printiq/1\n" + json.dumps({**WHOLE, "blob": ["elsewhere", NAME]}),
    "printiq/1\n" + json.dumps({**WHOLE, "blob": ["hot-folder", NAME]}),
    "printiq/1\n" + json.dumps({**WHOLE, "blob": ["archive", "../azure-webjobs-secrets/host.json"]}),
    "printiq/1\n" + json.dumps({**WHOLE, "blob": ["archive", NAME.replace("/2025/", "/../")]}),
    "printiq/1\n" + json.dumps({**BARE, "id": "e1989622-8c00-7000-8000-000000000000"}),
    "printiq/1\n" + json.dumps({**BARE, "received_at": "2925-08-11T02:00:00Z"}),
    "printiq/1\n" + json.dumps({**BARE, "received_at": "0001-01-01T00:00:00Z"}),
    "printiq/1\n" + json.dumps({**BARE, "attempt": 10**30}),
    "printiq/1\n" + json.dumps({**BARE, "errors": 10**30}),
    "printiq/1\n" + json.dumps({**BARE, "size": 2**63}),
    "printiq/1\n" + json.dumps({**BARE, "size": -1}),
    "printiq/1\n" + json.dumps({**BARE, "event": "x" * 10_000}),
    "printiq/1\n" + json.dumps({**BARE, "file": "x" * 10_000}),
    "printiq/1\n" + json.dumps({**BARE, "replay": {"of": "x" * 30_000, "origin": "y"}}),
    "printiq/1\n" + json.dumps({**WHOLE, "body": packed(b"three")}),
    "printiq/1\n" + json.dumps({**WHOLE, "size": 9, "body": packed(b"cut off in it")[:-8]}),
]


@pytest.mark.parametrize("genuine", [BARE, {**WHOLE, "body": packed(b"{}")}], ids=["blob", "body"])
def test_what_the_forgeries_change_is_a_message_of_ours(genuine: dict[str, object]) -> None:
    work = Work.read(message("printiq/1\n" + json.dumps(genuine)))
    assert (work.event, work.refusal) == ("CreateQuote", None)


@pytest.mark.parametrize("text", FOREIGN, ids=range(len(FOREIGN)))
async def test_a_message_of_somebody_else_is_kept_in_quarantine_with_a_reason(
    bench: Bench, text: str
) -> None:
    await process(message(text), bench.app)
    (row,) = await bench.rows("deliveries", PartitionKey="2025-08-11")
    assert (row["status"], row["event"], row["channel"]) == ("quarantined", "_unknown", Channel.INBOX)
    assert "This message in printiq-inbox is not from this app" in row["error"]
    assert await bench.is_open(row["id"])
    if text:
        assert await bench.blob(row["raw"]) == text.encode()


async def test_a_foreign_message_that_comes_twice_is_one_delivery(bench: Bench) -> None:
    for _ in range(2):
        await process(message("hello"), bench.app)
    assert len(await bench.rows("deliveries", PartitionKey="2025-08-11")) == 1


async def test_a_message_that_is_put_back_carries_the_same_delivery(bench: Bench) -> None:
    work = Work.of(delivery(quote("Q1"))).model_copy(update={"attempt": 3, "settled": True})
    await inbox.requeue(bench.app.stores, work, delay=0)
    (waiting,) = await bench.waiting()
    assert Work.read(waiting) == work
