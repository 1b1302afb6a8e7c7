"""The client of an app's HTTP API, and explanations of its failures."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import httpx

from events import Delivery
from handlers.ids import time_of

type Json = dict[str, Any]

# The platform ends a request after 230 seconds; the first one may wait until an instance has started.
_TIMEOUT = httpx.Timeout(230, connect=10)
_PAGE = 500


class UnreachableError(Exception):
    """The app, its storage or its API does not respond as it should; the message explains what to do."""


class RefusedError(Exception):
    """The app refused a request; the message is the app's own."""


class Queue(NamedTuple):
    """The state of a queue: about how many messages it has, and the first of those that wait.

    `first` is None where messages cannot be peeked at.
    """

    name: str
    messages: int
    first: tuple[Json, ...] | None


class Api:
    """A connection to an app. Every request raises UnreachableError if nothing responds."""

    def __init__(self, url: str, key: str | None) -> None:
        self.url = url
        headers = {"x-functions-key": key} if key else {}
        self._client = httpx.Client(base_url=f"{url}/api", headers=headers, timeout=_TIMEOUT)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> httpx.Response:
        """Return the response, whatever its status."""
        with _answers(self.url):
            return self._client.get(path, params=query)

    def post(
        self, path: str, body: bytes | Iterable[bytes] = b"", content_type: str | None = None
    ) -> httpx.Response:
        """Return the response, whatever its status. Any body but `bytes` is sent in chunks."""
        with _answers(self.url):
            return self._client.post(
                path, content=body, headers={"Content-Type": content_type} if content_type else None
            )

    def find(self, path: str, query: Mapping[str, str] | None = None) -> httpx.Response | None:
        """Return the response, None where the app has no such thing. Raises RefusedError for a conflict."""
        response = self.get(path, query)
        if response.status_code == httpx.codes.NOT_FOUND and response.content:
            return None
        if response.status_code == httpx.codes.CONFLICT:
            raise RefusedError(hint(response))
        return self._good(response, path)

    def json(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Return the response; a 404 is an UnreachableError, too."""
        found = self.find(path, query)
        if found is None:
            raise UnreachableError(f"{self.url} has no /api/{path}: is the app there an older one?")
        return found.json()

    def ask(self, path: str, members: Json) -> Any:
        """Post a JSON object and return the response. Raises RefusedError, a message for each problem."""
        with _answers(self.url):
            response = self._client.post(path, json=members)
        if not response.is_success and "problem+json" in response.headers.get("Content-Type", ""):
            raise RefusedError(*(problem["message"] for problem in response.json()["errors"]))
        return self._good(response, path).json()

    def _good(self, response: httpx.Response, path: str) -> httpx.Response:
        if response.is_success:
            return response
        status = f"{response.status_code} {response.reason_phrase}"
        raise UnreachableError(f"{self.url}/api/{path} answered {status}. {hint(response)}")

    # -- AppView, as StorageAccount has it ------------------------------------------------------------------

    def delivery(self, delivery_id: str) -> Json | None:
        """Return a delivery's row of the ledger."""
        found = self.find(f"deliveries/{delivery_id}")
        return None if found is None else dict(found.json())

    def deliveries(self, since: datetime) -> list[Json]:
        """Return the rows of what was received since, the oldest first."""
        rows: list[Json] = []
        query = {"from": since.isoformat(), "limit": str(_PAGE)}
        while True:
            page = self.json("deliveries", query)
            rows += page["deliveries"]
            if not page.get("cursor"):
                return sorted(rows, key=lambda row: str(row["id"]))
            query["cursor"] = page["cursor"]

    def queues(self) -> list[Queue]:
        """Return the result queues and the inbox."""
        return [Queue(queue["name"], queue["messages"], None) for queue in self.json("stats")["queues"]]


@contextlib.contextmanager
def _answers(url: str) -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        raise UnreachableError(
            f"The app at {url} does not respond: {error or type(error).__name__}\n"
            "Is it running (dev.py run), and is this its address (--url)?"
        ) from error


def as_received(row: Json, body: bytes) -> Delivery:
    """Return a delivery as the app received it, from its row of the ledger and its bytes."""
    return Delivery(
        id=row["id"],
        event=row["event"],
        body=body,
        channel=row["channel"],
        received_at=time_of(row["id"]),
    )


def hint(response: httpx.Response) -> str:
    """Explain a refusal: by the app's own detail, or by ours if the host refused, which gives no reason."""
    if "problem+json" in response.headers.get("Content-Type", ""):
        return str(response.json()["detail"])
    if response.status_code == httpx.codes.UNAUTHORIZED:
        if "x-functions-key" in response.request.headers:
            return (
                "The app refuses this key. A function's own key is for that function alone: give a host key."
            )
        return "The app asks for a key: give a host key with --key."
    if response.status_code == httpx.codes.NOT_FOUND:
        return "No such address. Is it this app that listens there?"
    return "See the app's log for the reason."
