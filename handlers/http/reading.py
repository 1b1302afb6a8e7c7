"""Reading requests: a query string or a JSON body becomes its model, or an error that names each mistake."""

from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from events import Problem
from events.errors import pointer
from handlers.errors import BadRequest
from handlers.problems import in_plain_words


def from_query[M: BaseModel](model: type[M], params: Mapping[str, str]) -> M:
    """Read a query string; `code` in it is the platform's parameter for a key. Raises BadRequest."""
    named = {name: value for name, value in params.items() if name != "code"}
    try:
        return model.model_validate_strings(named)
    except ValidationError as error:
        raise _bad_request(Problem("", _of_a_parameter(each, model)) for each in error.errors()) from error


def from_body[M: BaseModel](model: type[M], body: bytes) -> M:
    """Read a JSON body; an empty one is an empty object. Raises BadRequest."""
    try:
        return model.model_validate_json(body or b"{}", strict=True)
    except ValidationError as error:
        problems = (Problem(pointer(each["loc"]), in_plain_words(each)) for each in error.errors())
        raise _bad_request(problems) from error


def _of_a_parameter(error: ErrorDetails, model: type[BaseModel]) -> str:
    # it is named without the place of a value among several
    words = in_plain_words({**error, "loc": error["loc"][:1]})
    if error["type"] != "extra_forbidden":
        return words
    known = ", ".join(field.alias or name for name, field in model.model_fields.items())
    return f"{words} The parameters are {known}."


def _bad_request(problems: Iterable[Problem]) -> BadRequest:
    found = tuple(problems)
    return BadRequest(found[0].message, problems=found)
