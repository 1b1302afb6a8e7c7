"""The 29 events, as printIQ's own list has them."""

import re

import pytest

from events import EventType, Kind, UnknownEvent
from events.catalogue import payload_types
from events.fields import field_map

# Copied from printIQ's list, in its order: name, object, format.
PRINTIQS_LIST = """
CreateCustomer Customer JSON
CreateCustomerContact CustomerContact JSON
CreateCustomerAddress CustomerAddress JSON
CreateQuote QuoteDetails JSON
CreateJob AcceptanceDetails JSON
CompleteJob AcceptanceDetails JSON
RejectQuote QuoteDetails JSON
ExpireQuote QuoteDetails JSON
DiscardQuote QuoteDetails JSON
ExportInvoice Invoice JSON
FailCxmlJob JobFailData JSON
ExportPurchaseOrder PurchaseOrder JSON
FailXMPieJob JobFailData JSON
CreateJobXml AcceptanceDetails XML
UpdateJobStatus AcceptanceDetails JSON
UpdateDispatchStatus AcceptanceDetails JSON
RequestQuoteApproval QuoteDetails JSON
UpdateOrderStatus AcceptanceDetails JSON
CompleteOrder AcceptanceDetails JSON
InventoryPOStatusChange InventoryPurchaseOrder JSON
OutsourcePOStatusChange OutsourcePurchaseOrder JSON
InventoryTransactionInserted InventoryTransaction JSON
UpdateJobStatus_Xml AcceptanceDetails XML
AcceptQuote QuoteDetails JSON
CreateConsignment Consignment JSON
AcceptanceCreated AcceptanceDetails JSON
SalesItemUpdated SalesItem JSON
ProductUpdated ProductDetail JSON
UpdateSalesOrderStatusLine AcceptanceDetails JSON
"""
ROWS = [row.split() for row in PRINTIQS_LIST.strip().splitlines()]


def test_the_catalogue_begins_with_printiqs_list_word_for_word() -> None:
    rows = [[event.value, event.payloads[0].OBJECT, event.wire_format.upper()] for event in EventType]
    assert rows[: len(ROWS)] == ROWS


def test_the_xml_events_may_carry_the_job_document_too() -> None:
    assert [event for event in EventType if "Job" in {model.OBJECT for model in event.payloads}] == [
        EventType.CREATE_JOB_XML,
        EventType.UPDATE_JOB_STATUS_XML,
    ]


@pytest.mark.parametrize("event", EventType)
def test_a_name_is_known_in_any_case(event: EventType) -> None:
    for name in (event, event.lower(), event.upper(), event.swapcase()):
        assert EventType.named(name) is event


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("QuoteCreated", EventType.CREATE_QUOTE),
        ("createjobs", EventType.CREATE_JOB),
        ("CreateConsigment", EventType.CREATE_CONSIGNMENT),
    ],
)
def test_the_names_of_printiqs_feature_pages_are_known_too(name: str, event: EventType) -> None:
    assert EventType.named(name) is event


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("CreateQoute", "CreateQuote"),
        ("Invoice", "ExportInvoice"),
        ("UpdateJobStatusXml", "UpdateJobStatus_Xml"),
        ("create-job", "CreateJob"),
        ("QuoteAccepted", "AcceptQuote"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UnknownEvent) as unknown:
        EventType.named(name)
    assert unknown.value.status == 404
    assert f"no event named {name!r}" in str(unknown.value)
    assert nearest in str(unknown.value)


@pytest.mark.parametrize("name", ["", "qqqq", "../../etc", "%2f", "\x00", "é" * 10_000, " CreateJob"])
def test_a_name_like_no_other_is_answered_with_where_to_look(name: str) -> None:
    with pytest.raises(UnknownEvent) as unknown:
        EventType.named(name)
    assert re.search("Did you mean|GET /api/schemas lists", str(unknown.value))
    assert len(str(unknown.value)) < 500
    assert str(unknown.value).isprintable()


def test_a_hint_names_no_event_twice() -> None:
    with pytest.raises(UnknownEvent) as unknown:
        EventType.named("CreateQuotes")
    assert str(unknown.value).count("CreateQuote") == 2  # the name that was sent, and the hint


def test_every_row_says_what_triggers_the_event_and_what_it_is_about() -> None:
    assert all(event.trigger and event.kind in Kind for event in EventType)


def test_these_events_are_never_repeats() -> None:
    assert {event for event in EventType if not event.duplicates} == {
        EventType.UPDATE_DISPATCH_STATUS,
        EventType.UPDATE_SALES_ORDER_STATUS_LINE,
    }


def test_there_are_14_objects_and_the_job_document() -> None:
    objects = [model.OBJECT for model in payload_types()]
    assert len(set(objects)) == len(objects) == 15


def test_no_field_of_an_object_is_reached_by_a_name_of_another() -> None:
    for model in payload_types():
        names = field_map(model)
        assert all(names.find(spec.name) is spec for spec in names.fields)
        assert len({spec.name for spec in names.fields}) == len(names.fields)
