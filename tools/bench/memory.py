"""Measures what a body of 25 MB takes: its memory, in a process of its own, and the time of the worst."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psutil

from events import EventError, parse
from tools.bench import worst_bodies
from tools.bench.measure import Aim, Comparison, Figure, Series
from tools.bench.parsing import OURS, delivery
from tools.bench.running import ROOT

_SIZE = 25 * 1024 * 1024 - 1024
_ROUNDS = 3
_SLOWEST = 5
_PAUSE = 0.002


def memory_figures(peers: str) -> Iterator[Figure]:
    """Parse a body of 25 MB; `peers` is the folder of the libraries that are installed apart."""
    for form in ("json", "xml"):
        multiples = [_multiple(form, peers) for _ in range(_ROUNDS)]
        yield Figure(
            f"Memory of a 25 MB {form.upper()}: peak over idle, body included",
            Series(OURS, "bodies", multiples),
            [Comparison(Series("the body", "bodies", [1.0] * _ROUNDS), Aim(12.0))],
        )


def time_figures() -> Iterator[Figure]:
    """Parse each of the worst bodies, and show the one that takes the most processor time."""
    times = {case: _seconds(case) for case in worst_bodies.CASES}
    slowest = {
        case: [_seconds(case) for _ in range(_ROUNDS)]
        for case in sorted(times, key=lambda case: times[case])[-_SLOWEST:]
    }
    worst = max(slowest, key=lambda case: min(slowest[case]))
    yield Figure(
        "Processor time of the worst body of 25 MB",
        Series(OURS, "s of CPU", slowest[worst]),
        [Comparison(Series("a second", "s of CPU", [1.0] * _ROUNDS), Aim(2.0))],
        f"the worst of {len(times)}, accepted or refused: {worst}",
    )


def _seconds(case: str) -> float:
    event, body = worst_bodies.body_of(case)
    arrived = delivery(event, body)
    started = time.process_time()
    with contextlib.suppress(EventError):
        assert parse(arrived).data
    return time.process_time() - started


def _multiple(form: str, peers: str) -> float:
    code = f"import sys; sys.path.append({peers!r}); from tools.bench.memory import child; child({form!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True)
    return float(json.loads(done.stdout))


def large(form: str, size: int = _SIZE) -> bytes:
    """Return an AcceptanceDetails of about this size: many products, each with notes."""
    note = "Deliver to the loading dock behind the building; ring the bell and wait for somebody. " * 2
    if form == "json":
        product = '{"JobNo":"J%07d-01","Quantity":"2500","Description":"%s","Notes":"%s"}'
        head, join, tail = '{"QuoteNo":"Q1","Products":[', ",", "]}"
    else:
        product = (
            "<AcceptanceProduct><JobNo>J%07d-01</JobNo><Quantity>2500</Quantity><Description>%s</Description>"
            "<Notes>%s</Notes></AcceptanceProduct>"
        )
        head = "<AcceptanceDetails><QuoteNo>Q1</QuoteNo><Products>"
        join, tail = "", "</Products></AcceptanceDetails>"
    one = len(product % (0, note, note)) + len(join)
    products = (product % (number, note, note) for number in range(max(1, (size - len(head + tail)) // one)))
    return f"{head}{join.join(products)}{tail}".encode()


def child(form: str) -> None:
    """Print how many times its size a body takes while it is parsed."""
    process, body = psutil.Process(), large(form)
    parse(delivery("CreateJob", large(form, 20_000)))
    idle, peak, done = process.memory_info().rss - len(body), [0], threading.Event()

    def watch() -> None:
        while not done.wait(_PAUSE):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    event = parse(delivery("CreateJob", body))
    peak[0] = max(peak[0], process.memory_info().rss)
    done.set()
    watcher.join()
    assert event.payload is not None
    print(json.dumps((peak[0] - idle) / len(body)))
