"""Simplified products, from printIQ's documents."""

from collections.abc import Iterator
from typing import ClassVar

from events.fields import Many, Part
from events.models.payload import Payload
from events.subjects import Kind, Subject, key, subject
from events.values import Boolean, Integer, Number, Text


class PricingItem(Part):
    SPQuantity: Number = None


class TreeNode(Part):
    Level: Integer = None


class ProductDetail(Payload):
    """A simplified product; an `ArtworkURL` of null means that there is no artwork."""

    OBJECT: ClassVar = "ProductDetail"
    KEYS: ClassVar = ("ProductCode",)

    Name: Text = None
    QPDActive: Boolean = None
    ProductCode: Text = None
    Weight: Number = None
    QPDMinOrderQuantity: Number = None
    QPDMaxOrderQuantity: Number = None
    ThumbnailURL: Text = None
    PricingItems: Many[PricingItem] = ()
    TreeNodes: Many[TreeNode] = ()
    ArtworkURL: Text = None

    def subjects(self) -> Iterator[Subject]:
        yield from subject(Kind.PRODUCT, key(self.ProductCode, name=self.Name))
