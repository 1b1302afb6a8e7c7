"""The push queue's message: written and read, forged, and as an HTTP request carries it."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_binary, from_structured
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from handlers.ids import new_id
from handlers.pushes import CloudEvent, Push

ID = new_id(datetime(2026, 3, 2, 8, 30, tzinfo=UTC))


def message(subject: str | None = "Q1", data: str | None = '{"QuoteNo":"Q1"}', **more: str) -> bytes:
    """Return a message as `events.cloud_event` writes it."""
    attributes = {
        "specversion": "1.0",
        "id": ID,
        "source": "/printiq/shop",
        "type": "com.printiq.CreateQuote",
        "datacontenttype": "application/json",
        "kind": "quote",
        "delivery": ID,
        **({"subject": subject} if subject is not None else {}),
        **more,
    }
    head = json.dumps(attributes, separators=(",", ":"))
    return (head if data is None else f'{head[:-1]},"data":{data}}}').encode()


def test_a_push_is_read_as_it_was_written() -> None:
    first_at = datetime(2026, 3, 2, 8, 31, tzinfo=UTC)
    push = Push(subscription="accounting", attempt=7, first_at=first_at, message=message())
    found, event = Push.read(push.encode().decode())
    assert found == push
    assert event.attributes.event == "CreateQuote"
    assert event.data == b'{"QuoteNo":"Q1"}'


def test_a_push_takes_no_more_than_the_bound() -> None:
    push = Push(
        subscription="s" * 63, attempt=1_000_000, first_at=datetime.now(UTC), message=message()
    ).encode()
    assert len(push) <= Push.most_bytes(len(message()))


LATER = datetime.now(UTC) + timedelta(days=2)
FORGED = {
    "another program's text": ("hello", "Its first line is not 'printiq-push/1'."),
    "an inbox message": ("printiq/1\n{}", "Its first line is not 'printiq-push/1'."),
    "no head": ("printiq-push/1", "JSON"),
    "a head of another form": ('printiq-push/1\n{"subscription": 1}\n', "subscription"),
    "an unknown member": ('printiq-push/1\n{"subscription": "a", "url": "https://evil"}\n', "url"),
    "attempts beyond any": ('printiq-push/1\n{"subscription": "a", "attempt": 1000001}\n', "attempt"),
    "attempts below one": ('printiq-push/1\n{"subscription": "a", "attempt": 0}\n', "attempt"),
    "a long name": (f'printiq-push/1\n{{"subscription": "{"a" * 64}"}}\n', "subscription"),
    "a time that was not": (
        Push(subscription="a", first_at=datetime(1999, 1, 1, tzinfo=UTC), message=message())
        .encode()
        .decode(),
        "time of its first attempt",
    ),
    "a time to come": (
        Push(subscription="a", first_at=LATER, message=message()).encode().decode(),
        "time of its first attempt",
    ),
    "no message": ('printiq-push/1\n{"subscription": "a"}\n', "JSON"),
    "a message of another app": (
        Push.of("a", message().replace(b"com.printiq.", b"org.other.")).encode().decode(),
        "type",
    ),
    "a delivery of no time": (Push.of("a", message(delivery="x")).encode().decode(), "delivery"),
    "data without an end": (Push.of("a", message()[:-1] + b"]").encode().decode(), "end of the message"),
}


@pytest.mark.parametrize(("text", "mistake"), FORGED.values(), ids=FORGED)
def test_a_foreign_message_is_refused_with_its_mistake(text: str, mistake: str) -> None:
    with pytest.raises(ValueError, match=mistake):
        Push.read(text)


@given(st.text())
def test_nothing_but_a_value_error_comes_of_any_text(text: str) -> None:
    for each in (text, f"printiq-push/1\n{text}", f'printiq-push/1\n{{"subscription":"a"}}\n{text}'):
        with pytest.raises(ValueError, match=r".+"):
            Push.read(each)


@pytest.mark.parametrize("subject", ['Q "1" ,"data":{}', "Ü 100 %", None])
def test_the_data_is_found_whatever_the_subject_holds(subject: str | None) -> None:
    event = CloudEvent.read(message(subject))
    assert event.attributes.subject == subject
    assert event.data == b'{"QuoteNo":"Q1"}'


def test_a_message_is_structured_as_the_cloudevents_library_reads_it() -> None:
    event = CloudEvent.read(message("Ü 100 %"))
    form = event.structured()
    assert form.headers == {"Content-Type": "application/cloudevents+json"}
    found = from_structured(HTTPMessage(headers=dict(form.headers), body=form.body), JSONFormat())
    assert found.get_subject() == "Ü 100 %"
    assert found.get_data() == {"QuoteNo": "Q1"}


def test_a_message_is_binary_as_the_cloudevents_library_reads_it() -> None:
    event = CloudEvent.read(message('Ü "100" %'))
    form = event.binary()
    assert form.body == event.data
    assert unquote(form.headers["ce-subject"]) == 'Ü "100" %'
    assert form.headers["ce-subject"].isascii()
    found = from_binary(HTTPMessage(headers=dict(form.headers), body=form.body), JSONFormat())
    assert found.get_subject() == 'Ü "100" %'
    assert found.get_type() == "com.printiq.CreateQuote"
    assert found.get_data() == {"QuoteNo": "Q1"}


def test_data_that_was_referred_to_can_be_put_in_its_place() -> None:
    referring = message(data=None, dataref="https://storage/archive/x.data.json")
    whole = CloudEvent.read(referring).containing(b'{"QuoteNo":"Q1","Total":1.10}')
    assert json.loads(whole.structured().body) == {
        **json.loads(message()),
        "data": {"QuoteNo": "Q1", "Total": 1.10},
    }
    assert whole.structured().body.endswith(b'"Total":1.10}}')
    assert "ce-dataref" not in whole.binary().headers


def test_a_reference_in_binary_mode_is_a_header_and_no_body() -> None:
    form = CloudEvent.read(message(data=None, dataref="https://storage/archive/x.data.json")).binary()
    assert form.headers["ce-dataref"] == "https://storage/archive/x.data.json"
    assert form.body == b""
