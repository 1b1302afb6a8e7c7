"""The check after a deployment: whether each part that an event passes does its work.

The event it sends is harmless: it reports that the quote SMOKE-TEST, which exists nowhere, expired.
Consumers can recognise it by that subject, and the timeline of that quote lists the checks.
"""

import json
import time
from collections.abc import Iterator
from typing import NamedTuple

import httpx

from events import EventType
from tools.commands._api import Api, Json, hint
from tools.commands._target import Target

EVENT = EventType.EXPIRE_QUOTE
SUBJECT = "SMOKE-TEST"

_RESULT_SECONDS = 60
# The sweep takes what is older than half a minute, once a minute.
_UNANNOUNCED_SECONDS = 30
_SWEPT_SECONDS = 150
_INTERVAL = 0.5
_NO_HOT_FOLDER = (
    "not checked: give the setting HOT_FOLDER, a connection string such as "
    "BlobEndpoint=https://….blob.core.windows.net;SharedAccessSignature=…"
)


class CheckedPart(NamedTuple):
    """The state of one part; `good` is None where it was not checked."""

    part: str
    good: bool | None
    message: str


def check(target: Target) -> Iterator[CheckedPart]:
    """Check one part after the other, until one that the rest needs is bad. Raises UnreachableError."""
    for look in (_storage, _functions, _key):
        found = look(target)
        yield found
        if not found.good:
            return
    if target.key:
        yield _closed(target)
    yield _webhook(target)
    yield _hot_folder(target) if target.hot_folder else CheckedPart("hot folder", None, _NO_HOT_FOLDER)


def _storage(target: Target) -> CheckedPart:
    answer = target.api.get("health")
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return CheckedPart(
            "health", good=False, message="the app runs, but its storage does not respond: check its roles"
        )
    return _expected(answer, "health", "the app runs, and its storage answers")


def _functions(target: Target) -> CheckedPart:
    answer = target.api.get("openapi.json")
    found = _expected(answer, "functions", "")
    return found._replace(message=f"{len(answer.json()['paths'])} routes are there") if found.good else found


def _key(target: Target) -> CheckedPart:
    answer = target.api.get("stats")
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return CheckedPart("API", good=False, message=hint(answer))
    return _expected(answer, "API", "it answers" + (" to this key" if target.key else ""))


def _closed(target: Target) -> CheckedPart:
    # an empty body leaves nothing behind, should it be accepted
    answer = Api(target.url, None).post(_WEBHOOK)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return CheckedPart("keys", good=True, message="the webhook refuses requests without a key")
    return CheckedPart(
        "keys", good=False, message=f"without a key the webhook answers {answer.status_code}: anyone can post"
    )


def _webhook(target: Target) -> CheckedPart:
    # in chunks, as .NET's default JSON call: what arrives so arrives with a length, too
    answer = target.api.post(_WEBHOOK, iter([_sample()]))
    if answer.status_code == httpx.codes.LENGTH_REQUIRED:
        return CheckedPart(
            "webhook", good=False, message="bodies in chunks do not arrive: the app runs without HTTP streams"
        )
    if answer.status_code != httpx.codes.ACCEPTED:
        return CheckedPart("webhook", good=False, message=f"{answer.status_code} {hint(answer)}")
    return _arrival("webhook", answer.json()["id"], target, _RESULT_SECONDS)


def _hot_folder(target: Target) -> CheckedPart:
    dropped = time.monotonic()
    found = _arrival(
        "hot folder",
        target.drop(f"{EVENT}/{SUBJECT}-{time.time_ns()}.json", _sample()),
        target,
        _SWEPT_SECONDS,
    )
    if found.good and time.monotonic() - dropped > _UNANNOUNCED_SECONDS:
        late = "only by the sweep. No notification came: was the hot folder subscribed after the deployment?"
        return CheckedPart(found.part, good=False, message=f"{found.message}, but {late}")
    return found


def _arrival(part: str, delivery_id: str, target: Target, seconds: float) -> CheckedPart:
    """Wait until the ledger has the outcome of a delivery."""
    account, started = target.account, time.monotonic()
    row: Json | None = None
    while time.monotonic() - started < seconds:
        row = account.delivery(delivery_id)
        if row is not None and row["status"] in {"sent", "duplicate", "quarantined", "failed"}:
            break
        time.sleep(_INTERVAL)
    if row is None:
        return CheckedPart(
            part, good=False, message=f"the ledger has no row of {delivery_id} after {seconds:.0f} s"
        )
    if row["status"] not in {"sent", "duplicate"}:
        return CheckedPart(
            part, good=False, message=f"{delivery_id} is {row['status']}: {row.get('error', '')}"
        )
    queues = ", ".join(row.get("queues", [])) or f"no queue: none subscribes to {EVENT}"
    return CheckedPart(
        part, good=True, message=f"{delivery_id} went to {queues} in {time.monotonic() - started:.1f} s"
    )


def _sample() -> bytes:
    # the key, in milliseconds, keeps it from being a duplicate of the one sent by another channel
    key = time.time_ns() // 1_000_000
    return json.dumps({"QuoteNo": SUBJECT, "Products": [{"ProductKey": key}]}).encode()


_WEBHOOK = f"webhooks/{EVENT}"


def _expected(answer: httpx.Response, part: str, message: str) -> CheckedPart:
    if answer.status_code == httpx.codes.OK:
        return CheckedPart(part, good=True, message=message)
    return CheckedPart(
        part,
        good=False,
        message=f"{answer.request.url.path} answers {answer.status_code}. {hint(answer)}",
    )
