"""A SOAP request gets a SOAP response, which its client accepts: of its version, operation and addressing."""

import gzip
from pathlib import Path

import pytest
from bench import Bench, without
from lxml import etree

from handlers.app import App
from handlers.channels.webhook import webhook
from handlers.responses import Response
from handlers.work import Work

RECORDED = Path(__file__).parents[2] / "dotnet"
SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
OPERATIONS = "http://iq.co.nz/PrintIQ/QuoteProcess1"
PROBLEM = "{urn:ietf:rfc:7807}"
ACTION = f"{OPERATIONS}/QuoteProcess/QuoteResult"
# As System.ServiceModel.Http writes it, with BasicHttpBinding.
CONTENT = (
    f'<QuoteResult xmlns="{OPERATIONS}"><result xmlns:i="http://www.w3.org/2001/XMLSchema-instance">'
    '<ErrorMessage i:nil="true"/><IsError>{is_error}</IsError><QuoteAccepted>true</QuoteAccepted>'
    "<QuoteDetails><QuoteNo>{number}</QuoteNo></QuoteDetails></result></QuoteResult>"
)
BASIC = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{ACTION}"'}
WITH_ADDRESSING = {"Content-Type": f'application/soap+xml; charset=utf-8; action="{ACTION}"'}


def envelope(version: str, *, number: str = "Q1", is_error: str = "false", header: str = "") -> str:
    content = CONTENT.format(number=number, is_error=is_error)
    return f'<s:Envelope xmlns:s="{version}">{header}<s:Body>{content}</s:Body></s:Envelope>'


def addressing(message_id: str, namespace: str = ADDRESSING) -> str:
    return (
        f'<s:Header xmlns:a="{namespace}"><a:Action s:mustUnderstand="1">{ACTION}</a:Action>'
        f"<a:MessageID>{message_id}</a:MessageID></s:Header>"
    )


async def post(app: App, body: str | bytes, headers: dict[str, str]) -> Response:
    content = body if isinstance(body, bytes) else body.encode()
    return await webhook("AcceptQuote", content, headers, app)


def read(response: Response, version: str) -> etree._Element:
    """Return the one child of the response's SOAP body."""
    root = etree.fromstring(response.body)
    assert root.tag == f"{{{version}}}Envelope"
    (child,) = root.findall(f"{{{version}}}Body/*")
    return child


@pytest.mark.parametrize(
    ("version", "headers", "content_type"),
    [
        (SOAP_11, BASIC, "text/xml; charset=utf-8"),
        (SOAP_12, WITH_ADDRESSING, "application/soap+xml; charset=utf-8"),
    ],
)
async def test_an_accepted_request_gets_the_empty_result_of_its_operation(
    bench: Bench, version: str, headers: dict[str, str], content_type: str
) -> None:
    response = await post(bench.app, envelope(version), headers)
    assert (response.status, response.content_type) == (200, content_type)
    result = read(response, version)
    assert result.tag == f"{{{OPERATIONS}}}QuoteResultResponse"
    assert not len(result)
    assert etree.fromstring(response.body).find(f"{{{version}}}Header") is None
    (message,) = await bench.waiting()
    assert Work.read(message).refusal is None


@pytest.mark.parametrize("namespace", [ADDRESSING, "http://schemas.xmlsoap.org/ws/2004/08/addressing"])
async def test_a_response_relates_to_its_request_by_ws_addressing(bench: Bench, namespace: str) -> None:
    names = {"s": SOAP_12, "a": namespace}
    for is_error, action in (("false", f"{ACTION}Response"), ("true", f"{namespace}/fault")):
        header = addressing("urn:uuid:7f0c", namespace)
        body = envelope(SOAP_12, header=header, is_error=is_error)
        root = etree.fromstring((await post(bench.app, body, WITH_ADDRESSING)).body)
        assert root.findtext("s:Header/a:RelatesTo", namespaces=names) == "urn:uuid:7f0c"
        assert root.findtext("s:Header/a:Action", namespaces=names) == action


async def test_a_refused_request_gets_a_fault_with_the_message_and_the_id_of_what_was_kept(
    bench: Bench,
) -> None:
    response = await post(bench.app, envelope(SOAP_11, is_error="true"), BASIC)
    assert response.status == 500
    fault = read(response, SOAP_11)
    assert fault.tag == f"{{{SOAP_11}}}Fault"
    assert fault.findtext("faultcode") == "s:Client"
    (message,) = await bench.waiting()
    work = Work.read(message)
    assert work.refusal is not None
    assert fault.findtext("faultstring") == work.refusal.detail
    assert fault.findtext(f"detail/{PROBLEM}problem/{PROBLEM}id") == work.id
    assert fault.findtext(f"detail/{PROBLEM}problem/{PROBLEM}status") == "422"


async def test_a_fault_of_soap_12_has_its_own_form_and_status(bench: Bench) -> None:
    response = await post(bench.app, envelope(SOAP_12, is_error="true"), WITH_ADDRESSING)
    assert (response.status, response.content_type) == (400, "application/soap+xml; charset=utf-8")
    fault, names = read(response, SOAP_12), {"s": SOAP_12}
    assert fault.findtext("s:Code/s:Value", namespaces=names) == "s:Sender"
    assert "reports a failure" in (fault.findtext("s:Reason/s:Text", namespaces=names) or "")
    assert fault.findtext(f"s:Detail/{PROBLEM}problem/{PROBLEM}id", namespaces=names)


async def test_a_request_that_storage_does_not_take_gets_a_fault_of_the_servers(bench: Bench) -> None:
    response = await post(bench.start(without(bench.storage, "Queue")), envelope(SOAP_11), BASIC)
    assert (response.status, response.headers["Retry-After"]) == (500, "30")
    assert read(response, SOAP_11).findtext("faultcode") == "s:Server"


