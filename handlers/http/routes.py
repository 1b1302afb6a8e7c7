"""Every HTTP route, declared once: function_app.py registers this table and OpenAPI is generated from it.

The order matters: the Functions host tries routes in order of registration.
"""

from typing import TYPE_CHECKING

from handlers.channels.webhook import refuse_get, webhook
from handlers.http.routing import Content, Operation, Route
from handlers.later import later

# Only the webhook is on an event's path; a cold start does not wait for the rest.
if TYPE_CHECKING:
    from handlers.http import (
        asyncapi,
        console,
        endpoints,
        event_schemas,
        export,
        health,
        openapi,
        problem_types,
        schemas,
        subscriptions,
    )
else:
    asyncapi = later("handlers.http.asyncapi")
    console = later("handlers.http.console")
    endpoints = later("handlers.http.endpoints")
    event_schemas = later("handlers.http.event_schemas")
    export = later("handlers.http.export")
    health = later("handlers.http.health")
    openapi = later("handlers.http.openapi")
    problem_types = later("handlers.http.problem_types")
    schemas = later("handlers.http.schemas")
    subscriptions = later("handlers.http.subscriptions")

_BYTES = Content(
    "The bytes, as an attachment.", {"application/octet-stream": {"type": "string", "format": "binary"}}
)
_DATA = Content("The normalised payload, as its event's schema describes it.", {"application/json": {}})
_MESSAGE = Content(
    "The CloudEvents message; for data too large for a queue, with `dataref` instead of `data`.",
    {"application/cloudevents+json": {"type": "object"}},
)
_EVENT = Content(
    "The object as printIQ writes it, or it alone in a list; `GET /schemas/{event}` has what it becomes.",
    # an XML document has one root, with anything in it
    {
        "application/json": {"type": ["object", "array"]},
        "application/xml": {"type": ["object", "string", "number", "boolean", "null"]},
    },
)
_SOAP = Content(
    "A SOAP request gets an envelope of its own version, with the empty result of its operation.",
    {"text/xml": {}, "application/soap+xml": {}},
)
_FAULT = Content(
    "A refused SOAP request gets a fault of its own version: in 1.1 with this status, in 1.2 with 400 for "
    "what the sender must change.",
    {"text/xml": {}, "application/soap+xml": {}},
)
_EXPORT = Content(
    "The file. A `Link` header with rel=next names the next part, if there is one.",
    {
        "text/csv": {"type": "string"},
        "application/x-ndjson": {"type": "string"},
        "application/zip": {"type": "string", "format": "binary"},
    },
)
_SCHEMA = Content("A JSON Schema.", {"application/schema+json": {"type": "object"}})
_OBJECT = Content("An object.", {"application/json": {"type": "object"}})

