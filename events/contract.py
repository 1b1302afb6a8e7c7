"""The contract of the messages as JSON Schemas, generated from the models' declared types.

One text is valid as draft-07 and as 2020-12, and gives plain types in the usual generators: `definitions`, a
flat root, no boolean schema, null as a second type of a scalar. Every known field is required, since normal
form always has it; other fields may follow.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from events.catalogue import TYPE_PREFIX, EventType
from events.delivery import Channel
from events.fields import FieldSpec, Part, field_map
from events.models import Payload
from events.models.payload import UNREAD
from events.subjects import Kind

# quicktype, NJsonSchema and plain Ajv know no newer dialect.
DIALECT = "http://json-schema.org/draft-07/schema#"

type Schema = dict[str, Any]

_UNREAD: Schema = {
    "type": "object",
    "description": "Values that could not be read as their field's type, as received, by JSON Pointer. "
    "The field itself is null; an item of a list is left out.",
}


def data_schema(event: EventType, address: str) -> Schema:
    """Return the JSON Schema of an event's `data`, as served at `address`."""
    payloads = event.payloads
    head = {
        "$schema": DIALECT,
        "$id": address,
        "title": payloads[0].OBJECT if len(payloads) == 1 else f"{event}Data",
        "description": f"The data of {event.message_type}, which printIQ sends when {event.trigger}.",
    }
    if len(payloads) == 1:
        return {**head, **_object(payloads[0]), "definitions": _definitions(payloads)}
    return {**head, **_choice(payloads), "definitions": {**_own(payloads), **_definitions(payloads)}}


def message_schema(event: EventType, address: str) -> Schema:
    """Return the JSON Schema of an event's messages, as served at `address`."""
    payloads = event.payloads
    objects = [payload.OBJECT for payload in payloads]
    envelope = envelope_schema(address)
    properties = {
        **envelope["properties"],
        "type": {"type": "string", "const": event.message_type},
        "object": {
            **envelope["properties"]["object"],
            **({"const": objects[0]} if len(objects) == 1 else {"enum": objects}),
        },
        "data": _reference(payloads[0]) if len(payloads) == 1 else _choice(payloads),
    }
    return {
        **envelope,
        "title": f"{event}Message",
        "description": f"What a result queue receives when {event.trigger}.",
        "properties": properties,
        "definitions": {**_own(payloads), **_definitions(payloads)},
    }


_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
# Extension attributes for consumers that do not know the object; one without a value is absent.
_FACTS: Schema = {
    "status": {"type": "string", "description": "The subject's status, as printIQ names it."},
    "customer": {"type": "string", "description": "The customer's code."},
    "customername": {"type": "string", "description": "The customer's name."},
    "reference": {"type": "string", "description": "The customer's own reference."},
    "total": {
        "type": "string",
        "pattern": r"^-?[0-9]+(\.[0-9]+)?$",
        "description": "The amount of the whole, with or without tax as printIQ gives it.",
    },
    "currency": {"type": "string", "description": "The currency of `total`."},
    "date": {"type": "string", "pattern": _DAY, "description": "The calendar day as printIQ wrote it."},
    "due": {"type": "string", "pattern": _DAY, "description": "The calendar day as printIQ wrote it."},
}


