"""Measures what a webhook costs, beside the least apps that take a body into a queue on the same host."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import aiohttp

from tools.bench.load import Load, post
from tools.bench.measure import Aim, Comparison, Figure, Series
from tools.bench.parsing import OURS, sample
from tools.bench.running import APPS, ROOT, cpu_seconds, host, make_queue, storage
from tools.host.testing import HostProcess

_PORT = 19100
_ROUNDS = 5
_REQUESTS = {1: 80, 32: 400}

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
    """Send a JSON body of 10 KB at several concurrencies, every round on an empty storage."""
    body = sample("CreateJob/ten-kilobytes.json")
    cpu: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    loads: dict[int, dict[str, list[Load]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(_ROUNDS):
        with storage(_PORT) as azurite, ExitStack() as stack:
            connection = azurite.connection_string
            for queue in ("documented", "tuned", "signed"):
                make_queue(connection, queue)
            hosts = {name: stack.enter_context(host(app, connection)) for name, app in _APPS.items()}
            for running in hosts.values():  # to warm up
                post_to(running, [body] * 20, 4)
            for concurrency, requests in _REQUESTS.items():
                for name, running in hosts.items():
                    before = cpu_seconds(running)
                    load = post_to(running, [body] * requests, concurrency)
                    cpu[concurrency][name].append((cpu_seconds(running) - before) / requests * 1000)
                    loads[concurrency][name].append(load)
    for concurrency in _REQUESTS:
        series = {name: Series(name, "ms of CPU", values) for name, values in cpu[concurrency].items()}
        rates = {
            name: Series(name, "/s", [load.rate for load in each])
            for name, each in loads[concurrency].items()
        }
        yield Figure(
            f"Webhook of 10 KB, {concurrency} at once: processor time of the app",
            series[OURS],
            [
                Comparison(series[DOCUMENTED], Aim(0.85)),
                Comparison(series[TUNED], Aim(1.0)),
                Comparison(series[SIGNED]),
            ],
        )
        yield Figure(
            f"Webhook of 10 KB, {concurrency} at once: requests a second",
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


def post_to(running: HostProcess, bodies: list[bytes], concurrency: int) -> Load:
    """Post to a host; if that fails, show the end of the host's log."""
    try:
        return post(f"{running.url}/api/webhooks/CreateJob", bodies, concurrency)
    except aiohttp.ClientError as error:
        raise RuntimeError(f"The app did not take an event.\n{running.log()[-3000:]}") from error


def _percentile(each: list[Load], percent: int) -> float:
    """Return the median over the rounds of a percentile, in milliseconds."""
    return sorted(load.percentile(percent) for load in each)[len(each) // 2]
