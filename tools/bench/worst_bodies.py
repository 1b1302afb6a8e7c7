"""Bodies as bad as the bounds allow, or just beyond."""

import gzip

from events.fields import field_map
from events.models.invoice import InvoiceDetail
from events.values import Scalar

SIZE = 25 * 1024 * 1024


def repeated(start: str, item: str, end: str, separator: str = ",") -> bytes:
    count = (SIZE - len(start.encode()) - len(end)) // (len(item) + len(separator))
    return (start + separator.join([item] * count) + end).encode()


# Each field of an invoice's line that is neither text nor list, as only Python reads it.
UNUSUAL = ",".join(
    f'"{spec.name}":" 1"'
    for spec in field_map(InvoiceDetail).fields
    if spec.leaf is not None and spec.leaf.kind is not Scalar.TEXT and not spec.many
)

BODIES = {
    "typed objects": ("ExportInvoice", '{"InvoiceDetails": [', '{"XY": "abcdefghijkl"}', "]}"),
    "typed objects, fewer": (
        "ExportInvoice",
        '{"InvoiceDetails": [',
        '{"XY": "abcdefghijkl"}' + " " * 950,
        "]}",
    ),
    "numbers": ("CreateJob", '{"QuoteNo": "Q", "X": [', "1.5" + " " * 10, "]}"),
    "objects": ("CreateJob", '{"QuoteNo": "Q", "X": [', '{"a": {"b": []}}' + " " * 110, "]}"),
    "nested objects": ("CreateJob", '{"QuoteNo": "Q", "X": [', '{"a":' * 90 + "1" + "}" * 90, "]}"),
    "attributes in JSON": (
        "CreateJobXml",
        '{"Job": {"X": [',
        '{"@a": "1", "#text": "abc"}' + " " * 130,
        "]}}",
    ),
    "unreadable values": ("ExportInvoice", '{"InvoiceDetails": [{"POKeys": [', '"x"' + " " * 3_000, "]}]}"),
    "namespaces in JSON": (
        "CreateJob",
        "{" + ",".join(f'"@xmlns:a{number}": "u"' for number in range(100_000)) + ', "X": [',
        '{"a": 1}' + " " * 120,
        "]}",
    ),
    "references": (
        "CreateJob",
        '{"QuoteNo": "Q", "A": {"$id": "1"}, "X": [',
        '{"$ref":"1"}' + " " * 110,
        "]}",
    ),
    "elements": ("CreateJobXml", "<Job>", "<a>" + "x" * 24 + "</a>", "</Job>"),
    "mixed text": ("CreateJobXml", "<Job>", "<y/>" + "x" * 27, "</Job>"),
    "attributes": ("CreateJobXml", "<Job>", '<a b="1">' + "x" * 80 + "</a>", "</Job>"),
    "attributes in a list": (
        "ExportInvoice",
        "<Invoice><InvoiceDetails><Line><POKeys>",
        '<int a="1">1</int>' + " " * 73,
        "</POKeys></Line></InvoiceDetails></Invoice>",
    ),
    "markup": ("CreateJobXml", "<Job><Title>", "<b>bold</b>" + "x" * 20, "</Title></Job>"),
    "nested elements": ("CreateJobXml", "<Job>", "<a>" * 90 + "x" * 2_700 + "</a>" * 90, "</Job>"),
    "nested elements in a text": (
        "CreateJobXml",
        '{"xml": "<Job><Title>🖨</Title>',
        "<a>" * 90 + "x" * 2_700 + "</a>" * 90,
        '</Job>"}',
    ),
    "attributes and control characters": (
        "CreateJobXml",
        "<Job>",
        '<a b="1">' + "x" * 176 + "</a>",
        "<Title>" + "&#11;" * 9_000 + "</Title></Job>",
    ),
    "many texts with markup": ("CreateJobXml", "<Job>", "<T>x<b>b</b></T>" + "x" * 80, "</Job>"),
    "markup within markup": ("CreateJobXml", "<Job>", "<b>x" * 80 + "y" * 4_000 + "</b>" * 80, "</Job>"),
    "a list in an unusual form": (
        "ExportInvoice",
        '{"InvoiceDetails": [{"POKeys": [',
        '" 1"' + " " * 105,
        "]}]}",
    ),
    "fields in an unusual form": (
        "ExportInvoice",
        '{"InvoiceDetails": [',
        f"{{{UNUSUAL}}}" + " " * 3_250,
        "]}",
    ),
    "long decimals": ("CreateJob", '{"QuoteNo": "Q", "X": [', "0.12345678901234567", "]}"),
    "control characters": ("CreateJobXml", "<Job><Title>", "&#11;" + "x" * 3_000, "</Title></Job>"),
}

SOAP = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><Send><xml><![CDATA['
# The texts before and after one that fills the body; an emoji makes Python keep each character in four bytes.
TEXTS = {
    "a text": ("CreateQuote", '{"QuoteNo": "Q", "Notes": "', '"}'),
    "a key": ("CreateQuote", '{"QuoteNo": "', '"}'),
    "a name": ("CreateQuote", '{"QuoteNo": "Q", "', '": 1}'),
    "a text that cannot be read": ("CreateQuote", '{"QuoteNo": "Q", "Products": [{"ProductKey": "', '"}]}'),
    "an attribute": ("CreateJobXml", '<Job><Title a="', '">t</Title></Job>'),
    "an element": ("CreateJobXml", "<Job><Title>", "</Title></Job>"),
    "a document in a text": ("CreateJobXml", '{"xml": "<Job><Title a=\'', "'>t</Title></Job>\"}"),
    "a document in SOAP": (
        "CreateJobXml",
        f'{SOAP}<Job><Title a="',
        '">t</Title></Job>]]></xml></Send></s:Body></s:Envelope>',
    ),
    "a text that is referred to": (
        "CreateJob",
        '{"QuoteNo": "Q", "A": {"$id": "1", "b": "',
        '"}, "X": [' + ",".join(['{"$ref": "1"}'] * 2_000) + "]}",
    ),
}
IN_SOAP = ("attributes", "elements")
COMPRESSED = ("objects", "elements", "typed objects, fewer")


def body_of(case: str) -> tuple[str, bytes]:
    """Return the event and the body of a case."""
    if case in TEXTS:
        event, start, end = TEXTS[case]
        return event, f"{start}{'x' * (SIZE - len(start) - len(end) - 4)}🖨{end}".encode()
    if case.endswith(" in SOAP"):
        event, start, item, end = BODIES[case.removesuffix(" in SOAP")]
        return event, repeated(f"{SOAP}{start}", item, f"{end}]]></xml></Send></s:Body></s:Envelope>", "")
    if case.startswith("compressed "):
        event, body = body_of(case.removeprefix("compressed "))
        return event, gzip.compress(body, 1)
    event, start, item, end = BODIES[case]
    return event, repeated(start, item, end, "" if "<" in start else ",")


# Every case; a compressed body is as large as it unpacks to.
CASES = [
    *BODIES,
    *TEXTS,
    *(f"{case} in SOAP" for case in IN_SOAP),
    *(f"compressed {case}" for case in COMPRESSED),
]