def envelope_schema(address: str) -> Schema:
    """Return the JSON Schema of any message, whatever its event, as served at `address`."""
    return {
        "$schema": DIALECT,
        "$id": address,
        "title": "Message",
        "description": "A CloudEvents 1.0 message in structured JSON, with this app's extension attributes.",
        "type": "object",
        "properties": {
            "specversion": {"type": "string", "const": "1.0"},
            "id": {
                "type": "string",
                "description": "The event's id: the same in every replay, and in every queue.",
            },
            "source": {
                "type": "string",
                "format": "uri-reference",
                "description": "/printiq/ and the name of the printIQ site.",
            },
            "type": {
                "type": "string",
                "pattern": f"^{re.escape(TYPE_PREFIX)}",
                "description": f"{TYPE_PREFIX} and printIQ's name of the event. New types may appear.",
            },
            "subject": {
                "type": "string",
                "description": "The business key, such as a job's number. Absent where the object has none.",
            },
            "time": {
                "type": "string",
                "format": "date-time",
                "description": "When the event was first received, in UTC. An older state has an older time.",
            },
            "datacontenttype": {"type": "string", "const": "application/json"},
            "dataschema": {
                "type": "string",
                "format": "uri",
                "description": "The address of the JSON Schema of `data`.",
            },
            "channel": {
                "type": "string",
                "enum": list(Channel),
                "description": "How the event arrived.",
            },
            "kind": {
                "type": "string",
                "enum": list(Kind),
                "description": "What `subject` is the key of.",
            },
            "object": {"type": "string", "description": "printIQ's name of the object in `data`."},
            "delivery": {
                "type": "string",
                "description": "This delivery's id; a replay has its own. Drop one that you know.",
            },
            "sequence": {
                "type": "string",
                "description": "The order of a subject's events: as text, a later one's is greater. A replay "
                "has the event's own.",
            },
            **_FACTS,
            "duplicateof": {
                "type": "string",
                "description": "The delivery with the same content that came shortly before.",
            },
            "replayof": {"type": "string", "description": "The delivery that an operator replayed."},
            "dataref": {
                "type": "string",
                "format": "uri",
                "description": "The blob with the data, where that is too large for a message.",
            },
            "data": {
                "type": "object",
                "description": "The normalised payload. Absent where `dataref` names its blob.",
            },
        },
        "required": [
            "specversion",
            "id",
            "source",
            "type",
            "time",
            "datacontenttype",
            "dataschema",
            "channel",
            "kind",
            "object",
            "delivery",
            "sequence",
        ],
    }


def _choice(payloads: Iterable[type[Payload]]) -> Schema:
    return {
        "type": "object",
        "anyOf": [_reference(payload) for payload in payloads],
        "description": "One of two objects; the message's `object` names it.",
    }


def _own(payloads: Iterable[type[Payload]]) -> Mapping[str, Schema]:
    """Return the definitions of the payloads themselves."""
    return {payload.__name__: _object(payload) for payload in payloads}


@cache
def _definitions(payloads: tuple[type[Payload], ...]) -> Mapping[str, Schema]:
    """Return the definitions of all the parts that the payloads hold."""
    found: dict[str, Schema] = {}
    waiting: list[type[Part]] = list(payloads)
    while waiting:
        for spec in field_map(waiting.pop()).fields:
            if spec.part is not None and spec.part.__name__ not in found:
                found[spec.part.__name__] = _object(spec.part)
                waiting.append(spec.part)
    return found


def _object(model: type[Part]) -> Schema:
    """Return the schema of an object. Its root is flat: generators name a type after its place."""
    fields = field_map(model).fields
    properties = {spec.name: _described(model, spec) for spec in fields}
    if issubclass(model, Payload):
        properties[UNREAD] = _UNREAD
    documentation = {"description": model.__doc__.strip()} if model.__doc__ else {}
    return {
        **documentation,
        "type": "object",
        "properties": properties,
        "required": [spec.name for spec in fields],
    }


def _described(model: type[Part], spec: FieldSpec) -> Schema:
    description = model.model_fields[spec.attribute].description
    schema = _field(spec)
    sentences = [text for text in (description, schema.get("description")) if text]
    return {**schema, "description": " ".join(sentences)} if sentences else schema


def _field(spec: FieldSpec) -> Schema:
    if spec.many:
        return {"type": "array", "items": _reference(spec.part) if spec.part else _scalar(spec)}
    if spec.part:
        return {"oneOf": [{"type": "null"}, _reference(spec.part)]}
    scalar = _scalar(spec)
    return {**scalar, "type": [scalar["type"], "null"]}


def _reference(part: type[Part]) -> Schema:
    return {"$ref": f"#/definitions/{part.__name__}"}


def _scalar(spec: FieldSpec) -> Schema:
    assert spec.leaf is not None
    return dict(spec.leaf.json_schema)
