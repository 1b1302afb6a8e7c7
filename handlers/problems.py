"""Problem documents (RFC 9457): what is wrong, where, and what to do, for people and programs."""

import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from events import EventError, Problem


class ProblemDetails(BaseModel):
    """Say why a delivery was refused; `errors` is never empty."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    status: int
    title: str
    errors: tuple[Problem, ...]

    @classmethod
    def of(cls, error: EventError) -> Self:
        return cls(status=error.status, title=error.title, errors=error.problems)

    @property
    def detail(self) -> str:
        return self.errors[0].message


# What pydantic says, and what that means to a reader.
_WORDS = {
    "extra_forbidden": "there is no such name",
    "too_short": "give at least {min_length}",
    "string_too_short": "it has fewer than {min_length} characters",
}


def in_plain_words(error: ErrorDetails) -> str:
    """Say one thing that pydantic found wrong, as a sentence."""
    name = ".".join(map(str, error["loc"]))
    words = _WORDS.get(error["type"])
    message = words.format(**error.get("ctx", {})) if words else error["msg"].removeprefix("Value error, ")
    end = "" if message.endswith((".", "?", "!")) else "."
    return f"`{name}`: {message}{end}" if name else f"{message}{end}"


def in_words(error: ValidationError) -> str:
    """Say all that pydantic found wrong, in one line."""
    return " ".join(map(in_plain_words, error.errors()))


def problem_document(refusal: ProblemDetails, **members: Any) -> bytes:
    """Write the document; `members` that are None are left out."""
    document = {
        "type": "about:blank",
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
        "errors": [error._asdict() for error in refusal.errors],
        **members,
    }
    return written(document)


def written(members: Mapping[str, Any]) -> bytes:
    """Write a JSON object, but for members that are None; half a surrogate pair becomes a question mark."""
    shown = {name: value for name, value in members.items() if value is not None}
    return json.dumps(shown, ensure_ascii=False).encode("utf-8", "replace")
