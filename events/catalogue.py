"""The list of everything printIQ tells: a row per event."""

from collections.abc import Iterator
from difflib import get_close_matches
from enum import StrEnum
from typing import Self

from events.errors import UnknownEvent
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


class EventType(StrEnum):
    """Name an event as printIQ does, with what is known of it.

    `payloads` are the objects it may carry, the documented one first; `kind` is what it is about; `format` is
    what printIQ sends (either is read); `trigger` completes "sent when …"; `repeats` is false where equal
    deliveries are separate happenings, never duplicates.
    """

    payloads: tuple[type[Payload], ...]
    kind: Kind
    format: str  # type: ignore[assignment]  # the field's word, not str's
    trigger: str
    repeats: bool

    def __new__(  # noqa: PLR0913, PLR0917 - the columns of the table below
        cls,
        name: str,
        payloads: type[Payload] | tuple[type[Payload], ...],
        kind: Kind,
        format: str,  # noqa: A002 - the field's word
        trigger: str,
        repeats: bool = True,  # noqa: FBT001, FBT002 - a column too
    ) -> Self:
        member = str.__new__(cls, name)
        member._value_ = name
        member.payloads = payloads if isinstance(payloads, tuple) else (payloads,)
        member.kind = kind
        member.format = format
        member.trigger = trigger
        member.repeats = repeats
        return member

    # A row per event, to be read, compared and added to as a row.
    # fmt: off
    CREATE_CUSTOMER = "CreateCustomer", Customer, Kind.CUSTOMER, "JSON", "a customer is created or updated"
    CREATE_CUSTOMER_CONTACT = "CreateCustomerContact", CustomerContact, Kind.CONTACT, "JSON", "a customer contact is created or updated"
    CREATE_CUSTOMER_ADDRESS = "CreateCustomerAddress", CustomerAddress, Kind.ADDRESS, "JSON", "a customer address is created or updated"
    CREATE_QUOTE = "CreateQuote", QuoteDetails, Kind.QUOTE, "JSON", 'a quote is created, or updated to "Awaiting Acceptance" or "Printed"'
    CREATE_JOB = "CreateJob", AcceptanceDetails, Kind.JOB, "JSON", "a quote is accepted (with the new job)"
    COMPLETE_JOB = "CompleteJob", AcceptanceDetails, Kind.JOB, "JSON", "a job is marked as complete"
    REJECT_QUOTE = "RejectQuote", QuoteDetails, Kind.QUOTE, "JSON", "a quote is rejected"
    EXPIRE_QUOTE = "ExpireQuote", QuoteDetails, Kind.QUOTE, "JSON", "quotes expire (a scheduled service does it)"
    DISCARD_QUOTE = "DiscardQuote", QuoteDetails, Kind.QUOTE, "JSON", "a quote status is changed to rejected"
    EXPORT_INVOICE = "ExportInvoice", Invoice, Kind.INVOICE, "JSON", "an invoice is exported"
    FAIL_CXML_JOB = "FailCxmlJob", JobFailData, Kind.FAILURE, "JSON", "a cXML order fails"
    EXPORT_PURCHASE_ORDER = "ExportPurchaseOrder", PurchaseOrder, Kind.PURCHASE_ORDER, "JSON", "a purchase order is exported"
    FAIL_XMPIE_JOB = "FailXMPieJob", JobFailData, Kind.FAILURE, "JSON", "an XMPie or custom CSV import fails"
    CREATE_JOB_XML = "CreateJobXml", (AcceptanceDetails, Job), Kind.JOB, "XML", "a quote is accepted and is not a ganged job"
    UPDATE_JOB_STATUS = "UpdateJobStatus", AcceptanceDetails, Kind.JOB, "JSON", "a job status is updated"
    UPDATE_DISPATCH_STATUS = "UpdateDispatchStatus", AcceptanceDetails, Kind.JOB, "JSON", "a dispatch status changes; one event per job in the dispatch", False
    REQUEST_QUOTE_APPROVAL = "RequestQuoteApproval", QuoteDetails, Kind.QUOTE, "JSON", 'a quote status changes to "Requires Approval"'
    UPDATE_ORDER_STATUS = "UpdateOrderStatus", AcceptanceDetails, Kind.ORDER, "JSON", "a sales order status is updated"
    COMPLETE_ORDER = "CompleteOrder", AcceptanceDetails, Kind.ORDER, "JSON", "a sales order is marked as complete"
    INVENTORY_PO_STATUS_CHANGE = "InventoryPOStatusChange", InventoryPurchaseOrder, Kind.PURCHASE_ORDER, "JSON", "an inventory purchase order status is updated"
    OUTSOURCE_PO_STATUS_CHANGE = "OutsourcePOStatusChange", OutsourcePurchaseOrder, Kind.PURCHASE_ORDER, "JSON", "an outsource purchase order status is updated"
    INVENTORY_TRANSACTION_INSERTED = "InventoryTransactionInserted", InventoryTransaction, Kind.TRANSACTION, "JSON", "a new inventory transaction is inserted"
    UPDATE_JOB_STATUS_XML = "UpdateJobStatus_Xml", (AcceptanceDetails, Job), Kind.JOB, "XML", "a job status is updated"
    ACCEPT_QUOTE = "AcceptQuote", QuoteDetails, Kind.QUOTE, "JSON", "a quote is accepted"
    CREATE_CONSIGNMENT = "CreateConsignment", Consignment, Kind.CONSIGNMENT, "JSON", "a consignment is created"
    ACCEPTANCE_CREATED = "AcceptanceCreated", AcceptanceDetails, Kind.JOB, "JSON", "a quote is accepted"
    SALES_ITEM_UPDATED = "SalesItemUpdated", SalesItem, Kind.SALES_ITEM, "JSON", "a sales item or its linked inventory item is updated"
    PRODUCT_UPDATED = "ProductUpdated", ProductDetail, Kind.PRODUCT, "JSON", "a simplified product is created or updated"
    UPDATE_SALES_ORDER_STATUS_LINE = "UpdateSalesOrderStatusLine", AcceptanceDetails, Kind.ORDER, "JSON", "a sales order item's status is updated; one event per affected item", False
    # fmt: on

    @classmethod
    def named(cls, name: str) -> "EventType":
        """Find an event by name, without regard to case. Raises UnknownEvent with the nearest names."""
        found = _BY_NAME.get(name.lower())
        if found is None:
            raise UnknownEvent(_unknown(name))
        return found


# Names that printIQ's own feature pages use beside those of its list.
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
        f"Did you mean {' or '.join(dict.fromkeys(near))}?"
        if near
        else f"GET /api/schemas lists the {len(EventType)} that it has."
    )
    return f"printIQ has no event named {shown!r}. {hint}"


def payload_types() -> Iterator[type[Payload]]:
    """Yield every object that any event carries, once each."""
    yield from dict.fromkeys(payload for event in EventType for payload in event.payloads)
