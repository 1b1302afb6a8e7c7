"""What the response to a SOAP request depends on."""

import re
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO

from lxml import etree

from events.formats.xml_parser import SAFELY, local_name


class SoapVersion(StrEnum):
    V1_1 = "1.1"
    V1_2 = "1.2"

    @property
    def namespace(self) -> str:
        return next(uri for uri, version in _VERSIONS.items() if version is self)

    @property
    def media_type(self) -> str:
        return "text/xml" if self is SoapVersion.V1_1 else "application/soap+xml"


_VERSIONS = {
    "http://schemas.xmlsoap.org/soap/envelope/": SoapVersion.V1_1,
    "http://www.w3.org/2003/05/soap-envelope": SoapVersion.V1_2,
}
# An envelope is recognised at the beginning, also of a body that is not well-formed.
_ENVELOPE = re.compile(
    rb"\s*(?:<\?.*?\?>\s*|<!--.*?-->\s*)*+<(?:[\w.-]+:)?Envelope\b[^>]*?("
    + b"|".join(re.escape(uri.encode()) for uri in _VERSIONS)
    + rb")[\"']",
    re.DOTALL,
)
_ADDRESSING = (
    "http://www.w3.org/2005/08/addressing",
    "http://schemas.xmlsoap.org/ws/2004/08/addressing",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoapRequest:
    """A SOAP request, as far as its response depends on it.

    `operation` is the local name of the body's element and `namespace` its namespace; both are None where the
    body was not readable that far. `addressing` is the namespace of its WS-Addressing headers, if it has any.
    """

    version: SoapVersion
    operation: str | None = None
    namespace: str | None = None
    addressing: str | None = None
    message_id: str | None = None
    action: str | None = None


def read_soap(utf8: bytes) -> SoapRequest | None:
    """Read the head of a SOAP request; None where it is no SOAP envelope. Never raises."""
    found = _ENVELOPE.match(utf8)
    if found is None or b"<!DOCTYPE" in utf8[: found.end()]:
        return None
    version = _VERSIONS[found[1].decode()]
    addressing: dict[str, str] = {}
    operation: str | None = None
    namespace: str | None = None
    path: list[etree._Element] = []
    try:
        for event, element in etree.iterparse(BytesIO(utf8.lstrip()), events=("start", "end"), **SAFELY):
            if event == "end":
                path.pop()
                uri = etree.QName(element).namespace
                if len(path) == 2 and local_name(path[-1].tag) == "Header" and uri in _ADDRESSING:  # noqa: PLR2004 - Envelope, Header
                    addressing.setdefault("namespace", uri)
                    addressing.setdefault(local_name(element.tag), (element.text or "").strip())
            elif len(path) == 2 and local_name(path[-1].tag) == "Body":  # noqa: PLR2004 - Envelope, Body
                operation, namespace = local_name(element.tag), etree.QName(element).namespace
                break
            else:
                path.append(element)
    except etree.XMLSyntaxError:
        pass  # the response can refer to what was read so far
    return SoapRequest(
        version=version,
        operation=operation,
        namespace=namespace,
        addressing=addressing.get("namespace"),
        message_id=addressing.get("MessageID") or None,
        action=addressing.get("Action") or None,
    )
