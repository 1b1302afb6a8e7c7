"""Makes the models with which pydantic-xml reads the same documents into the same known fields."""

from typing import Any

import pydantic_xml
from lxml import etree

from events.models import Part
from events.models._base import Slot, plan


def peer_of(model: type[Part], element: etree._Element) -> Any:
    """Return a model that reads `element` and its like: what stands in it of the model's known fields."""
    fields: dict[str, tuple[Any, Any]] = {}
    for slot in plan(model).fields:
        found = element.find(slot.name)
        if found is not None:
            fields[slot.attribute] = _field(slot, found)
    base = pydantic_xml.BaseXmlModel
    return pydantic_xml.create_model(
        model.__name__,
        __base__=base,
        __cls_kwargs__={"tag": element.tag, "search_mode": "unordered"},
        **fields,
    )


def _field(slot: Slot, found: etree._Element) -> tuple[Any, Any]:
    if slot.part is None:
        assert slot.leaf is not None
        return (slot.leaf.types[0] | str | None, pydantic_xml.element(tag=slot.name, default=None))
    if not slot.many:
        return (peer_of(slot.part, found) | None, pydantic_xml.element(tag=slot.name, default=None))
    if not len(found):
        return (str | None, pydantic_xml.element(tag=slot.name, default=None))
    richest = max(found, key=lambda each: sum(1 for _ in each.iter()))
    return (
        tuple[peer_of(slot.part, richest), ...],  # type: ignore[misc] # a model that was just made
        pydantic_xml.wrapped(slot.name, pydantic_xml.element(tag=found[0].tag, default=())),
    )
