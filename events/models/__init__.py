"""The objects that printIQ's events carry, one file per noun."""

from events.fields import Part
from events.models.acceptance import AcceptanceDetails
from events.models.consignment import Consignment
from events.models.customer import Customer, CustomerAddress, CustomerContact
from events.models.failure import JobFailData
from events.models.inventory import InventoryTransaction
from events.models.invoice import Invoice
from events.models.job import Job
from events.models.payload import Payload
from events.models.product import ProductDetail
from events.models.purchase_order import InventoryPurchaseOrder, OutsourcePurchaseOrder, PurchaseOrder
from events.models.quote import QuoteDetails
from events.models.sales_item import SalesItem
from events.subjects import Kind, Subject

__all__ = [
    "AcceptanceDetails",
    "Consignment",
    "Customer",
    "CustomerAddress",
    "CustomerContact",
    "InventoryPurchaseOrder",
    "InventoryTransaction",
    "Invoice",
    "Job",
    "JobFailData",
    "Kind",
    "OutsourcePurchaseOrder",
    "Part",
    "Payload",
    "ProductDetail",
    "PurchaseOrder",
    "QuoteDetails",
    "SalesItem",
    "Subject",
]
