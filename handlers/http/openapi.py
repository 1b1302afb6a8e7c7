"""The contracts as documents, written from the models: JSON Schemas of events' data, OpenAPI of the API."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, override

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from events import EventError, EventType, Kind
from handlers.app import App
from handlers.http import schemas
from handlers.problems import ProblemDetails
from handlers.responses import Answer, answer, document, problem

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCHEMA_JSON = "application/schema+json"
_PROBLEM_JSON = "application/problem+json"


class _Generate(GenerateJsonSchema):
    """Write schemas as a reader wants them: without titles made of field names."""

    @override
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    @override
    def function_plain_schema(self, schema: core_schema.PlainValidatorFunctionSchema) -> JsonSchemaValue:
        # the last resort of a field that holds structure: of a wrong shape, it is kept as it came
        return {}


async def event_schemas(app: App) -> Answer:
    """Answer the list of events, each with the address of its schema."""
    listed = [
        {
            "event": event,
            "kind": event.kind,
            "object": " or ".join(payload.OBJECT for payload in event.payloads),
            "format": event.wire_format.upper(),
            "trigger": event.trigger,
            "schema": _address(event, app),
        }
        for event in EventType
    ]
    return answer(200, {"schemas": listed})


async def event_schema(event: str, app: App) -> Answer:
    """Answer the JSON Schema of an event's data."""
    try:
        found = EventType.named(event)
    except EventError as error:
        return problem(ProblemDetails.of(error))
    return document(200, json.dumps(data_schema(found, _address(found, app))).encode(), _SCHEMA_JSON)


async def openapi(app: App) -> Answer:
    """Answer the OpenAPI document."""
    return answer(200, openapi_document(f"{app.settings.url}/api"))


def _address(event: EventType, app: App) -> str:
    return f"{app.settings.url}/api/schemas/{event}"


def data_schema(event: EventType, address: str) -> dict[str, Any]:
    """Return the JSON Schema of the `data` in an event's CloudEvents, which is what `address` answers."""
    return {
        "$schema": DIALECT,
        "$id": address,
        "title": event,
        "description": f"The data of com.printiq.{event}, which printIQ sends when {event.trigger}.",
        **_payload_schema(event),
    }


@cache
def _payload_schema(event: EventType) -> Mapping[str, Any]:
    by_model, defs = _written(event.payloads, "serialization", "#/$defs/{model}")
    choices = list(by_model.values())
    return {**(choices[0] if len(choices) == 1 else {"anyOf": choices}), "$defs": defs}


def _written(
    models: tuple[type[BaseModel], ...], mode: JsonSchemaMode, template: str
) -> tuple[dict[type[BaseModel], JsonSchemaValue], dict[str, Any]]:
    by_model, defs = models_json_schema(
        [(model, mode) for model in models], schema_generator=_Generate, ref_template=template
    )
    return {model: by_model[model, mode] for model in models}, defs.get("$defs", {})


@dataclass(frozen=True)
class Route:
    """Describe a route: what it asks for, and what it answers beside the errors that any may answer."""

    method: Literal["get", "post"]
    path: str
    function: str
    summary: str
    answers: Mapping[int, "type[BaseModel] | Content"]
    query: type[BaseModel] | None = None
    body: "type[BaseModel] | Content | None" = None
    anonymous: bool = False
    problems: tuple[int, ...] = ()


@dataclass(frozen=True)
class Content:
    """Describe a body that is no model's: its media types, each with its schema."""

    description: str
    types: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


_BYTES = Content(
    "The bytes, as an attachment.", {"application/octet-stream": {"type": "string", "format": "binary"}}
)
_DATA = Content("The payload, normalised, as its event's schema says.", {"application/json": {}})
_EVENT = Content(
    "The object as printIQ writes it; `GET /schemas/{event}` says what is made of it.",
    # an XML document has one root, with anything in it
    {
        "application/json": {"type": "object"},
        "application/xml": {"type": ["object", "string", "number", "boolean", "null"]},
    },
)
_SCHEMA = Content("A JSON Schema.", {_SCHEMA_JSON: {"type": "object"}})
_OBJECT = Content("An object.", {"application/json": {"type": "object"}})

