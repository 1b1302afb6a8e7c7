"""Problem details (RFC 9457): what is wrong, where, and what to do, for people and programs."""

import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from events import EventError, Problem
from handlers.errors import HandlerError

# Where each type is documented. RFC 9457 lets a type be a path: it is the same at every app, and resolves.
PROBLEM_TYPES = "/api/problems"


def problem_type(title: str) -> str:
    """Return the `type` of the problems with this title."""
    return f"{PROBLEM_TYPES}/{title.lower().replace(' ', '-')}"


class ProblemDetails(BaseModel):
    """The reasons for a refusal; `errors` is never empty."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    status: int
    title: str
    errors: tuple[Problem, ...]

    @classmethod
    def of(cls, error: EventError | HandlerError) -> Self:
        return cls(status=error.status, title=error.title, errors=error.problems)

    @property
    def detail(self) -> str:
        return self.errors[0].message


# pydantic's obscure messages, in plain words. The others follow the name.
_MESSAGES = {
    "extra_forbidden": "Unknown parameter {name}.",
    "missing": "{name} is missing.",
    "enum": "{name} must be {expected}.",
    "literal_error": "{name} must be {expected}.",
    "bool_parsing": "{name} must be true or false.",
    "bool_type": "{name} must be true or false.",
    "int_parsing": "{name} must be a whole number.",
    "int_type": "{name} must be a whole number.",
    "greater_than_equal": "{name} must be at least {ge}.",
    "less_than_equal": "{name} must be at most {le}.",
    "string_pattern_mismatch": "{name} must match {pattern}.",
    "string_type": "{name} must be text.",
    "tuple_type": "{name} must be a list.",
    "model_type": "{name} must be an object.",
    "too_short": "{name} needs at least {min_length} item(s).",
    "string_too_short": "{name} needs at least {min_length} character(s).",
    "string_too_long": "{name} has more than {max_length} characters.",
}


def in_plain_words(error: ErrorDetails) -> str:
    """Return one of pydantic's findings as a sentence."""
    name = f"`{'.'.join(map(str, error['loc']))}`" if error["loc"] else ""
    plain = _MESSAGES.get(error["type"])
    if plain:
        return plain.format(name=name or "The JSON", **error.get("ctx", {}))
    message = error["msg"].removeprefix("Value error, ")
    end = "" if message.endswith((".", "?", "!")) else "."
    return f"{name}: {message}{end}" if name else f"{message}{end}"


def in_words(error: ValidationError) -> str:
    """Return all that pydantic found wrong, in one line."""
    return " ".join(map(in_plain_words, error.errors()))


def problem_document(details: ProblemDetails, **members: Any) -> bytes:
    """Return the document; `members` that are None are left out."""
    document = {
        "type": problem_type(details.title),
        "title": details.title,
        "status": details.status,
        "detail": details.detail,
        "errors": [error._asdict() for error in details.errors],
        **members,
    }
    return to_json(document)


def to_json(members: Mapping[str, Any]) -> bytes:
    """Write a JSON object without the members that are None; a lone surrogate becomes a question mark."""
    present = {name: value for name, value in members.items() if value is not None}
    return json.dumps(present, ensure_ascii=False).encode("utf-8", "replace")
