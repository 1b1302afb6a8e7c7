"""A file in the hot folder is never held in memory whole, neither by the host nor by the app."""

import sys
from pathlib import Path

import pytest
from receiver import Receiver, StartReceiver

from tools.host.testing import wait_until

pytestmark = pytest.mark.slow

SIZE = 300 * 2**20


def peak(receiver: Receiver) -> int:
    """Return the most memory that the process of host and worker has used so far, in bytes."""
    status = Path(f"/proc/{receiver.host.process.pid}/status").read_text("utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_flat_while_a_drop_of_300_mb_is_announced_and_set_aside(
    start_receiver: StartReceiver,
) -> None:
    receiver = start_receiver({})
    receiver.drop("CreateQuote/small.json", b'{"QuoteNo": "SMALL"}')
    wait_until(lambda: not receiver.drops())
    before = peak(receiver)
    receiver.drop("CreateQuote/large.json", b'{"QuoteNo": "' + b"x" * SIZE + b'"}')
    (row,) = wait_until(lambda: receiver.rows("deliveries", status="quarantined", PartitionKey="open"))
    assert row["size"] > SIZE
    assert peak(receiver) - before < SIZE * 2 / 3
