"""What a body may cost: any that is accepted takes less memory than ten times its size and 200 MB.

A process of its own reads it, whose peak is measured. `reliability/test_worst_bodies.py` has the worst of
them come by each channel.
"""

import sys
from multiprocessing import get_context

import pytest
from deliveries import read
from peak import MB, MOST, begin_peak, peak

from events import EventError
from tools.bench.worst_bodies import CASES, body_of

pytestmark = pytest.mark.slow


def growth(case: str) -> int:
    """Return by how much the reading of a body raised this process's peak."""
    event, body = body_of(case)
    read("CreateJob", b'{"QuoteNo": "Q"}')  # its imports and models are not what is measured
    read("ExportInvoice", b'{"INVID": 1}')
    read("CreateJobXml", b"<Job/>")
    before = begin_peak()
    try:
        assert read(event, body).data
    except EventError as error:
        assert error.status == 422  # noqa: PT017 - which of both comes is not what is tested
    return peak() - before


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
@pytest.mark.parametrize("case", CASES)
def test_no_body_takes_more_than_ten_times_its_size(case: str) -> None:
    with get_context("spawn").Pool(1) as pool:
        grown = pool.apply(growth, (case,))
    assert grown < MOST, f"{grown / MB:.0f} MB"
