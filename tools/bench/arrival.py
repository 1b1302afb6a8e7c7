"""Measures the time from an event's sender to its result message, by either channel."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from statistics import quantiles

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient

from tools.bench.measure import Comparison, Figure, Series
from tools.bench.parsing import sample
from tools.bench.running import ROOT, host, post_to, storage

_PORT = 19160
_EVENTS = 30
_BURST = 200
_PATIENCE = 120
_LOOK_EVERY = 0.01


def arrival_figures() -> Iterator[Figure]:
    """Send events one by one, each when the one before has arrived; then many files at once."""
    body = sample("CreateJob/ten-kilobytes.json")
    with ExitStack() as stack:
        connection = stack.enter_context(storage(_PORT)).connection_string
        running = stack.enter_context(host(ROOT, connection))
        results = _Results(connection)
        stack.enter_context(closing(results.queue))
        folder = stack.enter_context(BlobServiceClient.from_connection_string(connection)).create_container(
            "hot-folder"
        )

        def by_webhook(_number: str, content: bytes) -> None:
            post_to(running, [content], 1)

        def by_folder(number: str, content: bytes) -> None:
            folder.upload_blob(f"CreateJob/{number}.json", content)

        by_webhook("Q000000", body.replace(b"Q005270", b"Q000000"))
        results.wait_for({"Q000000v3"})
        ways = {"by hot folder": by_folder, "by webhook": by_webhook}
        taken = {
            name: _one_by_one(send, body, results, 1 + at * _EVENTS)
            for at, (name, send) in enumerate(ways.items())
        }
        started = time.perf_counter()
        numbers = [f"Q{number:06}" for number in range(900_000, 900_000 + _BURST)]
        for number in numbers:
            by_folder(number, body.replace(b"Q005270", number.encode()))
        results.wait_for({f"{number}v3" for number in numbers})
        rate = _BURST / (time.perf_counter() - started)
    notes = "; ".join(
        f"{name}: p50 {_at(each, 50):.0f} ms, p99 {_at(each, 99):.0f} ms" for name, each in taken.items()
    )
    folder_series, webhook_series = (Series(name, "ms", each) for name, each in taken.items())
    yield Figure(
        "On its way to its result message, one at a time: by hot folder",
        folder_series,
        [Comparison(webhook_series)],
        note=f"{notes}; {_BURST} files at once: {rate:.0f} a second, to the last result message",
    )


class _Results:
    """The queue of result messages."""

    def __init__(self, connection: str) -> None:
        self.queue = QueueClient.from_connection_string(connection, "printiq-events")

    def wait_for(self, quotes: set[str]) -> None:
        missing, until = set(quotes), time.monotonic() + _PATIENCE
        while missing:
            if time.monotonic() > until:
                raise RuntimeError(f"{len(missing)} events did not arrive within {_PATIENCE} s.")
            time.sleep(_LOOK_EVERY)
            try:
                for message in self.queue.receive_messages(messages_per_page=32):
                    missing.discard(json.loads(base64.b64decode(message.content))["data"]["QuoteNo"])
                    self.queue.delete_message(message)
            except ResourceNotFoundError:
                continue  # nothing was sent yet


def _one_by_one(
    send: Callable[[str, bytes], None], body: bytes, results: _Results, first: int
) -> list[float]:
    latencies = []
    for number in range(first, first + _EVENTS):
        quote = f"Q{number:06}"
        content = body.replace(b"Q005270", quote.encode())
        started = time.perf_counter()
        send(quote, content)
        results.wait_for({f"{quote}v3"})
        latencies.append((time.perf_counter() - started) * 1000)
    return latencies


def _at(latencies: list[float], percent: int) -> float:
    return quantiles(latencies, n=100, method="inclusive")[percent - 1]
