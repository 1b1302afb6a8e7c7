"""Sends many events through the whole app and counts them at the far end: none lost, none wrong."""

import base64
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient

from tools.bench.measure import Aim, Comparison, Figure, Series
from tools.bench.parsing import OURS, sample
from tools.bench.running import ROOT, host, storage
from tools.bench.webhook import post_to

_PORT = 19150
_AT_ONCE = 32
_PATIENCE = 120


def counted_figures(events: int, progress: Callable[[str], object]) -> Iterator[Figure]:
    """Post events, each with a quote number of its own, and compare what comes out with what went in."""
    body = json.loads(sample("CreateJob/ten-kilobytes.json"))
    numbers = [f"Q{number:06}v1" for number in range(events)]
    bodies = [
        json.dumps(body | {"QuoteNo": number, "SalesOrderNo": f"SO-{number}"}).encode() for number in numbers
    ]
    expected = {number: float(body["TotalPrice"]) for number in numbers}
    with storage(_PORT) as azurite, host(ROOT, azurite.connection_string, only_http=False) as running:
        started = time.monotonic()
        post_to(running, bodies, _AT_ONCE)
        accepted = time.monotonic() - started
        found = Counter[str]()
        wrong = 0
        last = time.monotonic()
        with QueueClient.from_connection_string(azurite.connection_string, "printiq-events") as queue:
            while len(found) < events and time.monotonic() - last < _PATIENCE:
                for event in _taken(queue):
                    last = time.monotonic()
                    data = event["data"]
                    found[data["QuoteNo"]] += 1
                    wrong += (
                        float(data["TotalPrice"]) != expected.get(data["QuoteNo"]) or "duplicateof" in event
                    )
                progress(f"{len(found):,} of {events:,} events came out")
        arrived = time.monotonic() - started
    none = Comparison(Series("aim", "events", [1, 1]), Aim(0))
    note = f"accepted in {accepted:.0f} s, all out after {arrived:.0f} s"
    lost, twice = events - len(found), sum(count - 1 for count in found.values())
    for title, count in {"lost": lost, "wrong": wrong, "sent more than once": twice}.items():
        yield Figure(
            f"{events:,} events, 32 at once: {title}", Series(OURS, "events", [count] * 2), [none], note
        )


def _taken(queue: QueueClient) -> Iterator[dict[str, Any]]:
    try:
        for message in queue.receive_messages(messages_per_page=32, visibility_timeout=600):
            yield json.loads(base64.b64decode(message.content))
            queue.delete_message(message)
    except ResourceNotFoundError:
        pass  # nothing was sent yet
    time.sleep(0.2)