ROUTES = (
    Route(
        "post",
        "/webhooks/{event}",
        "webhook",
        "Receive an event from printIQ.",
        {202: schemas.Accepted},
        body=_EVENT,
        problems=(400, 404, 411, 413, 415, 422),
    ),
    Route("get", "/health", "health", "Tell whether storage answers.", {200: schemas.Health}, anonymous=True),
    Route(
        "get",
        "/deliveries",
        "deliveries",
        "List what was received, the newest first.",
        {200: schemas.Page},
        query=schemas.Listing,
        problems=(400,),
    ),
    Route(
        "get",
        "/deliveries/{id}",
        "delivery",
        "Tell all that is known of a delivery.",
        {200: schemas.Detail},
        problems=(404,),
    ),
    Route(
        "get",
        "/deliveries/{id}/raw",
        "raw",
        "Return the bytes of a delivery, as they came.",
        {200: _BYTES},
        problems=(404, 409),
    ),
    Route(
        "get",
        "/deliveries/{id}/data",
        "data",
        "Return the payload of a delivery in normal form, as the models read it today.",
        {200: _DATA},
        problems=(404, 409),
    ),
    Route(
        "post",
        "/deliveries/{id}/replay",
        "replay",
        "Send a delivery through again, from the bytes that were kept.",
        {202: schemas.Replayed, 200: schemas.Replayable},
        body=schemas.Again,
        problems=(400, 404, 409),
    ),
    Route(
        "post",
        "/deliveries/{id}/dismiss",
        "dismiss",
        "Say that nothing more is to be done about a quarantined or failed delivery, and why.",
        {200: schemas.Detail},
        body=schemas.Dismissal,
        problems=(400, 404, 409),
    ),
    Route(
        "post",
        "/replays",
        "replays",
        "Send all that a filter selects through again, or count them.",
        {202: schemas.ManyReplayed, 200: schemas.ManyReplayed},
        body=schemas.ManyAgain,
        problems=(400, 409),
    ),
    Route(
        "get",
        "/subjects",
        "subjects",
        "Find subjects by the first characters of their key.",
        {200: schemas.Subjects},
        query=schemas.Prefix,
        problems=(400,),
    ),
    Route(
        "get",
        "/subjects/{kind}/{key}",
        "subject",
        "Tell the history of a quote, a job, a customer, …, and its latest state.",
        {200: schemas.Timeline},
        query=schemas.Paging,
        problems=(400, 404),
    ),
    Route(
        "get",
        "/stats",
        "stats",
        "Count what was received, and tell how full the queues are.",
        {200: schemas.Stats},
        query=schemas.Period,
        problems=(400,),
    ),
    Route(
        "get",
        "/drift",
        "drift",
        "Tell where what printIQ sends differs from the models.",
        {200: schemas.DriftReport},
    ),
    Route("get", "/schemas", "schemas", "List the events.", {200: schemas.Schemas}, anonymous=True),
    Route(
        "get",
        "/schemas/{event}",
        "schema",
        "Return the JSON Schema of an event's data.",
        {200: _SCHEMA},
        anonymous=True,
        problems=(404,),
    ),
    Route("get", "/openapi.json", "openapi", "Return this document.", {200: _OBJECT}, anonymous=True),
)

_PATH_PARAMETERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "id": ("The id of a delivery.", {"type": "string", "format": "uuid"}),
    "event": ("printIQ's name of the event, in any case.", {"type": "string", "enum": list(EventType)}),
    "kind": ("What the key is the key of.", {"type": "string", "enum": list(Kind)}),
    "key": ("The business key, exactly as printIQ writes it.", {"type": "string", "minLength": 1}),
}
_PROBLEMS = {
    400: "What was asked is not understood.",
    404: "There is no such thing; an accepted delivery may still be waiting.",
    409: "It cannot be done with this delivery.",
    411: "The sender gave no Content-Length.",
    413: "The body is too large; it was kept.",
    415: "The body is neither JSON nor XML; it was kept.",
    422: "The body cannot be read as what the event carries; it was kept.",
    503: "Storage does not answer. What was asked for may be done in part: ask again, nothing is done twice.",
}


