"""Quotes, as in the responses of printIQ's API, and the product detail that quotes and acceptances share."""

from collections.abc import Iterator
from typing import ClassVar

from events.facts import FactFields
from events.fields import Many, One, Part, also, described
from events.models.payload import Payload
from events.subjects import Kind, Subject, key, likely, subject
from events.values import Integer, Number, Text


class ProductOperation(Part):
    POKey: Integer = None


class ProductSection(Part):
    QSTKey: Integer = None


class MiddlewareDetail(Part):
    QQDKey: Integer = None
    cusName: Text = None
    Operations: Many[ProductOperation] = ()
    Sections: Many[ProductSection] = ()


class QuoteQuantity(Part):
    Price: Number = described("The price of this quantity, not of a piece. printIQ does not document it.")
    RetailPrice: Number = None
    WholesalePrice: Number = None
    Quantity: Number = None
    QuantityToDisplay: Text = None
    MiddlewareProductDetail: One[MiddlewareDetail] = None


class QuoteProduct(Part):
    ProductKey: Integer = None
    Quantities: Many[QuoteQuantity] = ()


class QuoteDetails(Payload):
    OBJECT: ClassVar = "QuoteDetails"
    KEYS: ClassVar = ("QuoteNo",)
    FACTS: ClassVar = FactFields(
        customer=("CustomerCode", "CusCode"),
        customer_name=("CustomerName", "cusName"),
        total=("TotalPrice",),
        currency=("CurCode",),
    )

    QuoteNo: Text = also("QuoteNumber")
    EditingQQAdKey: Integer = None
    Products: Many[QuoteProduct] = ()

    def subjects(self) -> Iterator[Subject]:
        yield from subject(Kind.QUOTE, key(self.QuoteNo))
        yield from subject(Kind.CUSTOMER, likely(self, "CustomerCode", "CusCode"))
