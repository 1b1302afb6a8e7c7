"""What the response to a SOAP request depends on."""

import gzip

import pytest

from events.formats import SoapRequest, SoapVersion, read, soap_request

V11 = "http://schemas.xmlsoap.org/soap/envelope/"
V12 = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
HEADER = f"""<s:Header xmlns:a="{ADDRESSING}"><a:Action s:mustUnderstand="1"> urn:Send </a:Action>
<a:MessageID>urn:uuid:1</a:MessageID><Other>x</Other></s:Header>"""


def envelope(version: str, header: str = "", body: str = '<Send xmlns="urn:jobs"><Job/></Send>') -> str:
    return (
        f'<?xml version="1.0"?><s:Envelope xmlns:s="{version}">{header}<s:Body>{body}</s:Body></s:Envelope>'
    )


def test_its_version_operation_and_namespace_are_read() -> None:
    found = soap_request(envelope(V11).encode())
    assert found == SoapRequest(version=SoapVersion.V1_1, operation="Send", namespace="urn:jobs")
    assert found.version.namespace == V11
    assert found.version.media_type == "text/xml"


def test_its_addressing_is_read() -> None:
    found = soap_request(envelope(V12, HEADER).encode())
    assert found == SoapRequest(
        version=SoapVersion.V1_2,
        operation="Send",
        namespace="urn:jobs",
        addressing=ADDRESSING,
        message_id="urn:uuid:1",
        action="urn:Send",
    )
    assert found.version.media_type == "application/soap+xml"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_it_is_read_in_any_encoding_and_compressed(encoding: str) -> None:
    body = envelope(V11).encode(encoding)
    assert soap_request(body) == soap_request(gzip.compress(body)) == soap_request(envelope(V11).encode())


@pytest.mark.parametrize(
    ("body", "operation"),
    [
        (envelope(V11).replace("<Job/>", "<Job>"), "Send"),
        (envelope(V11, body=""), None),
        (envelope(V11)[:-58], None),
        (envelope(V11)[:90], None),
        (envelope(V11, body="a &b c"), None),
    ],
)
def test_a_damaged_envelope_is_one_too(body: str, operation: str | None) -> None:
    found = soap_request(body.encode())
    assert found is not None
    assert found.operation == operation


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "<Job/>",
        '<Envelope xmlns="urn:other"/>',
        f"<Job><!-- {envelope(V11)} --></Job>",
        "\x00",
        f'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>{envelope(V11, body="&e;")}',
    ],
)
def test_anything_else_is_no_soap_request(body: str) -> None:
    assert soap_request(body.encode()) is None


MTOM = "\r\n".join(
    (
        "",
        "--uuid:1+id=1",
        "Content-ID: <http://tempuri.org/0>",
        'Content-Type: application/xop+xml;charset=utf-8;type="text/xml"',
        "",
        envelope(
            V11,
            body="<Send><Job><JobNumber>J1</JobNumber><Product><ArtworkThumbnail><x:Include "
            'xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:a%2Bb@c"/></ArtworkThumbnail>'
            "</Product></Job></Send>",
        ),
        "--uuid:1+id=1",
        "Content-ID: <a+b@c>",
        "Content-Transfer-Encoding: binary",
        "",
        "\x00\r\n\x01\x7f",
        "--uuid:1+id=1--",
        "",
    )
).encode()


def test_an_mtom_message_is_its_xml_with_the_other_parts_inside() -> None:
    assert soap_request(MTOM) == SoapRequest(version=SoapVersion.V1_1, operation="Send")
    body = read(MTOM).members["Body"]
    assert body == {"Send": {"Job": {"JobNumber": "J1", "Product": {"ArtworkThumbnail": "AA0KAX8="}}}}
