"""Sales items and the inventory item behind each, from printIQ's documents."""

from collections.abc import Iterator
from typing import ClassVar

from events.fields import Many, One, Part
from events.models.payload import Payload
from events.subjects import Kind, Subject, key, subject
from events.values import Boolean, Integer, Number, Text


class LinkedInventoryItem(Part):
    IICode: Text = None
    IISingleUnitWeight: Number = None
    ItemWidth: Number = None
    ItemHeight: Number = None
    ItemDepth: Number = None
    ImageFullFilePath: Text = None


class Category(Part):
    ID: Integer = None
    Name: Text = None
    ParentID: Integer = None
    Description: Text = None
    ImageURL: Text = None
    Level: Integer = None


class SalesItem(Payload):
    OBJECT: ClassVar = "SalesItem"
    KEYS: ClassVar = ("SIName",)

    SIName: Text = None
    SIDescription: Text = None
    SIActive: Boolean = None
    SIAllowBackOrders: Boolean = None
    InventoryItem: One[LinkedInventoryItem] = None
    Categories: Many[Category] = ()

    def subjects(self) -> Iterator[Subject]:
        yield from subject(Kind.SALES_ITEM, key(self.SIName))
