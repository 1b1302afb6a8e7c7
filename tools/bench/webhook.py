"""Measures what a webhook costs, beside the least apps that take a body into a queue on the same runtime."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path

from handlers.stores import INBOX_QUEUE
from tools.bench.load import Load
from tools.bench.measure import Aim, Comparison, Figure, Series
from tools.bench.parsing import OURS, sample
from tools.bench.running import APPS, ROOT, BareWorker, make_queue, storage

_PORT = 19100
_ROUNDS = 5
_WARM_UP = 100
_REQUESTS = {1: 32, 32: 128}

DOCUMENTED = "least app, SDK as documented"
TUNED = "least app, SDK's best options"
SIGNED = "least app, signed by hand"
_APPS: dict[str, Path] = {
    OURS: ROOT,
    DOCUMENTED: APPS / "documented",
    TUNED: APPS / "tuned",
    SIGNED: APPS / "signed",
}


def webhook_figures() -> Iterator[Figure]:
    """Send a JSON body of 10 KB at several concurrencies to bare workers, every round on an empty storage.

    A round has a turn for each contender to be first: the first meets a storage that has not warmed up.
    """
    body = sample("CreateJob/ten-kilobytes.json")
    cpu: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    loads: dict[int, dict[str, list[Load]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(_ROUNDS):
        with storage(_PORT) as azurite, ExitStack() as stack:
            connection = azurite.connection_string
            for queue in (INBOX_QUEUE, "documented", "tuned", "signed"):
                make_queue(connection, queue)
            workers = {name: stack.enter_context(BareWorker(app, connection)) for name, app in _APPS.items()}
            for worker in workers.values():
                worker.post([body] * _WARM_UP, 4)
            for turn, concurrency in product(range(len(_APPS)), _REQUESTS):
                requests = _REQUESTS[concurrency]
                for name in [*_APPS][turn:] + [*_APPS][:turn]:
                    before = workers[name].cpu()
                    load = workers[name].post([body] * requests, concurrency)
                    cpu[concurrency][name].append((workers[name].cpu() - before) / requests)
                    loads[concurrency][name].append(load)
    for concurrency in _REQUESTS:
        series = {name: Series(name, "ms of CPU", values) for name, values in cpu[concurrency].items()}
        rates = {
            name: Series(name, "/s", [load.rate for load in each])
            for name, each in loads[concurrency].items()
        }
        yield Figure(
            f"Webhook of 10 KB, {concurrency} at once, bare worker: processor time",
            series[OURS],
            [
                Comparison(series[DOCUMENTED], Aim(0.85)),
                Comparison(series[TUNED], Aim(1.0)),
                Comparison(series[SIGNED]),
            ],
        )
        yield Figure(
            f"Webhook of 10 KB, {concurrency} at once, bare worker: requests a second",
            rates[OURS],
            [
                Comparison(rates[DOCUMENTED], Aim(1.5, at_least=True) if concurrency > 1 else None),
                Comparison(rates[TUNED]),
                Comparison(rates[SIGNED]),
            ],
            note="; ".join(
                f"{name}: p50 {_percentile(each, 50):.1f} ms, p99 {_percentile(each, 99):.1f} ms"
                for name, each in loads[concurrency].items()
            ),
        )


def _percentile(each: list[Load], percent: int) -> float:
    """Return a percentile of the latencies of all turns, in milliseconds."""
    latencies = [latency for load in each for latency in load.latencies]
    return Load(sum(load.seconds for load in each), latencies).percentile(percent)
