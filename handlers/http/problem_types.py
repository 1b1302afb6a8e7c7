"""The documentation of each problem `type`: what it means and what to do."""

from collections.abc import Mapping

import events.errors as of_events
import handlers.errors as of_handlers
from events import EventError
from handlers.channels.hot_folder import UnreadableDrop
from handlers.channels.webhook import LengthRequired
from handlers.errors import HandlerError, Missing
from handlers.http.schemas import ProblemType, ProblemTypes
from handlers.problems import PROBLEM_TYPES, problem_type
from handlers.responses import Response, document

# By title: errors of one title are one type.
_MEANINGS: Mapping[type[EventError | HandlerError], str] = {
    of_events.UnknownEvent: (
        "No event has this name. The detail lists the nearest names; GET /api/schemas lists all. The body "
        "is kept: replay it as the right event."
    ),
    of_events.EmptyBody: ("The request has no body. Nothing was kept. Send the event as the body."),
    of_events.BodyTooLarge: (
        "The body has more bytes than the setting MAX_BODY_BYTES allows. It is kept: raise the setting "
        "and replay it, or dismiss it."
    ),
    of_events.NotJsonOrXml: (
        "The body is neither JSON nor XML. It is kept. Check what printIQ, or any proxy between, sends "
        "to this address."
    ),
    of_events.Malformed: (
        "The body is not well-formed JSON or XML, or uses what is not allowed (a DTD, a name twice in one "
        "object, too many levels). `errors` points to the place. The body is kept."
    ),
    of_events.ReportedFailure: (
        "The body is a response in which printIQ reports a failure of its own, or a SOAP fault, instead "
        "of an event's object. It is kept."
    ),
    of_events.WrongObject: (
        "The body is an object that another event carries. It is kept: replay it as the event that the "
        "detail names, and correct the address in printIQ."
    ),
    UnreadableDrop: (
        "A file in the hot folder cannot be opened under its name or in its storage tier. It is still there: "
        "rename it or move it to the hot tier, then dismiss the delivery."
    ),
    LengthRequired: (
        "The body was sent in chunks without a Content-Length and did not arrive. Send it again with that "
        "header."
    ),
    of_handlers.BadRequest: (
        "A parameter, member or cursor of the request is wrong. `errors` names each one."
    ),
    of_handlers.Missing: ("What the address names does not exist, or is no longer kept."),
    of_handlers.UnknownDelivery: (
        "No delivery has this id. One that was accepted moments ago may still be waiting: try again in a "
        "few seconds."
    ),
    of_handlers.MethodNotAllowed: (
        "The address does not take this method. `Allow` names the one that it takes."
    ),
    of_handlers.NotPossible: (
        "The delivery's current state, or the app's subscriptions, do not allow this. The detail explains "
        "why, and what would."
    ),
    of_handlers.DestinationFault: (
        "A subscription's destination did not take a message. The detail names it, and what to do; it may "
        "also help to try again later."
    ),
    of_handlers.DestinationRefusal: (
        "A subscription's destination will never take this message. The detail gives its reason."
    ),
    of_handlers.StorageFault: (
        "Storage does not respond. Nothing was confirmed: send the same request again after the seconds in "
        "Retry-After. Nothing is done twice."
    ),
}
_TYPES = {
    problem_type(error.title): ProblemType(
        type=problem_type(error.title), title=error.title, status=error.status, meaning=meaning
    )
    for error, meaning in _MEANINGS.items()
}


async def problem_types() -> Response:
    """Return all problem types."""
    return document(200, ProblemTypes(problems=list(_TYPES.values())).document())


async def documented(name: str) -> Response:
    """Return the documentation of one problem type. Raises Missing."""
    found = _TYPES.get(f"{PROBLEM_TYPES}/{name.lower()}")
    if found is None:
        raise Missing(f"Unknown problem type {name[:60]!r}. GET {PROBLEM_TYPES} lists them all.")
    return document(200, found.document())
