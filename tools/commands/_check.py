"""The check after a deployment: tells of each part that an event passes whether it does its work.

What it sends is harmless: that the quote SMOKE-TEST, which no printIQ has, expired. By that subject consumers
can tell it from the real ones, and the timeline of that quote lists the checks.
"""

import json
import time
from collections.abc import Iterator
from typing import NamedTuple

import httpx

from events import EventType
from tools.commands._target import Json, Target, app_answers, hint

EVENT = EventType.EXPIRE_QUOTE
SUBJECT = "SMOKE-TEST"

# A first call may have to wait until an instance has started.
_ANSWER_SECONDS = 90
_RESULT_SECONDS = 60
# The sweep takes what is older than half a minute, once a minute.
_UNANNOUNCED_SECONDS = 30
_SWEPT_SECONDS = 150
_INTERVAL = 0.5
_NO_HOT_FOLDER = (
    "not checked: give the setting HOT_FOLDER, a connection string such as "
    "BlobEndpoint=https://….blob.core.windows.net;SharedAccessSignature=…"
)


class Finding(NamedTuple):
    """Say of one part whether it does its work; `good` is None where that was not looked into."""

    part: str
    good: bool | None
    told: str


def check(target: Target) -> Iterator[Finding]:
    """Look at one part after the other; what needs an earlier one is left out. Raises UnreachableError."""
    for look in (_storage, _functions, _key):
        found = look(target)
        yield found
        if not found.good:
            return
    if target.key:
        yield _closed(target)
    yield _webhook(target)
    yield _hot_folder(target) if target.hot_folder else Finding("hot folder", None, _NO_HOT_FOLDER)


def _storage(target: Target) -> Finding:
    answer = _get(target, "/api/health")
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return Finding(
            "health", good=False, told="the app runs, but its storage does not answer: see its roles"
        )
    return _expected(answer, "health", "the app runs, and its storage answers")


def _functions(target: Target) -> Finding:
    answer = _get(target, "/api/openapi.json")
    found = _expected(answer, "functions", "")
    return found._replace(told=f"{len(answer.json()['paths'])} routes are there") if found.good else found


def _key(target: Target) -> Finding:
    answer = _get(target, "/api/stats")
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return Finding("API", good=False, told=hint(answer))
    return _expected(answer, "API", "it answers" + (" to this key" if target.key else ""))


def _closed(target: Target) -> Finding:
    # an empty body: it would leave nothing behind
    with app_answers(target.url):
        answer = httpx.post(_address(target), timeout=_ANSWER_SECONDS)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return Finding("keys", good=True, told="the webhook does not open without one")
    return Finding(
        "keys", good=False, told=f"without one the webhook answers {answer.status_code}: it is open"
    )


def _webhook(target: Target) -> Finding:
    with app_answers(target.url):
        answer = httpx.post(
            _address(target), content=_sample(), headers=target.headers, timeout=_ANSWER_SECONDS
        )
    if answer.status_code != httpx.codes.ACCEPTED:
        return Finding("webhook", good=False, told=f"{answer.status_code} {hint(answer)}")
    return _arrival("webhook", answer.json()["id"], target, _RESULT_SECONDS)


def _hot_folder(target: Target) -> Finding:
    dropped = time.monotonic()
    found = _arrival(
        "hot folder",
        target.drop(f"{EVENT}/{SUBJECT}-{time.time_ns()}.json", _sample()),
        target,
        _SWEPT_SECONDS,
    )
    if found.good and time.monotonic() - dropped > _UNANNOUNCED_SECONDS:
        late = "only by the sweep. No notification came: was the hot folder subscribed after the deployment?"
        return Finding(found.part, good=False, told=f"{found.told}, but {late}")
    return found


def _arrival(part: str, delivery_id: str, target: Target, seconds: float) -> Finding:
    """Wait until the ledger tells what came of a delivery."""
    account, started = target.account(), time.monotonic()
    row: Json | None = None
    while time.monotonic() - started < seconds:
        row = account.delivery(delivery_id)
        if row is not None and row["status"] in {"sent", "duplicate", "quarantined", "failed"}:
            break
        time.sleep(_INTERVAL)
    if row is None:
        return Finding(
            part, good=False, told=f"the ledger knows nothing of {delivery_id} after {seconds:.0f} s"
        )
    if row["status"] not in {"sent", "duplicate"}:
        return Finding(part, good=False, told=f"{delivery_id} is {row['status']}: {row.get('error', '')}")
    queues = ", ".join(row.get("queues", [])) or f"no queue, since none subscribes to {EVENT}"
    return Finding(
        part, good=True, told=f"{delivery_id} went to {queues} in {time.monotonic() - started:.1f} s"
    )


def _sample() -> bytes:
    # the number, of milliseconds, makes it no repeat of the one that was sent before by another way
    key = time.time_ns() // 1_000_000
    return json.dumps({"QuoteNo": SUBJECT, "Products": [{"ProductKey": key}]}).encode()


def _address(target: Target) -> str:
    return f"{target.url}/api/webhooks/{EVENT}"


def _get(target: Target, path: str) -> httpx.Response:
    with app_answers(target.url):
        return httpx.get(target.url + path, headers=target.headers, timeout=_ANSWER_SECONDS)


def _expected(answer: httpx.Response, part: str, told: str) -> Finding:
    if answer.status_code == httpx.codes.OK:
        return Finding(part, good=True, told=told)
    said = f"{answer.request.url.path} answers {answer.status_code}. {hint(answer)}"
    return Finding(part, good=False, told=said)
