"""The schemas of the messages, at the addresses that messages name."""

import json
from typing import Any

from events import EventType, data_schema, envelope_schema, message_schema
from handlers.app import App
from handlers.responses import Response, document, json_response


async def listed(app: App) -> Response:
    """Return the list of events, each with the addresses of its schemas."""
    return json_response(
        200,
        {
            "schemas": [
                {
                    "event": event,
                    "type": event.message_type,
                    "kind": event.kind,
                    "object": " or ".join(payload.OBJECT for payload in event.payloads),
                    "format": event.wire_format.upper(),
                    "trigger": event.trigger,
                    "schema": address(event, app),
                    "messageSchema": f"{address(event, app)}/message",
                }
                for event in EventType
            ],
            "envelope": address("envelope", app),
        },
    )


async def data(event: str, app: App) -> Response:
    """Return the JSON Schema of an event's data. Raises UnknownEvent."""
    found = EventType.named(event)
    return _schema(data_schema(found, address(found, app)))


async def message(event: str, app: App) -> Response:
    """Return the JSON Schema of an event's whole message. Raises UnknownEvent."""
    found = EventType.named(event)
    return _schema(message_schema(found, f"{address(found, app)}/message"))


async def envelope(app: App) -> Response:
    """Return the JSON Schema of any event's message."""
    return _schema(envelope_schema(address("envelope", app)))


def _schema(schema: dict[str, Any]) -> Response:
    return document(200, json.dumps(schema, ensure_ascii=False).encode(), "application/schema+json")


def address(name: str, app: App) -> str:
    """Return the address of a schema."""
    return f"{app.settings.url}/api/schemas/{name}"
