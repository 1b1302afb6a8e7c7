"""Inventory transactions, from printIQ's documents."""

from collections.abc import Iterator
from typing import ClassVar

from events.models.payload import Payload
from events.subjects import Kind, Subject, key, likely, subject
from events.values import Integer, Number, Text


class InventoryTransaction(Payload):
    """One movement of stock; `TransactionType` is Pick, Return or Adjustment, in varying case."""

    OBJECT: ClassVar = "InventoryTransaction"
    KEYS: ClassVar = ("ITKey",)

    TransactionType: Text = None
    IIKey: Integer = None
    IICode: Text = None
    ITUnits: Number = None
    ILKey: Integer = None
    ILName: Text = None
    ITKey: Integer = None
    ITOverrideKey: Integer = None
    QQADKey: Integer = None
    SOKey: Integer = None

    def subjects(self) -> Iterator[Subject]:
        yield from subject(Kind.TRANSACTION, key(self.ITKey, IICode=self.IICode))
        yield from subject(Kind.JOB, likely(self, "JobNo", "JobNumber"))
        yield from subject(Kind.ORDER, likely(self, "SalesOrderNo", "SalesOrderNumber", "SONumber", "SONo"))

    @property
    def can_be_duplicate(self) -> bool:
        """Without an ITKey, two equal movements are separate events, not duplicates."""
        return key(self.ITKey) is not None
