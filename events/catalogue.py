"""The list of printIQ's events: a row per event."""

from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from typing import Self

from events.errors import UnknownEvent, any_of
from events.formats import Format
from events.models import (
    AcceptanceDetails,
    Consignment,
    Customer,
    CustomerAddress,
    CustomerContact,
    InventoryPurchaseOrder,
    InventoryTransaction,
    Invoice,
    Job,
    JobFailData,
    Kind,
    OutsourcePurchaseOrder,
    Payload,
    ProductDetail,
    PurchaseOrder,
    QuoteDetails,
    SalesItem,
)

# What the CloudEvents `type` of every message begins with.
TYPE_PREFIX = "com.printiq."


class EventType(StrEnum):
    """An event by printIQ's own name, with what is known of it.

    `payloads` are the objects it may carry, the documented one first; `kind` is what it is about;
    `wire_format` is what printIQ sends (either is read); `trigger` completes "sent when …"; `duplicates` is
    false where equal deliveries are separate events, never duplicates.
    """

    payloads: tuple[type[Payload], ...]
    kind: Kind
    wire_format: Format
    trigger: str
    duplicates: bool

    def __new__(
        cls,
        name: str,
        payloads: type[Payload] | tuple[type[Payload], ...],
        kind: Kind,
        wire_format: Format,
        trigger: str,
        duplicates: bool = True,
    ) -> Self:
        member = str.__new__(cls, name)
        member._value_ = name
        member.payloads = payloads if isinstance(payloads, tuple) else (payloads,)
        member.kind = kind
        member.wire_format = wire_format
        member.trigger = trigger
        member.duplicates = duplicates
        return member

    # A row per event, on one line each, to read and compare.
    # fmt: off
    CREATE_CUSTOMER = "CreateCustomer", Customer, Kind.CUSTOMER, Format.JSON, "a customer is created or updated"
    CREATE_CUSTOMER_CONTACT = "CreateCustomerContact", CustomerContact, Kind.CONTACT, Format.JSON, "a customer contact is created or updated"
    CREATE_CUSTOMER_ADDRESS = "CreateCustomerAddress", CustomerAddress, Kind.ADDRESS, Format.JSON, "a customer address is created or updated"
    CREATE_QUOTE = "CreateQuote", QuoteDetails, Kind.QUOTE, Format.JSON, 'a quote is created, or updated to "Awaiting Acceptance" or "Printed"'
    CREATE_JOB = "CreateJob", AcceptanceDetails, Kind.JOB, Format.JSON, "a quote is accepted (with the new job)"
    COMPLETE_JOB = "CompleteJob", AcceptanceDetails, Kind.JOB, Format.JSON, "a job is marked as complete"
    REJECT_QUOTE = "RejectQuote", QuoteDetails, Kind.QUOTE, Format.JSON, "a quote is rejected"
    EXPIRE_QUOTE = "ExpireQuote", QuoteDetails, Kind.QUOTE, Format.JSON, "quotes expire (by a scheduled service)"
    DISCARD_QUOTE = "DiscardQuote", QuoteDetails, Kind.QUOTE, Format.JSON, "a quote status is changed to rejected"
    EXPORT_INVOICE = "ExportInvoice", Invoice, Kind.INVOICE, Format.JSON, "an invoice is exported"
    FAIL_CXML_JOB = "FailCxmlJob", JobFailData, Kind.FAILURE, Format.JSON, "a cXML order fails"
    EXPORT_PURCHASE_ORDER = "ExportPurchaseOrder", PurchaseOrder, Kind.PURCHASE_ORDER, Format.JSON, "a purchase order is exported"
    FAIL_XMPIE_JOB = "FailXMPieJob", JobFailData, Kind.FAILURE, Format.JSON, "an XMPie or custom CSV import fails"
    CREATE_JOB_XML = "CreateJobXml", (AcceptanceDetails, Job), Kind.JOB, Format.XML, "a quote is accepted and is not a ganged job"
    UPDATE_JOB_STATUS = "UpdateJobStatus", AcceptanceDetails, Kind.JOB, Format.JSON, "a job status is updated"
    UPDATE_DISPATCH_STATUS = "UpdateDispatchStatus", AcceptanceDetails, Kind.JOB, Format.JSON, "a dispatch status changes; one event per job in the dispatch", False
    REQUEST_QUOTE_APPROVAL = "RequestQuoteApproval", QuoteDetails, Kind.QUOTE, Format.JSON, 'a quote status changes to "Requires Approval"'
    UPDATE_ORDER_STATUS = "UpdateOrderStatus", AcceptanceDetails, Kind.ORDER, Format.JSON, "a sales order status is updated"
    COMPLETE_ORDER = "CompleteOrder", AcceptanceDetails, Kind.ORDER, Format.JSON, "a sales order is marked as complete"
    INVENTORY_PO_STATUS_CHANGE = "InventoryPOStatusChange", InventoryPurchaseOrder, Kind.PURCHASE_ORDER, Format.JSON, "an inventory purchase order status is updated"
    OUTSOURCE_PO_STATUS_CHANGE = "OutsourcePOStatusChange", OutsourcePurchaseOrder, Kind.PURCHASE_ORDER, Format.JSON, "an outsource purchase order status is updated"
    INVENTORY_TRANSACTION_INSERTED = "InventoryTransactionInserted", InventoryTransaction, Kind.TRANSACTION, Format.JSON, "a new inventory transaction is inserted"
    UPDATE_JOB_STATUS_XML = "UpdateJobStatus_Xml", (AcceptanceDetails, Job), Kind.JOB, Format.XML, "a job status is updated"
    ACCEPT_QUOTE = "AcceptQuote", QuoteDetails, Kind.QUOTE, Format.JSON, "a quote is accepted"
    CREATE_CONSIGNMENT = "CreateConsignment", Consignment, Kind.CONSIGNMENT, Format.JSON, "a consignment is created"
    ACCEPTANCE_CREATED = "AcceptanceCreated", AcceptanceDetails, Kind.JOB, Format.JSON, "a quote is accepted"
    SALES_ITEM_UPDATED = "SalesItemUpdated", SalesItem, Kind.SALES_ITEM, Format.JSON, "a sales item or its linked inventory item is updated"
    PRODUCT_UPDATED = "ProductUpdated", ProductDetail, Kind.PRODUCT, Format.JSON, "a simplified product is created or updated"
    UPDATE_SALES_ORDER_STATUS_LINE = "UpdateSalesOrderStatusLine", AcceptanceDetails, Kind.ORDER, Format.JSON, "a sales order item's status is updated; one event per affected item", False
    # fmt: on

    @property
    def message_type(self) -> str:
        """The CloudEvents `type` of its messages."""
        return f"{TYPE_PREFIX}{self}"

    @classmethod
    def named(cls, name: str) -> "EventType":
        """Find an event by name, without regard to case. Raises UnknownEvent with the nearest names."""
        found = _BY_NAME.get(name.lower())
        if found is None:
            raise UnknownEvent(_unknown(name))
        return found


# Names on printIQ's feature pages that differ from those of its list.
_ALSO_SEEN = {
    "quotecreated": EventType.CREATE_QUOTE,
    "createjobs": EventType.CREATE_JOB,
    "createconsigment": EventType.CREATE_CONSIGNMENT,
}
_BY_NAME = {**_ALSO_SEEN, **{event.lower(): event for event in EventType}}
_LONGEST_SHOWN = 60


def _unknown(name: str) -> str:
    shown = name if len(name) <= _LONGEST_SHOWN else name[:_LONGEST_SHOWN] + "…"
    near = [
        _BY_NAME[folded] for folded in get_close_matches(name[:_LONGEST_SHOWN].lower(), _BY_NAME, cutoff=0.5)
    ]
    hint = (
        f"Did you mean {any_of(list(dict.fromkeys(near)))}?"
        if near
        else f"GET /api/schemas lists all {len(EventType)}."
    )
    return f"printIQ has no event named {shown!r}. {hint}"


@cache
def payload_types() -> tuple[type[Payload], ...]:
    """Return every object that any event carries, once each."""
    return tuple(dict.fromkeys(payload for event in EventType for payload in event.payloads))