async def test_a_one_way_operation_gets_an_empty_202(bench: Bench) -> None:
    app = bench.start(SOAP_RESPONSE="empty")
    response = await post(app, envelope(SOAP_11), BASIC)
    assert (response.status, response.body) == (202, b"")
    assert (await post(app, envelope(SOAP_11, is_error="true"), BASIC)).status == 500
    confirming = bench.start(SOAP_RESPONSE="empty", QUARANTINE_STATUS="202")
    response = await post(confirming, envelope(SOAP_11, is_error="true"), BASIC)
    assert (response.status, response.body) == (202, b"")


async def test_what_is_kept_in_quarantine_may_count_as_confirmed(bench: Bench) -> None:
    app = bench.start(QUARANTINE_STATUS="202")
    response = await post(app, envelope(SOAP_11, is_error="true"), BASIC)
    assert response.status == 200
    assert read(response, SOAP_11).tag == f"{{{OPERATIONS}}}QuoteResultResponse"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
async def test_an_envelope_in_utf_16_is_answered_too(bench: Bench, encoding: str) -> None:
    body = f'<?xml version="1.0" encoding="utf-16"?>{envelope(SOAP_11, number="Q" * 200_000)}'
    response = await post(bench.app, body.encode(encoding), {"Content-Type": "text/xml; charset=utf-16"})
    assert response.status == 200
    assert read(response, SOAP_11).tag == f"{{{OPERATIONS}}}QuoteResultResponse"


async def test_mtom_is_answered_in_soap(bench: Bench) -> None:
    boundary = "uuid:240b8618+id=1"
    head = 'Content-ID: <0>\r\nContent-Type: application/xop+xml;charset=utf-8;type="text/xml"\r\n\r\n'
    body = f"\r\n--{boundary}\r\n{head}{envelope(SOAP_11)}\r\n--{boundary}--\r\n"
    kind = f'multipart/related; type="application/xop+xml"; boundary="{boundary}"; start-info="text/xml"'
    response = await post(bench.app, body, {"Content-Type": kind, "SOAPAction": f'"{ACTION}"'})
    assert response.content_type == "text/xml; charset=utf-8"
    assert read(response, SOAP_11).tag in {f"{{{OPERATIONS}}}QuoteResultResponse", f"{{{SOAP_11}}}Fault"}


@pytest.mark.parametrize(
    ("recording", "event", "operation"),
    [
        ("30-wcf-soap11", "AcceptQuote", "QuoteResultResponse"),
        ("31-wcf-string-of-xml", "CreateJobXml", "JobCreatedResponse"),
        ("32-wcf-mtom", "CreateJobXml", "SendJobResponse"),
        ("33-wcf-is-error", "AcceptQuote", None),
        ("52-mono-asmx-rpc-encoded", "AcceptQuote", "QuoteAcceptedResponse"),
        ("53-mono-wcf-basic", "AcceptQuote", "QuoteAcceptedResponse"),
    ],
)
async def test_a_recorded_client_gets_what_it_expects(
    bench: Bench, recording: str, event: str, operation: str | None
) -> None:
    head, _, body = (RECORDED / f"{recording}.http").read_bytes().partition(b"\r\n\r\n")
    lines = (line.partition(":") for line in head.decode().splitlines()[1:])
    headers = {name: value.strip() for name, _, value in lines}
    response = await webhook(event, body, headers, bench.app)
    wanted = f"{{{OPERATIONS}}}{operation}" if operation else f"{{{SOAP_11}}}Fault"
    assert read(response, SOAP_11).tag == wanted
    assert response.status == (200 if operation else 500)
    if operation is None:
        assert b"is locked by &lt;another&gt; user" in response.body


async def test_a_compressed_request_is_answered_too(bench: Bench) -> None:
    headers = {"Content-Type": "text/xml", "Content-Encoding": "gzip"}
    response = await post(bench.app, gzip.compress(envelope(SOAP_11).encode()), headers)
    assert read(response, SOAP_11).tag == f"{{{OPERATIONS}}}QuoteResultResponse"


@pytest.mark.parametrize(
    ("body", "headers", "version"),
    [
        ("<s:Envelope", BASIC, SOAP_11),
        ("", BASIC, SOAP_11),
        ("", WITH_ADDRESSING, SOAP_12),
        ("not SOAP", WITH_ADDRESSING, SOAP_12),
        (f'<!DOCTYPE a [<!ENTITY b "c">]>{envelope(SOAP_11)}', BASIC, SOAP_11),
        (envelope(SOAP_11)[:-30], BASIC, SOAP_11),
    ],
)
async def test_a_body_that_cannot_be_read_gets_a_fault_too(
    bench: Bench, body: str, headers: dict[str, str], version: str
) -> None:
    assert read(await post(bench.app, body, headers), version).tag == f"{{{version}}}Fault"


@pytest.mark.parametrize(
    "body",
    [
        "<Quote><QuoteNo>Q1</QuoteNo></Quote>",
        '<Envelope><Body><a xmlns="b"/></Body></Envelope>',
        '{"QuoteNo": "Envelope"}',
    ],
)
async def test_what_is_no_soap_gets_json(bench: Bench, body: str) -> None:
    response = await post(bench.app, body, {"Content-Type": "text/xml"})
    assert response.content_type.startswith("application/")
    assert "json" in response.content_type


async def test_a_message_quotes_no_character_that_xml_forbids(bench: Bench) -> None:
    body = b'{"a": "\\u0001" \x01}'
    fault = read(await post(bench.app, body, BASIC), SOAP_11)
    assert fault.findtext("faultstring")