ROUTES: tuple[Route, ...] = (
    Route(
        "webhook",
        "POST",
        "webhooks/{event}",
        lambda request, app: webhook(
            request.path["event"], request.body, request.headers, app, rest=request.rest
        ),
        lambda: Operation(
            "Receive an event from printIQ.",
            {200: _SOAP, 202: schemas.Accepted, 500: _FAULT},
            body=_EVENT,
            problems=(400, 404, 411, 413, 415, 422),
        ),
    ),
    Route(
        "webhook_address",
        "GET",
        "webhooks/{event}",
        lambda request, _: refuse_get(request.path["event"]),
        None,
        anonymous=True,
    ),
    Route(
        "health",
        "GET",
        "health",
        lambda _, app: health.health(app),
        lambda: Operation("Check whether storage responds.", {200: schemas.Health}),
        anonymous=True,
    ),
    Route(
        "deliveries",
        "GET",
        "deliveries",
        lambda request, app: endpoints.deliveries(request.query, app),
        lambda: Operation(
            "List deliveries, newest first.",
            {200: schemas.DeliveryPage},
            query=schemas.DeliveryQuery,
            problems=(400,),
        ),
    ),
    Route(
        "export",
        "GET",
        "export",
        lambda request, app: export.export_deliveries(request.query, app),
        lambda: Operation(
            "Return the deliveries that a filter selects as a file.",
            {200: _EXPORT},
            query=schemas.ExportQuery,
            problems=(400, 409),
        ),
    ),
    Route(
        "delivery",
        "GET",
        "deliveries/{id}",
        lambda request, app: endpoints.delivery(request.path["id"], request.query, app),
        lambda: Operation(
            "Return the details of a delivery.",
            {200: schemas.DeliveryHistory},
            query=schemas.DetailQuery,
            problems=(400, 404),
        ),
    ),
    Route(
        "raw",
        "GET",
        "deliveries/{id}/raw",
        lambda request, app: endpoints.raw(request.path["id"], app),
        lambda: Operation("Return a delivery's bytes as received.", {200: _BYTES}, problems=(404, 409)),
    ),
    Route(
        "data",
        "GET",
        "deliveries/{id}/data",
        lambda request, app: endpoints.data(request.path["id"], app),
        lambda: Operation(
            "Return a delivery's payload, normalised by the current models.",
            {200: _DATA},
            problems=(404, 409),
        ),
    ),
    Route(
        "message",
        "GET",
        "deliveries/{id}/message",
        lambda request, app: endpoints.message(request.path["id"], app),
        lambda: Operation(
            "Return the message that a delivery's subscriptions get, as the current models write it.",
            {200: _MESSAGE},
            problems=(404, 409),
        ),
    ),
    Route(
        "replay",
        "POST",
        "deliveries/{id}/replay",
        lambda request, app: endpoints.replay_one(request.path["id"], request.body, app),
        lambda: Operation(
            "Replay a delivery from its kept bytes.",
            {202: schemas.ReplayAccepted, 200: schemas.Replayable},
            body=schemas.ReplayRequest,
            problems=(400, 404, 409),
        ),
    ),
    Route(
        "dismiss",
        "POST",
        "deliveries/{id}/dismiss",
        lambda request, app: endpoints.dismiss(request.path["id"], request.body, app),
        lambda: Operation(
            "Dismiss a quarantined or failed delivery, with a reason.",
            {200: schemas.DeliveryHistory},
            body=schemas.DismissRequest,
            problems=(400, 404, 409),
        ),
    ),
    Route(
        "replays",
        "POST",
        "replays",
        lambda request, app: endpoints.replay_many(request.body, app),
        lambda: Operation(
            "Replay everything that a filter selects, or count it.",
            {202: schemas.ReplaysResult, 200: schemas.ReplaysResult},
            body=schemas.ReplaysRequest,
            problems=(400, 409),
        ),
    ),
    Route(
        "subscriptions",
        "GET",
        "subscriptions",
        lambda _, app: subscriptions.subscriptions(app),
        lambda: Operation(
            "List the subscriptions, and how each fares.", {200: schemas.SubscriptionList}, problems=(409,)
        ),
    ),
    Route(
        "subscription",
        "GET",
        "subscriptions/{subscription}",
        lambda request, app: subscriptions.subscription(request.path["subscription"], request.query, app),
        lambda: Operation(
            "Return a subscription, and what became of its deliveries.",
            {200: schemas.SubscriptionDetail},
            query=schemas.SubscriptionQuery,
            problems=(400, 404, 409),
        ),
    ),
    Route(
        "pause_subscription",
        "POST",
        "subscriptions/{subscription}/pause",
        lambda request, app: subscriptions.pause(request.path["subscription"], request.body, app),
        lambda: Operation(
            "Withhold a subscription's events from now on, with a reason.",
            {200: schemas.Subscription},
            body=schemas.PauseRequest,
            problems=(400, 404, 409),
        ),
    ),
    Route(
        "resume_subscription",
        "POST",
        "subscriptions/{subscription}/resume",
        lambda request, app: subscriptions.resume(request.path["subscription"], request.body, app),
        lambda: Operation(
            "Send a subscription's events again from now on.",
            {200: schemas.Subscription},
            body=schemas.ResumeRequest,
            problems=(400, 404, 409),
        ),
    ),
    Route(
        "test_subscription",
        "POST",
        "subscriptions/{subscription}/test",
        lambda request, app: subscriptions.test(request.path["subscription"], app),
        lambda: Operation(
            "Send a test event to a subscription alone.",
            {202: schemas.TestSent},
            problems=(404, 409, 502),
        ),
    ),
    Route(
        "replay_missed",
        "POST",
        "subscriptions/{subscription}/replay",
        lambda request, app: subscriptions.replay(request.path["subscription"], request.body, app),
        lambda: Operation(
            "Replay all that a subscription missed, or count it.",
            {202: schemas.MissedReplayed, 200: schemas.MissedReplayed},
            body=schemas.MissedRequest,
            problems=(400, 404, 409),
        ),
    ),
    Route(
        "search",
        "GET",
        "search",
        lambda request, app: endpoints.search(request.query, app),
        lambda: Operation(
            "Search for a number, a name or a reference.",
            {200: schemas.SearchResult},
            query=schemas.SearchQuery,
            problems=(400,),
        ),
    ),
    Route(
        "subject",
        "GET",
        "subjects/{kind}/{*key}",
        lambda request, app: endpoints.subject(
            request.path["kind"], request.path.get("key", ""), request.query, app
        ),
        lambda: Operation(
            "Return the history of a quote, a job, a customer, …, and its latest state.",
            {200: schemas.Timeline},
            query=schemas.TimelineQuery,
            problems=(400, 404),
        ),
    ),
    Route(
        "stats",
        "GET",
        "stats",
        lambda request, app: endpoints.statistics(request.query, app),
        lambda: Operation(
            "Count deliveries, and report the depth of each queue.",
            {200: schemas.StatsReport},
            query=schemas.StatsQuery,
            problems=(400,),
        ),
    ),
    Route(
        "drift",
        "GET",
        "drift",
        lambda _, app: endpoints.drift_report(app),
        lambda: Operation(
            "Report where printIQ's payloads differ from the models.", {200: schemas.DriftReport}
        ),
    ),
    Route(
        "schemas",
        "GET",
        "schemas",
        lambda _, app: event_schemas.listed(app),
        lambda: Operation("List the events.", {200: schemas.EventSchemas}),
        anonymous=True,
    ),
    Route(
        "envelope",
        "GET",
        "schemas/envelope",
        lambda _, app: event_schemas.envelope(app),
        lambda: Operation("Return the JSON Schema of any event's message.", {200: _SCHEMA}),
        anonymous=True,
    ),
    Route(
        "message_schema",
        "GET",
        "schemas/{event}/message",
        lambda request, app: event_schemas.message(request.path["event"], app),
        lambda: Operation(
            "Return the JSON Schema of an event's whole message.", {200: _SCHEMA}, problems=(404,)
        ),
        anonymous=True,
    ),
    Route(
        "schema",
        "GET",
        "schemas/{event}",
        lambda request, app: event_schemas.data(request.path["event"], app),
        lambda: Operation("Return the JSON Schema of an event's data.", {200: _SCHEMA}, problems=(404,)),
        anonymous=True,
    ),
    Route(
        "problems",
        "GET",
        "problems",
        lambda _, __: problem_types.problem_types(),
        lambda: Operation("List the problem types.", {200: schemas.ProblemTypes}),
        anonymous=True,
    ),
    Route(
        "problem",
        "GET",
        "problems/{name}",
        lambda request, _: problem_types.documented(request.path["name"]),
        lambda: Operation("Explain a problem type.", {200: schemas.ProblemType}, problems=(404,)),
        anonymous=True,
    ),
    Route(
        "openapi",
        "GET",
        "openapi.json",
        lambda _, app: openapi.openapi(ROUTES, app),
        lambda: Operation("Return this document.", {200: _OBJECT}),
        anonymous=True,
    ),
    Route(
        "asyncapi",
        "GET",
        "asyncapi.json",
        lambda _, app: asyncapi.asyncapi(app),
        lambda: Operation("Return the AsyncAPI document of the results.", {200: _OBJECT}, problems=(409,)),
    ),
    Route(
        "console",
        "GET",
        "console/{file?}",
        lambda request, _: console.console(request.path.get("file"), request.headers.get("If-None-Match")),
        None,
        anonymous=True,
    ),
)
