"""What became of a delivery is told once each time, in a line that names nobody."""

import json
import logging
from dataclasses import replace
from typing import Any

import pytest
from bench import Bench, delivery, quote, without

from events import UnknownEvent
from handlers.paths import raw_path
from handlers.pipeline.process import process
from handlers.pipeline.receive import receive
from handlers.stores import BlobRef, ContainerName
from handlers.work import Message, Work

PERSON = "gwen.okafor@example.com"


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "printiq")
    return caplog


def deliveries(told: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    name = "printiq.delivery "
    return [json.loads(line.removeprefix(name)) for line in told.messages if line.startswith(name)]


async def test_a_delivery_that_is_sent_is_told_once(bench: Bench, told: pytest.LogCaptureFixture) -> None:
    sent = delivery(quote("Q1"))
    await receive(sent, bench.app)
    await bench.work_off()
    (line,) = deliveries(told)
    assert line.pop("seconds") >= 0
    assert line == {"id": sent.id, "event": "CreateQuote", "channel": "webhook", "status": "sent"}


async def test_what_is_refused_is_told_as_quarantined_and_a_strange_name_is_not_repeated(
    bench: Bench, told: pytest.LogCaptureFixture
) -> None:
    body = json.dumps({"Email": PERSON}).encode()
    with pytest.raises(UnknownEvent):
        await receive(delivery(body, PERSON), bench.app)
    await bench.work_off()
    (line,) = deliveries(told)
    assert (line["event"], line["status"]) == ("_unknown", "quarantined")
    assert PERSON not in told.text


async def test_no_line_names_the_contact_that_a_delivery_is_about(
    bench: Bench, told: pytest.LogCaptureFixture
) -> None:
    """A contact without a key goes by its e-mail address."""
    body = json.dumps({"Email": PERSON, "FirstName": "Gwen", "Surname": "Okafor"}).encode()
    await receive(delivery(body, "CreateCustomerContact"), bench.app)
    await bench.work_off()
    (row,) = await bench.rows("records")
    assert row["subject"] == f"email:{PERSON}"
    (line,) = deliveries(told)
    assert line["status"] == "sent"
    assert "Okafor" not in told.text
    assert PERSON not in told.text


async def test_every_try_that_fails_is_told_even_where_the_ledger_cannot_be_written(
    bench: Bench, told: pytest.LogCaptureFixture
) -> None:
    sent = delivery(quote("Q1"))
    message = Message("m", sent.received_at, Work.of(sent).encode().decode())
    await process(message, bench.start(without(bench.storage, "Table")))
    (line,) = deliveries(told)
    assert (line["id"], line["status"]) == (sent.id, "failing")


async def test_what_is_given_up_is_told_as_failed(bench: Bench, told: pytest.LogCaptureFixture) -> None:
    sent = delivery(quote("Q1"))
    gone = BlobRef(ContainerName.ARCHIVE, raw_path("CreateQuote", sent.id, "json"))
    await bench.app.stores.blobs.ensure(ContainerName.ARCHIVE)
    work = Work.of(sent, blob=gone).model_copy(update={"attempt": 5, "errors": 4})
    await process(Message("m", sent.received_at, work.encode().decode()), bench.app)
    (line,) = deliveries(told)
    assert (line["id"], line["status"]) == (sent.id, "failed")


async def test_a_name_can_neither_forge_a_line_of_the_log_nor_steer_a_terminal(
    bench: Bench, told: pytest.LogCaptureFixture
) -> None:
    name = "CreateQuote/x\n2026-11-27 ERROR all is lost\r\x1b[2J\x9b31m\u2028\u202e.json"
    sent = replace(delivery(b"{"), file=name)
    log = logging.getLogger("printiq.hot_folder")
    log.warning("%s was refused", sent.file)
    log.error("%s failed", sent.file, exc_info=ValueError(f"no good: {name}"))
    shown = [told.handler.format(record) for record in told.records]
    assert r"x\n2026-11-27 ERROR all is lost\r\x1b[2J\x9b31m\u2028\u202e.json was refused" in shown[0]
    assert len(shown[0].splitlines()) == 1
    assert not {"\x1b", "\x9b", "\r", "\u2028", "\u202e"} & set("".join(shown))
    assert "ValueError: no good" in shown[1]
    logging.getLogger("another").warning("two\nlines")
    assert told.messages[-1] == "two\nlines"
