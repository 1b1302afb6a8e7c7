"""The webhook: a POST becomes a delivery, and the outcome its response."""

import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus

from events import BodyTooLarge, Channel, Delivery, EmptyBody, EventError, EventType, timestamp
from events.formats import SoapRequest, SoapVersion, soap_request
from handlers.app import App
from handlers.channels import soap
from handlers.errors import HandlerError, MethodNotAllowed, NoCustody
from handlers.ids import new_id, time_of
from handlers.pipeline.parsing import memory_of, off_loop
from handlers.pipeline.receive import Receipt, keep_refused, keep_unread, receive
from handlers.problems import ProblemDetails
from handlers.responses import Response, json_response, problem
from handlers.settings import Settings

_log = logging.getLogger("printiq.webhook")


# An envelope without any SOAP header is recognised by its name, which is near its start.
_ENVELOPE_WITHIN = 4 * 1024


class LengthRequired(EventError):
    status = 411
    title = "Length required"


async def webhook(
    event: str,
    body: bytes,
    headers: Mapping[str, str],
    app: App,
    *,
    rest: AsyncIterator[bytes] | None = None,
) -> Response:
    """Take a delivery and respond to its sender, in SOAP if the request is SOAP. `headers` ignore case.

    With HTTP streams, `rest` is what follows a body that is too large; without them it is None.
    """
    delivery_id = new_id(datetime.now(UTC))
    delivery = Delivery(
        id=delivery_id,
        event=event.encode("utf-8", "replace").decode(),  # no response can encode a lone surrogate
        body=body,
        channel=Channel.WEBHOOK,
        received_at=time_of(delivery_id),
        content_type=headers.get("Content-Type"),
        content_encoding=headers.get("Content-Encoding"),
    )
    request = await _soap_request(delivery, headers, app.settings)
    try:
        if rest is not None and len(body) > app.settings.max_body_bytes:
            await _refuse_too_large(delivery, rest, app)
        if rest is None and not body and headers.get("Transfer-Encoding"):
            return await _without_length(delivery, request, app)
        return _accepted(await receive(delivery, app), request, app)
    except EmptyBody as error:
        return _problem(error, request)
    except EventError as error:
        return _refused(delivery, error, request, app)
    except NoCustody as error:
        _log.error("%s was not received: %s", delivery.id, error)
        return _problem(error, request)


async def _soap_request(
    delivery: Delivery, headers: Mapping[str, str], settings: Settings
) -> SoapRequest | None:
    """Return what a SOAP response depends on, from the headers alone where the body cannot be read."""
    declared = (delivery.content_type or "").lower()
    if declared.startswith(SoapVersion.V1_2.media_type):
        by_headers = SoapRequest(version=SoapVersion.V1_2)
    elif headers.get("SOAPAction") is not None:
        by_headers = SoapRequest(version=SoapVersion.V1_1)
    else:
        by_headers = None
    start = delivery.body[:_ENVELOPE_WITHIN].replace(b"\0", b"")  # in UTF-16, too
    if by_headers is None and "xml" not in declared and b"Envelope" not in start:
        return None
    read = partial(
        soap_request,
        delivery.body,
        content_type=delivery.content_type,
        content_encoding=delivery.content_encoding,
        max_bytes=settings.max_body_bytes,
    )
    return await off_loop(read, memory_of(delivery.body, settings)) or by_headers


async def refuse_get(event: str) -> Response:
    """Explain the address to a person who opens it in a browser. Raises MethodNotAllowed and UnknownEvent."""
    raise MethodNotAllowed(f"POST here: this is the receiver for {EventType.named(event)}.")


async def _refuse_too_large(delivery: Delivery, rest: AsyncIterator[bytes], app: App) -> None:
    async def content() -> AsyncIterator[bytes]:
        yield delivery.body
        async for chunk in rest:
            yield chunk

    try:
        EventType.named(delivery.event)
        raise BodyTooLarge(
            f"It has more than {app.settings.max_body_bytes:,} bytes, the most that are read "
            "(setting MAX_BODY_BYTES)."
        )
    except EventError as error:
        await keep_unread(replace(delivery, body=b""), content(), error, app)
        raise


async def _without_length(delivery: Delivery, request: SoapRequest | None, app: App) -> Response:
    # Without HTTP streams the host passes on an empty body where the sender gave no Content-Length. The
    # content is lost and never confirmed; the ledger keeps an open row for it.
    error = LengthRequired(
        "The body was sent in chunks, without a Content-Length, and did not arrive: Azure Functions needs "
        "the length. Send the request again with a Content-Length header."
    )
    await keep_refused(delivery, error, app)
    return _problem(error, request, delivery.id)


def _accepted(receipt: Receipt, request: SoapRequest | None, app: App) -> Response:
    if request is not None:
        return soap.result(request, app.settings.soap_response)
    return json_response(
        HTTPStatus.ACCEPTED,
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


def _refused(delivery: Delivery, error: EventError, request: SoapRequest | None, app: App) -> Response:
    if not app.settings.quarantine_status:
        return _problem(error, request, delivery.id)
    # For a sender that stops at the first response other than 2xx: quarantine is custody, too.
    if request is not None:
        return soap.result(request, app.settings.soap_response)
    details = ProblemDetails.of(error)
    return json_response(
        int(app.settings.quarantine_status),
        {
            "id": delivery.id,
            "event": delivery.event,
            "status": "quarantined",
            "receivedAt": timestamp(delivery.received_at),
            "detail": details.detail,
            "errors": [problem._asdict() for problem in details.errors],
        },
    )


def _problem(
    error: EventError | HandlerError, request: SoapRequest | None, delivery_id: str | None = None
) -> Response:
    return soap.fault(request, error, delivery_id) if request is not None else problem(error, id=delivery_id)
