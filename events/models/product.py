"""Simplified products, from printIQ's documents."""

from collections.abc import Iterator
from typing import ClassVar

from events.models._base import Kind, Many, Part, Payload, Subject, key, subject
from events.values import Flag, Integer, Number, Text


class PricingItem(Part):
    SPQuantity: Number = None


class TreeNode(Part):
    Level: Integer = None


class ProductDetail(Payload):
    """Be a simplified product; an `ArtworkURL` of null has a meaning: there is no artwork."""

    OBJECT: ClassVar = "ProductDetail"

    Name: Text = None
    QPDActive: Flag = None
    ProductCode: Text = None
    Weight: Number = None
    QPDMinOrderQuantity: Number = None
    QPDMaxOrderQuantity: Number = None
    ThumbnailURL: Text = None
    PricingItems: Many[PricingItem] = ()
    TreeNodes: Many[TreeNode] = ()
    ArtworkURL: Text = None

    def subjects(self) -> Iterator[Subject]:
        yield from subject(Kind.PRODUCT, key(self.ProductCode, self.Name))
