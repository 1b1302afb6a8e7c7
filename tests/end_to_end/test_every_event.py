"""Each of the 29 events, by either channel, comes out as a message, three rows and the bytes as they came."""

import json

import pytest
from receiver import Json, Receiver, marked, sample

from events import EventType
from handlers.stores import table_key
from tools.host.testing import wait_until

type Sent = dict[EventType, str]

# What each typical sample is about, read from it by eye.
SUBJECTS = {
    "CreateCustomer": ("customer", "KOWSEED"),
    "CreateCustomerContact": ("contact", "20517"),
    "CreateCustomerAddress": ("address", "33081"),
    "CreateQuote": ("quote", "Q005218v2"),
    "CreateJob": ("job", "J29328-01"),
    "CompleteJob": ("job", "J29328-01"),
    "RejectQuote": ("quote", "Q005190v1"),
    "ExpireQuote": ("quote", "Q004902v1"),
    "DiscardQuote": ("quote", "Q005011v1"),
    "ExportInvoice": ("invoice", "INV-0041877"),
    "FailCxmlJob": ("failure", "CX-2025-88103"),
    "ExportPurchaseOrder": ("purchase-order", "PO-012044"),
    "FailXMPieJob": ("failure", "J29402-01"),
    "CreateJobXml": ("job", "J29528-01"),
    "UpdateJobStatus": ("job", "J29328-01"),
    "UpdateDispatchStatus": ("job", "J29328-01"),
    "RequestQuoteApproval": ("quote", "Q005230v1"),
    "UpdateOrderStatus": ("job", "J29328-01"),
    "CompleteOrder": ("job", "J29328-01"),
    "InventoryPOStatusChange": ("purchase-order", "IPO-003310"),
    "OutsourcePOStatusChange": ("purchase-order", "PO-012044"),
    "InventoryTransactionInserted": ("transaction", "904417"),
    "UpdateJobStatus_Xml": ("job", "J29528-01"),
    "AcceptQuote": ("quote", "Q005218v2"),
    "CreateConsignment": ("consignment", "C0018832"),
    "AcceptanceCreated": ("job", "J29328-01"),
    "SalesItemUpdated": ("sales-item", "Corflute A-frame, double sided"),
    "ProductUpdated": ("product", "BC400"),
    "UpdateSalesOrderStatusLine": ("job", "J29328-01"),
}


@pytest.fixture(scope="module")
def posted(receiver: Receiver) -> Sent:
    """Post every event's typical sample; return the deliveries' ids."""
    return {event: receiver.accepted(event, _webhook_body(event)) for event in EventType}


@pytest.fixture(scope="module")
def dropped(receiver: Receiver) -> None:
    """Upload every event's typical sample into the hot folder."""
    for event in EventType:
        receiver.drop(f"{event}/typical.dat", _drop_body(event))


def _webhook_body(event: EventType) -> bytes:
    return marked(sample(event), f"{event} by webhook")


def _drop_body(event: EventType) -> bytes:
    return marked(sample(event), f"{event} by hot folder")


@pytest.mark.parametrize("event", EventType)
def test_a_posted_event_reaches_queue_tables_and_archive(
    receiver: Receiver, posted: Sent, event: EventType
) -> None:
    row = receiver.row(posted[event])
    assert row["channel"] == "webhook"
    _check(receiver, event, row, _webhook_body(event))


@pytest.mark.parametrize("event", EventType)
@pytest.mark.usefixtures("dropped")
def test_an_event_dropped_into_the_hot_folder_reaches_queue_tables_and_archive(
    receiver: Receiver, event: EventType
) -> None:
    row = receiver.row_of_drop(f"{event} by hot folder")
    wait_until(lambda: f"{event}/typical.dat" not in receiver.drops())
    _check(receiver, event, row, _drop_body(event))


def _check(receiver: Receiver, event: EventType, row: Json, body: bytes) -> None:
    delivery_id = row["id"]
    assert receiver.blob(row["raw"]) == body
    (message,) = receiver.messages(delivery_id)
    assert (message["specversion"], message["type"], message["source"]) == (
        "1.0",
        f"com.printiq.{event}",
        "/printiq/printiq",
    )
    assert (message["kind"], message["subject"]) == (row["kind"], row["subject"]) == SUBJECTS[event]
    assert (message["time"], message["channel"]) == (row["receivedAt"], row["channel"])
    assert "duplicateof" not in message
    data = message["data"] if "data" in message else receiver.referred(message)
    assert data["SentAs"] in body.decode()
    partition = table_key(f"{row['kind']}|{row['subject']}")
    (in_timeline,) = receiver.written("timeline", PartitionKey=partition, id=delivery_id)
    assert (in_timeline["status"], in_timeline["primary"]) == ("sent", True)

    def is_in_records() -> bool:
        found = receiver.rows("records", PartitionKey=row["kind"], RowKey=table_key(row["subject"]))
        return [record for record in found if record["order"] >= delivery_id] != []

    wait_until(is_in_records)


def test_the_response_shows_what_was_recognised(receiver: Receiver) -> None:
    response = receiver.post("createquote", marked(sample("CreateQuote"), "answer"))
    assert response.status_code == 202
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    answer = response.json()
    row = receiver.row(answer["id"])
    assert answer == {
        "id": row["id"],
        "event": "CreateQuote",
        "status": "accepted",
        "kind": "quote",
        "subject": "Q005218v2",
        "receivedAt": row["receivedAt"],
    }


def test_a_job_of_several_stands_in_the_timeline_of_each(receiver: Receiver) -> None:
    row = receiver.row(receiver.accepted("CreateJob", sample("CreateJob", "several-jobs")))
    subjects = json.loads(row["subjects"])
    assert len({key for kind, key in subjects if kind == "job"}) > 1
    wanted = {table_key(f"{kind}|{key}") for kind, key in subjects}
    wait_until(lambda: {each["PartitionKey"] for each in receiver.rows("timeline", id=row["id"])} == wanted)
