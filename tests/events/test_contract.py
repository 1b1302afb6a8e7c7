"""The schemas of the messages: valid in two dialects, plain for every generator, true of every sample."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from deliveries import read, sample_id, samples
from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.exceptions import ValidationError

from events import (
    DIALECT,
    Envelope,
    Event,
    EventType,
    Payload,
    cloud_event,
    data_schema,
    envelope_schema,
    message_schema,
)
from events.catalogue import payload_types
from events.fields import Part, field_map
from events.models import Invoice

ADDRESS = "https://receiver.example/api/schemas/{}"
SCHEMAS: dict[str, dict[str, Any]] = {
    "envelope": envelope_schema(ADDRESS.format("envelope")),
    **{event: data_schema(event, ADDRESS.format(event)) for event in EventType},
    **{f"{event}/message": message_schema(event, ADDRESS.format(f"{event}/message")) for event in EventType},
}
every_schema = pytest.mark.parametrize("name", SCHEMAS)


def message(event: Event[Payload]) -> dict[str, Any]:
    envelope = Envelope(
        id=event.delivery.id,
        time=datetime(2025, 8, 11, tzinfo=UTC),
        source="/printiq/press-1",
        data_schema=ADDRESS.format(event.type),
    )
    members: dict[str, Any] = json.loads(cloud_event(event, envelope))
    return members


def nodes(schema: object) -> Iterator[dict[str, Any]]:
    """Yield every object in a schema, its own properties' names not taken for keywords."""
    if isinstance(schema, dict):
        yield schema
        for name, value in schema.items():
            inner = value.values() if name in {"properties", "definitions"} else [value]
            for each in inner:
                yield from nodes(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from nodes(each)


@every_schema
def test_a_schema_is_valid_in_both_dialects(name: str) -> None:
    schema = SCHEMAS[name]
    assert (schema["$schema"], schema["$id"]) == (DIALECT, ADDRESS.format(name))
    Draft7Validator.check_schema(schema)
    Draft202012Validator.check_schema({key: value for key, value in schema.items() if key != "$schema"})


@every_schema
def test_a_schema_uses_only_what_every_generator_understands(name: str) -> None:
    schema = SCHEMAS[name]
    assert "$ref" not in schema
    assert schema["type"] == "object"
    assert not json.dumps(schema).count('"$defs"')
    for node in nodes(schema):
        assert not [keyword for keyword in node if keyword.startswith("x-")]
        assert node.get("format") in {None, "int64", "date-time", "uri", "uri-reference"}
        assert "additionalProperties" not in node
        for keyword in ("properties", "definitions"):
            assert all(isinstance(each, dict) for each in node.get(keyword, {}).values())
        if "$ref" in node:
            assert not set(node) - {"$ref", "description"}
            assert node["$ref"].removeprefix("#/definitions/") in schema["definitions"]


@pytest.mark.parametrize("payload", list(payload_types()))
def test_every_known_field_is_required_and_has_a_type(payload: type[Payload]) -> None:
    event = next(event for event in EventType if payload in event.payloads)
    schema = SCHEMAS[f"{event}/message"]["definitions"][payload.__name__]
    names = [spec.name for spec in field_map(payload).fields]
    assert schema["required"] == names
    assert [*schema["properties"]] == [*names, "_unread"]
    for name in names:
        field = schema["properties"][name]
        if field.get("type") == "array":
            assert field["items"].get("type") not in {None, "null"} or "$ref" in field["items"]
        elif "oneOf" in field:
            assert field["oneOf"][0] == {"type": "null"}
        else:
            kind, null = field["type"]
            assert kind in {"string", "boolean", "integer"}
            assert null == "null"


def test_a_field_is_described_where_its_name_leaves_something_open() -> None:
    lines = SCHEMAS["ExportInvoice"]["definitions"]["InvoiceDetail"]["properties"]
    amount = lines["IDTPrice_ForeignAmount"]
    assert amount["description"].startswith("Of the whole line, not of a piece, without tax")
    assert "exact decimal" in amount["description"]


def test_no_two_parts_share_a_name() -> None:
    parts: dict[str, type[Part]] = {}
    waiting: list[type[Part]] = list(payload_types())
    while waiting:
        part = waiting.pop()
        assert parts.setdefault(part.__name__, part) is part
        waiting += [spec.part for spec in field_map(part).fields if spec.part]


@pytest.mark.parametrize("path", samples(), ids=sample_id)
def test_the_message_of_each_sample_keeps_to_its_schemas(path: Path) -> None:
    event = read(path.parent.name, path.read_bytes())
    whole = message(event)
    assert set(whole) <= set(SCHEMAS["envelope"]["properties"])
    for validator in (Draft7Validator, Draft202012Validator):
        validator(SCHEMAS["envelope"]).validate(whole)
        validator(SCHEMAS[f"{event.type}/message"]).validate(whole)
        validator(SCHEMAS[event.type]).validate(whole["data"])


def test_a_message_of_another_event_does_not_keep_to_the_schema() -> None:
    whole = message(read("CreateQuote", b'{"QuoteNo": "Q1"}'))
    with pytest.raises(ValidationError, match=r"com\.printiq\.RejectQuote"):
        Draft7Validator(SCHEMAS["RejectQuote/message"]).validate(whole)


@pytest.mark.parametrize("value", ["n/a", [1], {"a": 1}, True, 1.5, 10**400, "1e999"])
def test_data_keeps_to_the_schema_whatever_a_field_came_as(value: object) -> None:
    fields = {spec.name: value for spec in field_map(Invoice).fields}
    event = read("ExportInvoice", json.dumps(fields))
    data = json.loads(event.data)
    Draft7Validator(SCHEMAS["ExportInvoice"]).validate(data)
    assert data["_unread"]


def test_a_value_of_another_type_does_not_keep_to_the_schema() -> None:
    data = json.loads(read("ExportInvoice", b'{"INVID": 1}').data)
    wrong = {**data, "INVID": "x", "InvoiceDetails": [None], "INVInvoiceTotal": "1e3"}
    errors = Draft7Validator(SCHEMAS["ExportInvoice"]).iter_errors(wrong)
    places = sorted(error.json_path for error in errors)
    assert places == ["$.INVID", "$.INVInvoiceTotal", "$.InvoiceDetails[0]"]
