"""Makes the models with which pydantic-xml reads the same documents into the same known fields."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pydantic_xml
from lxml import etree

from events.fields import FieldSpec, field_map
from events.models import Part
from events.values import Scalar

_TYPES: dict[Scalar, type] = {
    Scalar.TEXT: str,
    Scalar.BOOLEAN: bool,
    Scalar.DECIMAL: Decimal,
    Scalar.INTEGER: int,
    Scalar.DATE: datetime,
}


def peer_of(model: type[Part], element: etree._Element) -> Any:
    """Return a model that reads elements like `element`: those of the model's known fields that it has."""
    fields: dict[str, tuple[Any, Any]] = {}
    for spec in field_map(model).fields:
        found = element.find(spec.name)
        if found is not None:
            fields[spec.attribute] = _field(spec, found)
    base = pydantic_xml.BaseXmlModel
    return pydantic_xml.create_model(
        model.__name__,
        __base__=base,
        __cls_kwargs__={"tag": element.tag, "search_mode": "unordered"},
        **fields,
    )


def _field(spec: FieldSpec, found: etree._Element) -> tuple[Any, Any]:
    if spec.part is None:
        assert spec.leaf is not None
        return (_TYPES[spec.leaf.kind] | str | None, pydantic_xml.element(tag=spec.name, default=None))
    if not spec.many:
        return (peer_of(spec.part, found) | None, pydantic_xml.element(tag=spec.name, default=None))
    if not len(found):
        return (str | None, pydantic_xml.element(tag=spec.name, default=None))
    richest = max(found, key=lambda each: sum(1 for _ in each.iter()))
    return (
        tuple[peer_of(spec.part, richest), ...],  # type: ignore[misc] # a model that was just made
        pydantic_xml.wrapped(spec.name, pydantic_xml.element(tag=found[0].tag, default=())),
    )
