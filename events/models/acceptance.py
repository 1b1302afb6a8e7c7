"""Acceptances: a quote that became jobs of a sales order. From printIQ's documents and integrators' code."""

from collections.abc import Iterator
from typing import ClassVar, override

from events.facts import FactFields
from events.fields import Many, One, Part, also, described
from events.models.payload import Payload
from events.models.quote import MiddlewareDetail
from events.models.statuses import STATUSES, production_status
from events.subjects import Kind, Subject, key, likely, subject
from events.values import DateOrDateTime, Integer, Number, Text


class ProductDelivery(Part):
    FDKey: Integer = None
    adrNotes_Internal: Text = None
    adrNotes_External: Text = None


class ItemDelivery(ProductDelivery):
    IIKEY: Integer = None
    IICODE: Text = None
    IIDescription: Text = None
    ILKEY: Integer = None
    ILName: Text = None


class AcceptanceProduct(Part):
    JobNo: Text = also("JobNumber")
    MiddlewareProductDetail: One[MiddlewareDetail] = None
    AcceptanceProductDeliveryDetails: Many[ProductDelivery] = ()
    AcceptanceItemDeliveryDetails: Many[ItemDelivery] = ()


# The names under which the number of a sales order may come.
ORDERS = ("SalesOrderNo", "SalesOrderNumber", "SONumber", "SONo", "OrderNo", "OrderNumber")


class AcceptanceDetails(Payload):
    OBJECT: ClassVar = "AcceptanceDetails"
    KEYS: ClassVar = ("QuoteNo", "JobNo", *ORDERS)
    FACTS: ClassVar = FactFields(
        customer=("CustomerCode", "CusCode"),
        customer_name=("CustomerName", "cusName"),
        reference=("JobReference", "CustomerReference", "ExternalJobReference"),
        total=("TotalPrice",),
        currency=("CurCode",),
        date=("AcceptedOn", "AcceptedDate"),
        due=("DueDate", "CustomerExpectedDate"),
    )

    QuoteNo: Text = also("QuoteNumber")
    TotalPrice: Number = described(
        "The price of all that was accepted, in `CurCode`. printIQ does not document whether with tax."
    )
    JobReference: Text = None
    CurCode: Text = None
    JobNo: Text = also("JobNumber")
    AcceptanceKey: Integer = None
    AcceptanceDetailKey: Integer = None
    SpecialInstructions: Text = None
    JobTitle: Text = None
    CustomerReference: Text = None
    ExternalJobReference: Text = None
    DueDate: DateOrDateTime = None
    CustomerExpectedDate: DateOrDateTime = None
    DeliveryNotes: Text = None
    # "Create Job", then "Preflight", "Proof", …
    Workflow: Text = None
    Status: Text = None
    StatusID: Integer = None
    Products: Many[AcceptanceProduct] = ()
    AcceptanceProductDeliveryDetails: Many[ProductDelivery] = ()
    AcceptanceItemDeliveryDetails: Many[ItemDelivery] = ()

    @property
    @override
    def status(self) -> str | None:
        return self.Status or likely(self, *STATUSES) or production_status(self.StatusID)

    def subjects(self) -> Iterator[Subject]:
        """Yield the job where there is exactly one, else the sales order, else the quote; then all others."""
        products = (product for product in self.Products if isinstance(product, AcceptanceProduct))
        numbers = (key(number) for number in (self.JobNo, *(product.JobNo for product in products)))
        jobs = [Subject(Kind.JOB, number) for number in dict.fromkeys(numbers) if number]
        order = list(
            subject(
                Kind.ORDER,
                key(likely(self, *ORDERS), SOKey=likely(self, "SOKey")),
            )
        )
        quote = list(subject(Kind.QUOTE, key(self.QuoteNo)))
        if len(jobs) == 1:
            yield from jobs + order + quote
        else:
            yield from order + quote + jobs
        yield from subject(Kind.CUSTOMER, likely(self, "CustomerCode", "CusCode"))
