"""What a body may cost: any that is accepted takes less memory than ten times its size and 200 MB.

Each is as bad as the bounds allow, or just beyond. A process of its own reads it, whose peak is measured.
"""

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
    count = (SIZE - len(start) - len(end)) // (len(item) + len(separator))
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
    "control characters": ("CreateJobXml", "<Job><Title>", "&#11;" + "x" * 3_000, "</Title></Job>"),
}


def growth(case: str) -> tuple[int, int]:
    """Return the size of a body and by how much its reading raised this process's peak."""
    event, start, item, end = BODIES[case]
    body = repeated(start, item, end, "" if start.startswith("<") else ",")
    read("CreateJob", b'{"QuoteNo": "Q"}')  # its imports and models are not what is measured
    read("ExportInvoice", b'{"INVID": 1}')
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = peak()
    try:
        assert read(event, body).data
    except EventError as error:
        assert error.status == 422  # noqa: PT017 - which of both comes is not what is tested
    return len(body), peak() - before


def peak() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
@pytest.mark.parametrize("case", BODIES)
def test_no_body_takes_more_than_ten_times_its_size(case: str) -> None:
    with get_context("spawn").Pool(1) as pool:
        size, grown = pool.apply(growth, (case,))
    assert grown < 10 * size + 200 * MB, f"{grown / MB:.0f} MB for {size / MB:.0f} MB"
