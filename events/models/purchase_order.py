"""Purchase orders: general, for inventory, and for outsourced work.

Nothing public is known of them but the names of some keys: the models take what comes and find likely keys.
"""

from collections.abc import Iterator
from typing import ClassVar

from events.fields import also
from events.models.payload import Payload
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

    PONumber: Text = also("PONum")
    POKey: Integer = None
    POPKey: Integer = None

    def subjects(self) -> Iterator[Subject]:
        yield from subject(Kind.PURCHASE_ORDER, key(self.PONumber, likely(self, *_NUMBERS), self.POKey))
        yield from subject(Kind.JOB, likely(self, *_JOBS))


class InventoryPurchaseOrder(Payload):
    OBJECT: ClassVar = "InventoryPurchaseOrder"
    DOCUMENTED: ClassVar = False

    PONumber: Text = also("PONum")
    IPOKey: Integer = None
    IPOLKey: Integer = None
    INVRelatedIPOKey: Integer = None

    def subjects(self) -> Iterator[Subject]:
        yield from subject(Kind.PURCHASE_ORDER, key(self.PONumber, likely(self, *_NUMBERS), self.IPOKey))


class OutsourcePurchaseOrder(PurchaseOrder):
    """An order for outsourced work; statuses seen are Finished, Completed and Cancelled."""

    OBJECT: ClassVar = "OutsourcePurchaseOrder"