@cache
def openapi_document(server: str) -> Mapping[str, Any]:
    """Return the OpenAPI 3.1 document of the API at this address."""
    components = _Components()
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method] = _operation(route, components)
    return {
        "openapi": "3.1.1",
        "jsonSchemaDialect": DIALECT,
        "info": {
            "title": "printIQ event receiver",
            "version": "1",
            "description": "Receives every event that printIQ sends, and tells what became of it. "
            "Ask with a host key; the webhook's own key opens the webhook alone.",
        },
        "servers": [{"url": server}],
        "security": [{"header": []}, {"code": []}],
        "paths": paths,
        "components": {
            "schemas": components.schemas,
            "securitySchemes": {
                "header": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
                "code": {"type": "apiKey", "in": "query", "name": "code"},
            },
        },
    }


class _Components:
    """Collect the schemas that routes refer to."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}

    def of(self, model: type[BaseModel], mode: JsonSchemaMode) -> JsonSchemaValue:
        by_model, defs = _written((model,), mode, "#/components/schemas/{model}")
        self.schemas.update(defs)
        return by_model[model]

    def inline(self, model: type[BaseModel]) -> JsonSchemaValue:
        reference = self.of(model, "validation")["$ref"]
        found: JsonSchemaValue = self.schemas.pop(reference.rpartition("/")[2])
        return found


def _operation(route: Route, components: _Components) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.function,
        "summary": route.summary,
        "parameters": [*_path_parameters(route), *_query_parameters(route, components)],
        "responses": _responses(route, components),
    }
    if route.anonymous:
        operation["security"] = []
    if isinstance(route.body, Content):
        operation["requestBody"] = {
            "required": True,
            "description": route.body.description,
            "content": _content(route.body),
        }
    elif route.body is not None:
        required = bool(components.inline(route.body).get("required"))
        schema = components.of(route.body, "validation")
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
    return operation


def _path_parameters(route: Route) -> Iterator[dict[str, Any]]:
    for part in route.path.split("/"):
        if part.startswith("{"):
            description, schema = _PATH_PARAMETERS[part[1:-1]]
            yield {
                "name": part[1:-1],
                "in": "path",
                "required": True,
                "description": description,
                "schema": schema,
            }


def _query_parameters(route: Route, components: _Components) -> Iterator[dict[str, Any]]:
    if route.query is None:
        return
    asked = components.inline(route.query)
    for name, schema in asked["properties"].items():
        described = {key: value for key, value in schema.items() if key != "description"}
        # a query has no null: what may be left out is left out
        choices = [choice for choice in described.pop("anyOf", []) if choice != {"type": "null"}]
        described = {**described, **choices[0]} if choices else described
        if described.get("default", ...) is None:
            del described["default"]
        yield {
            "name": name,
            "in": "query",
            "required": name in asked.get("required", ()),
            "description": schema.get("description", ""),
            "schema": described,
        }


def _responses(route: Route, components: _Components) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, shown in route.answers.items():
        if isinstance(shown, Content):
            responses[str(status)] = {"description": shown.description, "content": _content(shown)}
        else:
            schema = components.of(shown, "serialization")
            responses[str(status)] = {
                "description": (shown.__doc__ or "").strip().splitlines()[0],
                "content": {"application/json": {"schema": schema}},
            }
    if not route.anonymous:
        responses["401"] = {"description": "The key is missing or opens something else. The body is empty."}
    problem_schema = components.of(schemas.ProblemDocument, "serialization")
    for status in (*route.problems, 503):
        responses[str(status)] = {
            "description": _PROBLEMS[status],
            "content": {_PROBLEM_JSON: {"schema": problem_schema}},
        }
    return responses


def _content(content: Content) -> dict[str, Any]:
    return {media_type: {"schema": dict(schema)} for media_type, schema in content.types.items()}
