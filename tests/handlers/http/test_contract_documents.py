"""The contract before the tools that consumers use: Ajv, AsyncAPI's parser, the CloudEvents SDK."""

import json
from pathlib import Path
from typing import Any

from bench import Bench, delivery
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from stories import CORPUS

from events import EventType
from handlers.http import event_schemas
from handlers.http.asyncapi import asyncapi_document
from handlers.pipeline.receive import receive
from handlers.responses import Response
from tools import node

PINS = Path(__file__).parents[2] / "contract"


def schema(response: Response) -> Any:
    assert response.content_type == "application/schema+json"
    return json.loads(response.body)


async def test_the_contract_is_valid_and_true_of_what_lies_in_the_queues(bench: Bench) -> None:
    app = bench.app
    schemas = {"envelope": schema(await event_schemas.envelope(app))}
    for event in EventType:
        schemas[event] = schema(await event_schemas.data(event, app))
        schemas[f"{event}/message"] = schema(await event_schemas.message(event, app))
        body = (CORPUS / event / f"typical.{event.wire_format}").read_bytes()
        await receive(delivery(body, event), app)
    await bench.work_off()
    sent = await bench.sent()
    assert {message["type"] for message in sent} == {event.message_type for event in EventType}
    by_schema: dict[str, list[Any]] = {"envelope": sent}
    for message in sent:
        event = message["type"].rpartition(".")[2]
        assert message["dataschema"] == schemas[event]["$id"]
        by_schema.setdefault(event, []).append(message["data"])
        by_schema.setdefault(f"{event}/message", []).append(message)
        read = JSONFormat().read(CloudEvent, json.dumps(message))
        assert read.get_extension("delivery") == message["delivery"]
    given = {"schemas": schemas, "messages": by_schema, "asyncapi": asyncapi_document(app)}
    found = node.run(PINS / "validate.mjs", f"{node.packages(PINS)}/", given=json.dumps(given))
    assert json.loads(found) == []


THREE_KINDS = """
    [queues.printiq-events]
    events = ["*"]
    [service-bus.job-status]
    events = ["*Job*"]
    [https.crm]
    events = ["*Customer*"]
    url = "https://example.com/hook"
    auth = "none"
"""


async def test_a_subscription_of_each_kind_is_a_channel_with_its_address(bench: Bench) -> None:
    app = bench.start(SUBSCRIPTIONS=THREE_KINDS, SERVICE_BUS__fullyQualifiedNamespace="localhost:5673")
    document = asyncapi_document(app)
    assert {name: channel["address"] for name, channel in document["channels"].items()} == {
        "printiq-events": "printiq-events",
        "job-status": "job-status",
        "crm": "https://example.com/hook",
    }
    assert set(document["servers"]) == {"storage", "serviceBus"}
    given = {"schemas": {}, "messages": {}, "asyncapi": document}
    found = node.run(PINS / "validate.mjs", f"{node.packages(PINS)}/", given=json.dumps(given))
    assert json.loads(found) == []


async def test_each_queue_is_a_channel_with_the_events_that_it_subscribes_to(bench: Bench) -> None:
    subscriptions = """
        [queues.accounting]
        events = ["ExportInvoice"]
        encoding = "none"
        duplicates = "drop"
    """
    document = asyncapi_document(bench.start(SUBSCRIPTIONS=subscriptions))
    channel = document["channels"]["accounting"]
    assert list(channel["messages"]) == ["ExportInvoice"]
    assert channel["description"] == "Each message is the JSON itself."
    assert "left out" in document["operations"]["send.accounting"]["summary"]
    assert list(document["components"]["messages"]) == ["ExportInvoice"]
    schemas = document["components"]["schemas"]
    assert schemas["ExportInvoiceMessage"]["properties"]["data"] == {"$ref": "#/components/schemas/Invoice"}
