"""Purchase orders: general, for inventory, and for outsourced work.

Nothing public is known of them but the names of some keys: the models take what comes and find likely keys.
"""

from collections.abc import Iterator
from typing import ClassVar, override

from events.facts import FactFields
from events.fields import also
from events.models.payload import Payload
from events.models.statuses import PURCHASE_ORDER_STATUSES
from events.subjects import Kind, Subject, key, likely, subject
from events.values import Integer, Text

_NUMBERS = (
    "PurchaseOrderNo",
    "PurchaseOrderNumber",
    "OrderNo",
    "OrderNumber",
    "IPONumber",
    "IPONo",
    "OPONumber",
    "OPONo",
)
_JOBS = ("JobNo", "JobNumber")


class PurchaseOrder(Payload):
    OBJECT: ClassVar = "PurchaseOrder"
    DOCUMENTED: ClassVar = False
    KEYS: ClassVar = ("PONumber", "POKey", *_NUMBERS)
    FACTS: ClassVar = FactFields(
        total=("TotalPrice", "Total"), currency=("CurCode",), date=("OrderDate",), due=("DueDate",)
    )

    PONumber: Text = also("PONum")
    Status: Text = None
    POKey: Integer = None
    POPKey: Integer = None

    @property
    @override
    def status(self) -> str | None:
        return self.Status or likely(self, *PURCHASE_ORDER_STATUSES)

    def subjects(self) -> Iterator[Subject]:
        yield from subject(Kind.PURCHASE_ORDER, key(self.PONumber, likely(self, *_NUMBERS), POKey=self.POKey))
        yield from subject(Kind.JOB, likely(self, *_JOBS))


class InventoryPurchaseOrder(Payload):
    OBJECT: ClassVar = "InventoryPurchaseOrder"
    DOCUMENTED: ClassVar = False
    KEYS: ClassVar = ("PONumber", "IPOKey", *_NUMBERS)
    FACTS: ClassVar = FactFields(
        total=("TotalPrice", "Total"), currency=("CurCode",), date=("OrderDate",), due=("DueDate",)
    )

    PONumber: Text = also("PONum")
    Status: Text = None
    IPOKey: Integer = None
    IPOLKey: Integer = None
    INVRelatedIPOKey: Integer = None

    @property
    @override
    def status(self) -> str | None:
        return self.Status or likely(self, *PURCHASE_ORDER_STATUSES)

    def subjects(self) -> Iterator[Subject]:
        yield from subject(
            Kind.PURCHASE_ORDER, key(self.PONumber, likely(self, *_NUMBERS), IPOKey=self.IPOKey)
        )


class OutsourcePurchaseOrder(PurchaseOrder):
    """An order for outsourced work; statuses seen are Finished, Completed and Cancelled."""

    OBJECT: ClassVar = "OutsourcePurchaseOrder"
