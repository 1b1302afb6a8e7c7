"""The facts of an event: what most consumers need without knowing printIQ's fields."""

import json

import pytest
from deliveries import read

from events import Facts

CASES = [
    (
        "ExportInvoice",
        {
            "INVID": 1,
            "BillingCusCode": "KOW",
            "BillingCusName": "Kowhai",
            "INVInvoiceReference": "PO 7",
            "INVInvoiceTotal": "-96.0000",
            "CurCode": "NZD",
            "INVInvoiceDate": "2025-08-11T23:30:00+12:00",
            "INVInvoiceDueDate": "20/09/25",
        },
        Facts(
            customer="KOW",
            customer_name="Kowhai",
            reference="PO 7",
            total="-96",
            currency="NZD",
            date="2025-08-11",
            due="2025-09-20",
        ),
    ),
    ("UpdateJobStatus", {"JobNo": "J1", "Status": "In Process"}, Facts(status="In Process")),
    ("UpdateJobStatus", {"JobNo": "J1", "StatusID": 21}, Facts(status="COMPLETE")),
    ("UpdateDispatchStatus", {"JobNo": "J1", "DispatchStatus": "Dispatched"}, Facts(status="Dispatched")),
    ("UpdateOrderStatus", {"SalesOrderNo": "S1", "orderstatus": "Open"}, Facts(status="Open")),
    ("InventoryPOStatusChange", {"IPOKey": 1, "IPOStatus": "Received"}, Facts(status="Received")),
    ("ExportPurchaseOrder", {"PONumber": "P1", "TotalPrice": 96.50}, Facts(total="96.5")),
    ("ExportPurchaseOrder", {"PONumber": "P1", "totalprice": "96.5000"}, Facts(total="96.5")),
    ("ExportPurchaseOrder", {"PONumber": "P1", "TotalPrice": "n/a", "Total": 96}, Facts(total="96")),
    ("ExportPurchaseOrder", {"PONumber": "P1", "TotalPrice": "1e999999"}, Facts()),
    (
        "CreateQuote",
        {"QuoteNo": "Q1", "TotalPrice": 12345678901234567890},
        Facts(total="12345678901234567890"),
    ),
    ("OutsourcePOStatusChange", {"POKey": 1, "Status": "Finished"}, Facts(status="Finished")),
    ("UpdateSalesOrderStatusLine", {"SOKey": 1, "ItemStatus": "Picked"}, Facts(status="Picked")),
    ("CreateQuote", {"QuoteNo": "Q1", "cuscode": "KOW"}, Facts(customer="KOW")),
    ("CreateQuote", {"QuoteNo": "Q1"}, Facts()),
    ("ProductUpdated", {"ProductCode": "P1"}, Facts()),
    (
        "CreateJobXml",
        {"Job": {"JobNumber": "J1", "Customer": {"Number": "7"}, "Product": {"Status": "Proof"}}},
        Facts(status="Proof", customer="7"),
    ),
    ("CreateJobXml", {"Job": {"JobNumber": "J1", "Customer": "odd", "Product": []}}, Facts()),
]


@pytest.mark.parametrize(("event", "body", "facts"), CASES)
def test_an_event_has_the_facts_that_its_object_holds(
    event: str, body: dict[str, object], facts: Facts
) -> None:
    assert read(event, json.dumps(body)).facts == facts
    assert read(event, json.dumps(body)).status == facts.status
