"""The AsyncAPI document of the results, generated from the subscriptions and the messages' schemas."""

import json
from collections.abc import Mapping
from typing import Any

from events import EventType, message_schema
from handlers.app import App
from handlers.responses import Response, json_response
from handlers.subscriptions import (
    HttpsSubscription,
    QueueSubscription,
    ServiceBusSubscription,
    Subscription,
)

_DESCRIPTION = """\
CloudEvents of everything that printIQ sends, one channel per subscription.

Delivery is at least once: drop a known `delivery`, update by `subject`, and never let an older `sequence`
overwrite a newer one. Where an event is too large for a message, `data` is absent and `dataref` is the
address of its blob (claim check): read the blob of that name in the account that you know, as yourself."""
_ENCODINGS = {
    "base64": "Each message is base64 of the JSON's UTF-8 bytes, as a Functions queue trigger expects.",
    "none": "Each message is the JSON itself.",
}
_SERVERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "queue": (
        "storage",
        {
            "host": "{account}.queue.core.windows.net",
            "protocol": "https",
            "description": "Azure Queue Storage.",
            "variables": {"account": {"description": "The storage account of the app."}},
        },
    ),
    "service-bus": (
        "serviceBus",
        {
            "host": "{namespace}.servicebus.windows.net",
            "protocol": "amqps",
            "description": "Azure Service Bus.",
            "variables": {"namespace": {"description": "The Service Bus namespace of the app."}},
        },
    ),
}


async def asyncapi(app: App) -> Response:
    """Return the AsyncAPI document. Raises SubscriptionsError."""
    return json_response(200, asyncapi_document(app))


def asyncapi_document(app: App) -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document of the subscriptions in force. Raises SubscriptionsError."""
    subscriptions = app.subscriptions.all
    events = [event for event in EventType if app.subscriptions.of(event)]
    kinds = {each.kind for each in subscriptions.values()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "printIQ events",
            "version": "1",
            "description": _DESCRIPTION,
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {name: server for kind, (name, server) in _SERVERS.items() if kind in kinds},
        "channels": {name: _channel(each) for name, each in subscriptions.items()},
        "operations": {f"send.{name}": _operation(name, each) for name, each in subscriptions.items()},
        "components": {
            "messages": {event: _message(event) for event in events},
            "schemas": _schemas(events),
        },
    }


def _channel(subscription: Subscription) -> dict[str, Any]:
    return {
        **_place(subscription),
        "messages": {
            event: {"$ref": f"#/components/messages/{event}"}
            for event in EventType
            if subscription.wants(event)
        },
    }


def _place(subscription: Subscription) -> dict[str, Any]:
    """Return the address of a channel, what carries it, and what a consumer must know of it."""
    match subscription:
        case QueueSubscription():
            return {
                "address": subscription.name,
                "servers": [{"$ref": "#/servers/storage"}],
                "description": _ENCODINGS[subscription.encoding],
            }
        case ServiceBusSubscription():
            return {
                "address": subscription.name,
                "servers": [{"$ref": "#/servers/serviceBus"}],
                "description": "Each message is the JSON itself; its session is its subject's.",
            }
        case HttpsSubscription():
            return {
                "address": subscription.url,  # null where a setting holds it
                "description": f"Each message is POSTed as CloudEvents in {subscription.mode} mode.",
            }


def _operation(name: str, subscription: Subscription) -> dict[str, Any]:
    duplicates = "are left out" if subscription.duplicates == "drop" else "carry `duplicateof`"
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": f"Send the subscribed events. Duplicates {duplicates}.",
        "messages": [
            {"$ref": f"#/channels/{name}/messages/{event}"}
            for event in EventType
            if subscription.wants(event)
        ],
    }


def _message(event: EventType) -> dict[str, Any]:
    return {
        "name": event.message_type,
        "title": event,
        "summary": f"Sent when {event.trigger}.",
        "contentType": "application/cloudevents+json",
        "payload": {"$ref": f"#/components/schemas/{event}Message"},
    }


def _schemas(events: list[EventType]) -> dict[str, Any]:
    """Return the schemas of the messages and all that they refer to, side by side."""
    found: dict[str, Any] = {}
    for event in events:
        schema = message_schema(event, "")
        found |= schema.pop("definitions")
        # an $id would be the base of the references
        found[f"{event}Message"] = {
            name: value for name, value in schema.items() if name not in {"$schema", "$id"}
        }
    rebased = json.dumps(found).replace('"#/definitions/', '"#/components/schemas/')
    return dict(json.loads(rebased))
