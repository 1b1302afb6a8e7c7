"""Failed imports of orders. Nothing public is known of them: the model finds likely keys in what comes."""

from collections.abc import Iterator
from typing import ClassVar

from events.facts import FactFields
from events.fields import also
from events.models.payload import Payload
from events.subjects import Kind, Subject, key, likely, subject
from events.values import Boolean, Text

# The names under which an order may come: those of cXML, and the columns of a CSV import.
ORDERS = (
    "SalesOrderNo",
    "SalesOrderNumber",
    "OrderNo",
    "OrderNumber",
    "OrderID",
    "OrderReference",
    "PayloadID",
)


class JobFailData(Payload):
    OBJECT: ClassVar = "JobFailData"
    DOCUMENTED: ClassVar = False
    KEYS: ClassVar = ("JobNo", "QuoteNo", *ORDERS)
    FACTS: ClassVar = FactFields(customer=("CustomerCode",), reference=("OrderRef",))

    JobNo: Text = also("JobNumber")
    QuoteNo: Text = also("QuoteNumber")
    OrderRef: Text = also("Order ref")
    # Its own members, not those of a response envelope: this object is about an error.
    IsError: Boolean = None
    ErrorMessage: Text = None

    def subjects(self) -> Iterator[Subject]:
        """Yield the failure under its first key of job, order, quote and file name; then each of them."""
        job = key(self.JobNo)
        order = key(self.OrderRef, likely(self, *ORDERS))
        quote = key(self.QuoteNo)
        file = likely(self, "FileName", "OriginalFileName", "CsvFileName", "XmlFileName", "File", "FilePath")
        yield from subject(Kind.FAILURE, job or order or quote or file)
        yield from subject(Kind.JOB, job)
        yield from subject(Kind.ORDER, order)
        yield from subject(Kind.QUOTE, quote)
