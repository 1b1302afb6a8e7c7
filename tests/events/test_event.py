"""What an event is about, whether it can be a duplicate, and the message that it becomes."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from deliveries import CORPUS, read

from events import Envelope, Event, EventType, Kind, Payload, Subject, cloud_event, timestamp

ENVELOPE = Envelope(
    id="01989765-1d49-7000-8000-000000000001",
    time=datetime(2025, 8, 11, 3, 50, 52, 697123, UTC),
    source="/printiq/press-1",
    data_schema="https://example.com/api/schemas/CreateJob",
)


def typical(event: EventType) -> Event[Payload]:
    return read(event, (CORPUS / event / f"typical.{event.wire_format}").read_bytes())


# -- subjects -----------------------------------------------------------------------------------------------

SUBJECTS = [
    ("CreateJob", {"QuoteNo": "Q1v1", "Products": [{"JobNo": "J1"}]}, ["job J1", "quote Q1v1"]),
    (
        "CreateJob",
        {"QuoteNo": "Q1v1", "JobNo": "J1", "Products": [{"JobNo": "J1"}]},
        ["job J1", "quote Q1v1"],
    ),
    (
        "CreateJob",
        {"QuoteNo": "Q1", "Products": [{"JobNo": "J1"}, {"JobNo": "J2"}]},
        ["quote Q1", "job J1", "job J2"],
    ),
    (
        "CreateJob",
        {"SalesOrderNo": "S1", "QuoteNo": "Q1", "Products": [{"JobNo": "J1"}, {"JobNo": "J2"}]},
        ["order S1", "quote Q1", "job J1", "job J2"],
    ),
    ("CompleteOrder", {"SOKey": 4420}, ["order SOKey:4420"]),
    ("CompleteOrder", {"SOKey": 4420.0}, ["order SOKey:4420"]),
    ("CompleteOrder", {"SOKey": 4420.5}, []),
    ("CompleteOrder", {"Order": {"SalesOrderNumber": "S1"}}, ["order S1"]),
    ("CreateQuote", {"QuoteNo": " Q1v1\n"}, ["quote Q1v1"]),
    ("CreateQuote", {"QuoteNo": "Q1\tv1\x00"}, ["quote Q1 v1"]),
    ("CreateQuote", {"QuoteNo": "x" * 5_000}, []),
    ("CreateCustomer", {"ID": 7, "Code": "KOW"}, ["customer KOW"]),
    ("CreateCustomer", {"ID": 7, "Code": ""}, ["customer ID:7"]),
    ("CreateCustomer", {"ID": -1, "Code": "0"}, []),
    (
        "CreateCustomerContact",
        {"ContactKey": 0, "Email": "a@example.com", "CustomerID": 7},
        ["contact email:a@example.com", "customer ID:7"],
    ),
    (
        "CreateCustomerAddress",
        {"CustomerCode": "KOW", "Name": "Dock 4"},
        ["address name:KOW/Dock 4", "customer KOW"],
    ),
    ("CreateCustomerAddress", {"CustomerCode": "KOW"}, ["customer KOW"]),
    ("ExportInvoice", {"INVInvoiceNumber": None, "INVID": 50973}, ["invoice INVID:50973"]),
    (
        "ExportInvoice",
        {
            "INVID": 1,
            "InvoiceSummaryDetails": [{"JobNumber": "J1"}, "odd", {"JobNumber": "J1", "QuoteNumber": "Q1"}],
        },
        ["invoice INVID:1", "job J1", "quote Q1"],
    ),
    ("InventoryTransactionInserted", {"ITKey": -1, "IICode": "SILK"}, ["transaction IICode:SILK"]),
    ("ExportPurchaseOrder", {"OrderNumber": "PO-1", "POKey": 9}, ["purchase-order PO-1"]),
    ("InventoryPOStatusChange", {"IPOKey": 9}, ["purchase-order IPOKey:9"]),
    ("InventoryPOStatusChange", {"IPOKey": 9, "IPONumber": "IPO-4"}, ["purchase-order IPO-4"]),
    ("FailCxmlJob", {"FileName": "a.xml", "PayloadID": "P1"}, ["failure P1", "order P1"]),
    ("FailXMPieJob", {"FileName": "a.csv"}, ["failure a.csv"]),
    (
        "FailCxmlJob",
        {"QuoteNo": "Q1", "OrderNo": "S1", "JobNo": "J1"},
        ["failure J1", "job J1", "order S1", "quote Q1"],
    ),
    ("ProductUpdated", {"Name": "Cards"}, ["product name:Cards"]),
    ("ExpireQuote", {"QuoteNo": "00000000-0000-0000-0000-000000000000"}, []),
]


@pytest.mark.parametrize(("event", "body", "subjects"), SUBJECTS)
def test_an_event_is_about_the_keys_that_it_holds(
    event: str, body: dict[str, object], subjects: list[str]
) -> None:
    found = read(event, json.dumps(body))
    assert [f"{subject.kind} {subject.key}" for subject in found.subjects] == subjects
    assert found.subject == next(iter(found.subjects), None)
    assert bool(subjects) == all("No business key" not in warning.message for warning in found.warnings)


@pytest.mark.parametrize("event", EventType)
def test_a_typical_event_is_about_what_the_catalogue_says(event: EventType) -> None:
    kinds = {subject.kind for subject in typical(event).subjects}
    assert event.kind in kinds


def test_a_thousand_subjects_are_enough() -> None:
    lines = [{"JobNumber": f"J{number}"} for number in range(1_200)]
    event = read("ExportInvoice", json.dumps({"INVID": 1, "InvoiceSummaryDetails": lines}))
    assert len(event.subjects) == 1_000
    assert event.subject == Subject(Kind.INVOICE, "INVID:1")
    assert "Of its 1,201 business keys the first 1,000" in event.warnings[0].message


# -- duplicates ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "body", "can_be_duplicate"),
    [
        ("CreateQuote", '{"QuoteNo": "Q1"}', True),
        ("UpdateDispatchStatus", '{"QuoteNo": "Q1"}', False),
        ("UpdateSalesOrderStatusLine", '{"QuoteNo": "Q1"}', False),
        ("InventoryTransactionInserted", '{"ITKey": 904417, "IICode": "SILK"}', True),
        ("InventoryTransactionInserted", '{"ITKey": -1, "IICode": "SILK"}', False),
        ("InventoryTransactionInserted", '{"IICode": "SILK"}', False),
    ],
)
def test_an_event_can_be_a_duplicate_unless_equal_ones_are_separate_events(
    event: str,
    body: str,
    can_be_duplicate: bool,
) -> None:
    assert read(event, body).can_be_duplicate is can_be_duplicate


def test_equal_content_has_an_equal_digest_in_any_writing() -> None:
    first = read("CreateQuote", '{"QuoteNo": "Q1", "EditingQQAdKey": 1}')
    assert re.fullmatch("[0-9a-f]{32}", first.digest)
    assert read("CreateQuote", '{"editingqqadkey":"1","quoteno":"Q1"}').digest == first.digest
    assert read("CreateQuote", '{"QuoteNo": "Q1", "EditingQQAdKey": 2}').digest != first.digest


# -- the message --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", EventType)
def test_the_message_of_every_event_is_a_valid_cloudevent(event: EventType) -> None:
    found = typical(event)
    message = json.loads(cloud_event(found, ENVELOPE))
    assert found.subject is not None
    assert message == {
        "specversion": "1.0",
        "id": ENVELOPE.id,
        "source": "/printiq/press-1",
        "type": f"com.printiq.{event}",
        "subject": found.subject.key,
        "time": "2025-08-11T03:50:52.697Z",
        "datacontenttype": "application/json",
        "dataschema": "https://example.com/api/schemas/CreateJob",
        "channel": "webhook",
        "kind": found.subject.kind,
        "object": found.payload.OBJECT,
        "delivery": found.delivery.id,
        "sequence": ENVELOPE.id,
        **{name.replace("_", ""): fact for name, fact in found.facts._asdict().items() if fact},
        "data": json.loads(found.data),
    }
    check_attributes(message)


def check_attributes(message: dict[str, object]) -> None:
    """Check what CloudEvents 1.0 asks of attributes: their names, and texts without control characters."""
    for name, value in message.items():
        if name != "data":
            assert re.fullmatch("[a-z0-9]{1,20}", name)
            assert isinstance(value, str)
            assert value
            assert not re.search(r"[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]", value)


def test_a_message_names_what_it_duplicates_and_replays() -> None:
    envelope = Envelope(
        id="b",
        time=ENVELOPE.time,
        source="/printiq/a",
        data_schema="https://a",
        duplicate_of="a",
        replay_of="c",
    )
    message = json.loads(cloud_event(typical(EventType.CREATE_JOB), envelope))
    assert (message["duplicateof"], message["replayof"]) == ("a", "c")
    check_attributes(message)


def test_data_in_a_blob_is_left_out_of_the_message() -> None:
    ref = "https://account.example/archive/CreateJob/2025/08/11/x.data.json"
    envelope = Envelope(
        id="a", time=ENVELOPE.time, source="/printiq/a", data_schema="https://a", data_ref=ref
    )
    message = json.loads(cloud_event(typical(EventType.CREATE_JOB), envelope))
    assert message["dataref"] == ref
    assert "data" not in message


def test_the_message_of_an_event_that_may_carry_two_objects_names_which() -> None:
    for variant, carried in (("typical", "Job"), ("acceptance", "AcceptanceDetails")):
        body = (CORPUS / "CreateJobXml" / f"{variant}.xml").read_bytes()
        assert json.loads(cloud_event(read("CreateJobXml", body), ENVELOPE))["object"] == carried


def test_a_message_without_a_subject_has_the_kind_of_its_event() -> None:
    message = json.loads(cloud_event(read("CreateQuote", "{}"), ENVELOPE))
    assert "subject" not in message
    assert message["kind"] == "quote"


def test_a_key_with_line_ends_and_quotes_makes_a_valid_message() -> None:
    event = read("CreateQuote", json.dumps({"QuoteNo": 'Q"1\\\r\n\u0085v\u007f2\uffff🪧'}))
    message = json.loads(cloud_event(event, ENVELOPE))
    assert message["subject"] == 'Q"1\\ v 2 🪧'
    check_attributes(message)


def test_twins_make_the_same_message() -> None:
    xml, as_json = (
        cloud_event(
            read("CreateJob", (CORPUS / "CreateJob" / f"ten-kilobytes.{suffix}").read_bytes()), ENVELOPE
        )
        for suffix in ("xml", "json")
    )
    assert xml == as_json


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2025, 8, 11, 3, 50, 52, tzinfo=UTC), "2025-08-11T03:50:52.000Z"),
        (
            datetime(2025, 8, 11, 15, 50, 52, 999999, timezone(timedelta(hours=12))),
            "2025-08-11T03:50:52.999Z",
        ),
    ],
)
def test_a_timestamp_is_in_utc_with_milliseconds(moment: datetime, text: str) -> None:
    assert timestamp(moment) == text
