"""What a body may cost: any that is accepted takes less memory than ten times its size and 200 MB.

Each is as bad as the bounds allow, or just beyond. A process of its own reads it, whose peak is measured.
`reliability/test_worst_bodies.py` has the worst of them come by each channel.
"""

import gzip
import re
import sys
from multiprocessing import get_context
from pathlib import Path

import pytest
from deliveries import read

from events import EventError

pytestmark = pytest.mark.slow

SIZE = 25 * 1024 * 1024
MB = 1024 * 1024


def repeated(start: str, item: str, end: str, separator: str = ",") -> bytes:
    count = (SIZE - len(start.encode()) - len(end)) // (len(item) + len(separator))
    return (start + separator.join([item] * count) + end).encode()


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
    "attributes in JSON": (
        "CreateJobXml",
        '{"Job": {"X": [',
        '{"@a": "1", "#text": "abc"}' + " " * 130,
        "]}}",
    ),
    "unreadable values": ("ExportInvoice", '{"InvoiceDetails": [{"POKeys": [', '"x"' + " " * 3_000, "]}]}"),
    "references": (
        "CreateJob",
        '{"QuoteNo": "Q", "A": {"$id": "1"}, "X": [',
        '{"$ref":"1"}' + " " * 110,
        "]}",
    ),
    "elements": ("CreateJobXml", "<Job>", "<a>" + "x" * 24 + "</a>", "</Job>"),
    "mixed text": ("CreateJobXml", "<Job>", "<y/>" + "x" * 27, "</Job>"),
    "attributes": ("CreateJobXml", "<Job>", '<a b="1">' + "x" * 80 + "</a>", "</Job>"),
    "markup": ("CreateJobXml", "<Job><Title>", "<b>bold</b>" + "x" * 20, "</Title></Job>"),
    "nested elements": ("CreateJobXml", "<Job>", "<a>" * 90 + "x" * 2_700 + "</a>" * 90, "</Job>"),
    "nested elements in a text": (
        "CreateJobXml",
        '{"xml": "<Job><Title>🖨</Title>',
        "<a>" * 90 + "x" * 2_700 + "</a>" * 90,
        '</Job>"}',
    ),
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
COMPRESSED = ("objects", "elements", "typed objects, fewer")


def body_of(case: str) -> tuple[str, bytes]:
    """Return the event and the body of a case."""
    if case in TEXTS:
        event, start, end = TEXTS[case]
        return event, f"{start}{'x' * (SIZE - len(start) - len(end) - 4)}🖨{end}".encode()
    if case.startswith("compressed "):
        event, body = body_of(case.removeprefix("compressed "))
        return event, gzip.compress(body, 1)
    event, start, item, end = BODIES[case]
    return event, repeated(start, item, end, "" if "<" in start else ",")


def growth(case: str) -> int:
    """Return by how much the reading of a body raised this process's peak."""
    event, body = body_of(case)
    read("CreateJob", b'{"QuoteNo": "Q"}')  # its imports and models are not what is measured
    read("ExportInvoice", b'{"INVID": 1}')
    read("CreateJobXml", b"<Job/>")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = peak()
    try:
        assert read(event, body).data
    except EventError as error:
        assert error.status == 422  # noqa: PT017 - which of both comes is not what is tested
    return peak() - before


def peak() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
@pytest.mark.parametrize("case", [*BODIES, *TEXTS, *(f"compressed {case}" for case in COMPRESSED)])
def test_no_body_takes_more_than_ten_times_its_size(case: str) -> None:
    with get_context("spawn").Pool(1) as pool:
        grown = pool.apply(growth, (case,))
    # a compressed body is as large as it unpacks to
    assert grown < 10 * SIZE + 200 * MB, f"{grown / MB:.0f} MB"
