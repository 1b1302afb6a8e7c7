"""A refusal says what is wrong, where, and how the answer is to be read."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from events import Problem, UnknownEvent, WrongObject
from handlers.errors import BadRequest, StorageFault
from handlers.problems import ProblemDetails, problem_document
from handlers.responses import json_response, problem

TEXTS = st.text(st.characters(exclude_categories=()))
REFUSAL = ProblemDetails(
    status=422, title="Wrong object", errors=(Problem("/a", "first"), Problem("/b", "second"))
)


def test_a_problem_document_has_the_members_of_rfc_9457_and_every_error() -> None:
    assert json.loads(problem_document(REFUSAL, id="x", raw=None)) == {
        "type": "/api/problems/wrong-object",
        "title": "Wrong object",
        "status": 422,
        "detail": "first",
        "errors": [{"pointer": "/a", "message": "first"}, {"pointer": "/b", "message": "second"}],
        "id": "x",
    }


def test_an_error_of_an_event_is_a_refusal_with_its_status() -> None:
    refusal = ProblemDetails.of(UnknownEvent("no such event"))
    assert (refusal.status, refusal.title, refusal.detail) == (404, "Unknown event", "no such event")
    assert ProblemDetails.of(WrongObject("no", pointer="/x")).errors == (Problem("/x", "no"),)


def test_a_problem_is_answered_as_one() -> None:
    found = problem(StorageFault("the account's name, which only the log may hold"))
    assert (found.status, found.content_type) == (503, "application/problem+json; charset=utf-8")
    assert b"account" not in found.body
    assert found.headers == {
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Retry-After": "30",
    }
    assert "Retry-After" not in problem(WrongObject("no")).headers


def test_an_answer_leaves_out_what_is_none_and_keeps_what_is_empty() -> None:
    found = json_response(200, {"a": None, "b": [], "c": 0, "d": ""})
    assert json.loads(found.body) == {"b": [], "c": 0, "d": ""}
    assert found.headers == {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


@given(TEXTS, TEXTS, TEXTS)
@example("\ud800", "\udfff", "a\ud800")
def test_any_text_can_be_said(title: str, pointer: str, message: str) -> None:
    refusal = ProblemDetails(status=422, title=title, errors=(Problem(pointer, message),))
    error = BadRequest(message, problems=(Problem(pointer, message),))
    for body in (problem_document(refusal), problem(error).body, json_response(202, {"x": message}).body):
        assert json.loads(body.decode())


@given(TEXTS)
@example("\ud800")
def test_what_utf8_can_write_is_said_as_it_is(message: str) -> None:
    shown = message.encode("utf-8", "replace").decode()
    assert json.loads(json_response(202, {"x": message}).body) == {"x": shown}
