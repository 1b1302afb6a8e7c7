"""The webhook: a POST becomes a delivery, and what came of it the response."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from events import Channel, Delivery, EmptyBody, EventError, EventType, timestamp
from handlers.app import App
from handlers.errors import MethodNotAllowed, NoCustody
from handlers.ids import new_id, time_of
from handlers.pipeline.receive import Receipt, keep_refused, receive
from handlers.problems import ProblemDetails
from handlers.responses import Response, json_response, problem

_log = logging.getLogger("printiq.webhook")


class LengthRequired(EventError):
    status = 411
    title = "Length required"


async def webhook(event: str, body: bytes, headers: Mapping[str, str], app: App) -> Response:
    """Take a delivery and answer the sender. `headers` are found without regard to case."""
    delivery_id = new_id(datetime.now(UTC))
    delivery = Delivery(
        id=delivery_id,
        event=event.encode("utf-8", "replace").decode(),  # half a surrogate pair could not be told to anybody
        body=body,
        channel=Channel.WEBHOOK,
        received_at=time_of(delivery_id),
        content_type=headers.get("Content-Type"),
    )
    try:
        if not body and headers.get("Transfer-Encoding"):
            await _refuse_without_length(delivery, app)
        return _accepted(await receive(delivery, app))
    except EmptyBody as error:
        return problem(error)
    except LengthRequired as error:  # never confirmed: the bytes are lost
        return problem(error, id=delivery.id)
    except EventError as error:
        return _refused(delivery, error, app)
    except NoCustody as error:
        _log.error("%s was not received: %s", delivery.id, error)
        return problem(error)


async def refuse_get(event: str) -> Response:
    """Explain the address to somebody who opens it in a browser. Raises MethodNotAllowed and UnknownEvent."""
    raise MethodNotAllowed(f"POST here: this is the receiver for {EventType.named(event)}.")


async def _refuse_without_length(delivery: Delivery, app: App) -> None:
    # The Functions host hands on an empty body where the sender gave no Content-Length; what was sent is
    # lost, so at least that something came stands open in the ledger.
    error = LengthRequired(
        "The body was sent in chunks, without a Content-Length, and did not arrive: Azure Functions needs "
        "the length. Send the request again with a Content-Length header."
    )
    await keep_refused(delivery, error, app)
    raise error


def _accepted(receipt: Receipt) -> Response:
    return json_response(
        202,
        {
            "id": receipt.delivery.id,
            "event": receipt.event,
            "status": "accepted",
            "kind": receipt.subject.kind if receipt.subject else None,
            "subject": receipt.subject.key if receipt.subject else None,
            "receivedAt": timestamp(receipt.delivery.received_at),
            "warnings": [warning._asdict() for warning in receipt.warnings] or None,
        },
    )


def _refused(delivery: Delivery, error: EventError, app: App) -> Response:
    if app.settings.quarantine_status:
        refusal = ProblemDetails.of(error)
        # For a sender that stops at the first answer that is no 2xx: it is in custody, if only in quarantine.
        return json_response(
            int(app.settings.quarantine_status),
            {
                "id": delivery.id,
                "event": delivery.event,
                "status": "quarantined",
                "receivedAt": timestamp(delivery.received_at),
                "detail": refusal.detail,
                "errors": [problem._asdict() for problem in refusal.errors],
            },
        )
    return problem(error, id=delivery.id)
