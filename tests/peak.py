"""The most memory that this process has had, from Linux's /proc, and the most that a body may take."""

import re
from pathlib import Path

from tools.bench.worst_bodies import SIZE

MB = 1024 * 1024
# What any accepted body may take.
MOST = 10 * SIZE + 200 * MB


def peak() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def begin_peak() -> int:
    """Reset this process's peak, and return what it is now."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()
