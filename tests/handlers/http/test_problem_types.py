"""Each problem names a type, and the app documents it at that very address."""

import json
from collections.abc import Iterator

import handlers.channels.webhook
import handlers.http.routes  # loads every module that defines an error
from events import EventError
from handlers.errors import HandlerError
from handlers.http import problem_types
from handlers.http.routing import respond
from handlers.problems import PROBLEM_TYPES, problem_type
from handlers.responses import problem


def errors(of: type[EventError | HandlerError]) -> Iterator[type[EventError | HandlerError]]:
    for error in of.__subclasses__():
        yield error
        yield from errors(error)


async def test_every_error_that_a_response_can_report_is_documented_at_its_type() -> None:
    for error in {*errors(EventError), *errors(HandlerError)}:
        if error.__subclasses__() and error.__name__ == "Unprocessable":
            continue  # a family; only its members are raised
        name = problem_type(error.title).removeprefix(f"{PROBLEM_TYPES}/")
        found = await respond(problem_types.documented(name))
        assert found.status == 200, error
        members = json.loads(found.body)
        assert (members["title"], members["status"]) == (error.title, error.status)


async def test_the_types_are_those_that_were_published() -> None:
    listed = json.loads((await problem_types.problem_types()).body)["problems"]
    assert {each["type"].removeprefix("/api/problems/") for each in listed} == {
        "bad-request",
        "body-too-large",
        "destination-refused",
        "destination-unavailable",
        "empty-body",
        "length-required",
        "malformed-body",
        "method-not-allowed",
        "neither-json-nor-xml",
        "not-found",
        "not-possible",
        "printiq-reported-a-failure",
        "storage-unavailable",
        "unknown-delivery",
        "unknown-event",
        "unreadable-drop",
        "wrong-object",
    }


async def test_an_unknown_type_is_a_problem_with_a_documented_type_itself() -> None:
    found = json.loads((await respond(problem_types.documented("nonsense"))).body)
    assert found["type"] == "/api/problems/not-found"


async def test_a_webhook_opened_in_a_browser_says_what_it_is_for() -> None:
    found = await respond(handlers.channels.webhook.refuse_get("createquote"))
    assert (found.status, found.headers["Allow"]) == (405, "POST")
    assert json.loads(found.body)["detail"] == "POST here: this is the receiver for CreateQuote."
    unknown = await respond(handlers.channels.webhook.refuse_get("CreateQoute"))
    assert "Did you mean CreateQuote" in json.loads(unknown.body)["detail"]


def test_retry_after_belongs_to_storage_alone() -> None:
    for error in errors(HandlerError):
        found = problem(error("why"))
        assert ("Retry-After" in found.headers) == (error.status == 503)
