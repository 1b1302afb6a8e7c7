"""The OpenAPI document of the API, generated from its routes and their models."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, override

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema

from events import EventType, Kind
from handlers.app import App
from handlers.http import schemas
from handlers.http.routing import Content, Operation, Route
from handlers.responses import Response, json_response

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PROBLEM_JSON = "application/problem+json"


class _Generate(GenerateJsonSchema):
    """Schemas without titles made from field names."""

    @override
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


async def openapi(routes: tuple[Route, ...], app: App) -> Response:
    """Return the OpenAPI document of the routes."""
    return json_response(200, openapi_document(routes, f"{app.settings.url}/api"))


_PATH_PARAMETERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "id": ("The id of a delivery.", {"type": "string", "format": "uuid"}),
    "event": ("printIQ's name of the event, in any case.", {"type": "string", "enum": list(EventType)}),
    "kind": ("The kind of object that has the key.", {"type": "string", "enum": list(Kind)}),
    "name": ("The last segment of a problem's `type`.", {"type": "string", "minLength": 1}),
    "subscription": ("The name of a subscription.", {"type": "string", "minLength": 1}),
    "key": ("The business key, exactly as printIQ writes it.", {"type": "string", "minLength": 1}),
}
_PROBLEMS = {
    400: "The request is malformed.",
    404: "Not found; an accepted delivery may still be waiting.",
    409: "Conflicts with the delivery's current state, or the subscriptions are wrong.",
    411: "The app runs without HTTP streams, and the sender gave no Content-Length.",
    413: "The body is too large. It is kept.",
    415: "The body is neither JSON nor XML. It is kept.",
    422: "The body cannot be read as what the event carries. It is kept.",
    502: "A destination will never take this message.",
    503: "Storage or a destination does not respond. The request may be done in part: repeat it, and nothing "
    "is done twice.",
}


@cache
def openapi_document(routes: tuple[Route, ...], server: str) -> Mapping[str, Any]:
    """Return the OpenAPI 3.1 document of an API with these routes at this address."""
    components = _Components()
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if route.operation is not None:
            # {*key} is ASP.NET's syntax for a key that may contain a slash
            path = "/" + route.path.replace("{*", "{")
            paths.setdefault(path, {})[route.method.lower()] = _operation(
                route, route.operation(), components
            )
    return {
        "openapi": "3.1.1",
        "jsonSchemaDialect": _DIALECT,
        "info": {
            "title": "printIQ event receiver",
            "version": "1",
            "description": "Receives every event that printIQ sends, and reports the outcome. "
            "Use a host key; the webhook's own key opens the webhook only.",
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
    """The schemas to which routes refer."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}

    def of(self, model: type[BaseModel], mode: JsonSchemaMode) -> JsonSchemaValue:
        by_model, definitions = models_json_schema(
            [(model, mode)], schema_generator=_Generate, ref_template="#/components/schemas/{model}"
        )
        self.schemas.update(definitions.get("$defs", {}))
        return by_model[model, mode]

    def inline(self, model: type[BaseModel]) -> JsonSchemaValue:
        reference = self.of(model, "validation")["$ref"]
        found: JsonSchemaValue = self.schemas.pop(reference.rpartition("/")[2])
        return found


def _operation(route: Route, operation: Operation, components: _Components) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": route.name,
        "summary": operation.summary,
        "parameters": [*_path_parameters(route.path), *_query_parameters(operation.query, components)],
        "responses": _responses(operation, components, anonymous=route.anonymous),
    }
    if route.anonymous:
        described["security"] = []
    if isinstance(operation.body, Content):
        described["requestBody"] = {
            "required": True,
            "description": operation.body.description,
            "content": _content(operation.body),
        }
    elif operation.body is not None:
        required = bool(components.inline(operation.body).get("required"))
        schema = components.of(operation.body, "validation")
        described["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
    return described


def _path_parameters(path: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"\{\*?(\w+)\}", path):
        description, schema = _PATH_PARAMETERS[name]
        yield {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def _query_parameters(query: type[BaseModel] | None, components: _Components) -> Iterator[dict[str, Any]]:
    if query is None:
        return
    asked = components.inline(query)
    for name, schema in asked["properties"].items():
        described = {key: value for key, value in schema.items() if key != "description"}
        # a query has no null: an optional parameter is left out
        choices = [choice for choice in described.pop("anyOf", []) if choice != {"type": "null"}]
        described = {**described, **choices[0]} if choices else described
        if described.get("default", ...) is None:
            del described["default"]
        several = {"style": "form", "explode": False} if described.get("type") == "array" else {}
        yield {
            "name": name,
            "in": "query",
            **several,
            "required": name in asked.get("required", ()),
            "description": schema.get("description", ""),
            "schema": described,
        }


def _responses(operation: Operation, components: _Components, *, anonymous: bool) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, body in operation.responses.items():
        if isinstance(body, Content):
            responses[str(status)] = {"description": body.description, "content": _content(body)}
        else:
            schema = components.of(body, "serialization")
            responses[str(status)] = {
                "description": (body.__doc__ or "").strip().splitlines()[0],
                "content": {"application/json": {"schema": schema}},
            }
    if not anonymous:
        responses["401"] = {"description": "The key is missing or is not for this route. The body is empty."}
    problem_schema = components.of(schemas.ProblemDocument, "serialization")
    for status in (*operation.problems, 503):
        responses[str(status)] = {
            "description": _PROBLEMS[status],
            "content": {_PROBLEM_JSON: {"schema": problem_schema}},
        }
    return responses


def _content(content: Content) -> dict[str, Any]:
    return {media_type: {"schema": dict(schema)} for media_type, schema in content.types.items()}
