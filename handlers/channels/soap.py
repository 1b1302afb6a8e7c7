"""Responses to SOAP requests: an empty result or a fault, in the version and addressing of the request.

A WCF or ASMX client throws on any other response, also on a 2xx: printIQ would then count a delivery as
failed that is in custody.
"""

import re
from http import HTTPStatus
from typing import Literal

from lxml import etree

from events import EventError
from events.formats import SoapRequest, SoapVersion
from handlers.errors import HandlerError
from handlers.problems import ProblemDetails, problem_type
from handlers.responses import Response, document

# RFC 9457's problem details, as XML.
_PROBLEM = "urn:ietf:rfc:7807"
_XML_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
# A message may quote what XML does not allow.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

type Style = Literal["envelope", "empty"]


def result(request: SoapRequest, style: Style) -> Response:
    """Confirm a request: by the empty result of its operation, or for a one-way operation by nothing."""
    if style == "empty":
        return document(HTTPStatus.ACCEPTED, b"", _content_type(request))
    action = f"{request.action}Response" if request.action else None
    envelope, body = _envelope(request, action)
    if request.operation is not None:
        name = etree.QName(request.namespace or None, f"{request.operation}Response")
        etree.SubElement(body, name, nsmap={"o": request.namespace} if request.namespace else None)
    return document(HTTPStatus.OK, etree.tostring(envelope, encoding="utf-8"), _content_type(request))


def fault(request: SoapRequest, error: EventError | HandlerError, delivery_id: str | None = None) -> Response:
    """Refuse a request with the message of an error; its problem details are the fault's detail."""
    details = ProblemDetails.of(error)
    is_ours = details.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    soap = f"{{{request.version.namespace}}}"
    envelope, body = _envelope(request, f"{request.addressing}/fault")
    element = etree.SubElement(body, f"{soap}Fault")
    if request.version is SoapVersion.V1_1:
        _add(element, "faultcode", "s:Server" if is_ours else "s:Client")
        reason, detail = etree.SubElement(element, "faultstring"), etree.SubElement(element, "detail")
        status = HTTPStatus.INTERNAL_SERVER_ERROR
    else:
        code, words, detail = (
            etree.SubElement(element, f"{soap}{name}") for name in ("Code", "Reason", "Detail")
        )
        _add(code, f"{soap}Value", "s:Receiver" if is_ours else "s:Sender")
        reason = etree.SubElement(words, f"{soap}Text")
        status = HTTPStatus.INTERNAL_SERVER_ERROR if is_ours else HTTPStatus.BAD_REQUEST
    reason.set(_XML_LANGUAGE, "en")
    reason.text = _NOT_XML.sub("�", details.detail)
    problem = etree.SubElement(detail, f"{{{_PROBLEM}}}problem", nsmap={"p": _PROBLEM})
    members = {
        "type": problem_type(details.title),
        "title": details.title,
        "status": str(details.status),
        "detail": details.detail,
        "id": delivery_id,
    }
    for name, text in members.items():
        if text is not None:
            _add(problem, f"{{{_PROBLEM}}}{name}", text)
    response = document(status, etree.tostring(envelope, encoding="utf-8"), _content_type(request))
    headers = error.headers if isinstance(error, HandlerError) else {}
    return response._replace(headers={**response.headers, **headers})


def _content_type(request: SoapRequest) -> str:
    return f"{request.version.media_type}; charset=utf-8"


def _add(parent: etree._Element, name: str, text: str) -> None:
    etree.SubElement(parent, name).text = _NOT_XML.sub("�", text)


def _envelope(request: SoapRequest, action: str | None) -> tuple[etree._Element, etree._Element]:
    """Return an envelope and its body, with headers where the request used WS-Addressing."""
    soap = f"{{{request.version.namespace}}}"
    envelope = etree.Element(f"{soap}Envelope", nsmap={"s": request.version.namespace})
    if request.addressing is not None:
        header = etree.SubElement(envelope, f"{soap}Header", nsmap={"a": request.addressing})
        if action is not None:
            element = etree.SubElement(header, f"{{{request.addressing}}}Action")
            element.set(f"{soap}mustUnderstand", "1")
            element.text = action
        if request.message_id is not None:
            _add(header, f"{{{request.addressing}}}RelatesTo", request.message_id)
    return envelope, etree.SubElement(envelope, f"{soap}Body")
