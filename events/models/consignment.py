"""Consignments. Fields: the neighbouring object of printIQ's inbound API."""

from collections.abc import Iterator
from typing import ClassVar

from events.facts import FactFields
from events.fields import Many, Part
from events.models.payload import Payload
from events.subjects import Kind, Subject, key, likely, subject
from events.values import Integer, Number, Text


class ConsignmentDelivery(Part):
    DeliveryKey: Integer = None
    DeliveryTrackingCode: Text = None
    DeliveryTrackingURL: Text = None


class Consignment(Payload):
    OBJECT: ClassVar = "Consignment"
    KEYS: ClassVar = ("ConsignmentNo",)
    FACTS: ClassVar = FactFields(reference=("ConsignmentTrackingCode",), total=("ConsignmentPrice",))

    ConsignmentNo: Text = None
    ConsignmentPrice: Number = None
    ConsignmentTrackingCode: Text = None
    ConsignmentTrackingURL: Text = None
    ExternalConsignmentDeliveries: Many[ConsignmentDelivery] = ()

    def subjects(self) -> Iterator[Subject]:
        yield from subject(Kind.CONSIGNMENT, key(self.ConsignmentNo))
        yield from subject(Kind.JOB, likely(self, "JobNo", "JobNumber"))
