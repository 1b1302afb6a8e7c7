"""However a sender frames a request, its body arrives byte for byte: by HTTP streams, as in Azure.

The requests in tests/dotnet were recorded from real .NET clients; no library frames them anew here.
"""

import json
import re
import socket
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import BinaryIO, Self
from urllib.parse import urlsplit

import httpx
import pytest
from receiver import Json, Receiver, StartReceiver, sample

RECORDED = Path(__file__).parents[1] / "dotnet"
PLAIN = (
    "01-stj-web-post-as-json",  # .NET's shortest way to send JSON: chunked
    "41-http-10",
    "42-http-close-no-type",
    "43-http-keep-alive-two",
    "44-http-stream-chunked",
)
_numbers = count()


def recorded(name: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield each request of a recording as its head and its framed body."""
    raw = (RECORDED / f"{name}.http").read_bytes()
    while raw:
        head, end, raw = raw.partition(b"\r\n\r\n")
        if b"Transfer-Encoding: chunked" in head:
            body, end_of_body, raw = raw.partition(b"\r\n0\r\n\r\n")
            yield head + end, body + end_of_body
        else:
            length = re.search(rb"Content-Length: (\d+)", head)
            size = int(length[1]) if length else 0
            yield head + end, raw[:size]
            raw = raw[size:]


def dechunked(framed: bytes) -> bytes:
    body = b""
    while framed:
        size, _, framed = framed.partition(b"\r\n")
        body, framed = body + framed[: int(size, 16)], framed[int(size, 16) + 2 :]
    return body


class Connection:
    """A connection to the app, without an HTTP library."""

    def __init__(self, receiver: Receiver) -> None:
        address = urlsplit(receiver.host.url)
        self._socket = socket.create_connection((address.hostname or "", address.port or 0), timeout=60)
        self._stream: BinaryIO = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._socket.close()

    def send(self, raw: bytes) -> None:
        self._socket.sendall(raw)

    def response(self) -> tuple[int, Json]:
        """Read a response; an interim one (100) has no members."""
        status, length = int(self._stream.readline().split()[1]), 0
        while line := self._stream.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return status, json.loads(self._stream.read(length)) if length else {}


def post(receiver: Receiver, raw: bytes) -> tuple[int, Json]:
    with Connection(receiver) as connection:
        connection.send(raw)
        return connection.response()


def own_quote() -> bytes:
    return f'{{"QuoteNo": "WIRE-{next(_numbers)}"}}'.encode()


def chunked(body: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:5], body[5:])) + b"0\r\n\r\n"


@pytest.mark.parametrize("name", PLAIN)
def test_a_recorded_request_arrives_byte_for_byte(receiver: Receiver, name: str) -> None:
    with Connection(receiver) as connection:
        for head, body in recorded(name):
            connection.send(head + body)
            status, response = connection.response()
            assert status == 202, response
            row = receiver.row(response["id"], "sent", "duplicate")
            assert receiver.blob(row["raw"]) == (dechunked(body) if b"chunked" in head else body)


def test_a_compressed_body_is_answered_alike_with_a_length_and_in_chunks(receiver: Receiver) -> None:
    answers = [
        post(receiver, b"".join(*recorded(name)))[0] for name in ("39-http-gzip", "40-http-gzip-chunked")
    ]
    assert answers[0] == answers[1]


def test_a_sender_that_expects_100_continue_gets_it_before_the_body(receiver: Receiver) -> None:
    body = own_quote()
    with Connection(receiver) as connection:
        connection.send(
            b"POST /api/webhooks/CreateQuote HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        assert connection.response() == (100, {})
        connection.send(body)
        assert connection.response()[0] == 202


def test_an_empty_body_in_chunks_is_an_empty_body(receiver: Receiver) -> None:
    head = b"POST /api/webhooks/CreateQuote HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    status, response = post(receiver, head + b"0\r\n\r\n")
    assert (status, "id" in response) == (400, False)


def test_a_body_that_breaks_off_is_never_received(receiver: Receiver) -> None:
    body = own_quote()
    for framing in (b"Content-Length: 1000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nfff\r\n"):
        with Connection(receiver) as connection:
            connection.send(b"POST /api/webhooks/CreateQuote HTTP/1.1\r\nHost: x\r\n" + framing + body)
    # what was sent after it has arrived
    receiver.row(receiver.accepted("CreateQuote", own_quote()))
    subject = json.loads(body)["QuoteNo"]
    assert not receiver.rows("deliveries", subject=subject)


@pytest.mark.parametrize("with_length", [True, False])
def test_of_a_body_that_is_too_large_all_is_kept_though_it_is_not_read(
    small: Receiver, with_length: bool
) -> None:
    body = b'{"QuoteNo": "' + b"x" * 3_000_000 + b'"}'
    head = b"POST /api/webhooks/CreateQuote HTTP/1.1\r\nHost: x\r\n"
    framed = (
        b"Content-Length: %d\r\n\r\n" % len(body) + body
        if with_length
        else b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body)
    )
    status, problem = post(small, head + framed)
    assert (status, problem["title"]) == (413, "Body too large")
    row = small.row(problem["id"], "quarantined")
    assert (small.blob(row["raw"]), row["size"]) == (body, len(body))


def test_a_body_that_is_too_large_for_an_unknown_event_is_kept_as_unknown(small: Receiver) -> None:
    body = b"x" * 3_000_000
    status, problem = post(
        small, b"POST /api/webhooks/Nope HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )
    assert status == 404
    assert small.row(problem["id"], "quarantined")["raw"].startswith("quarantine/_unknown/")


@pytest.fixture(scope="module")
def small(start_receiver: StartReceiver) -> Receiver:
    """Return this app, reading at most a megabyte of a body."""
    return start_receiver({"MAX_BODY_BYTES": "1000000"})


@pytest.fixture(scope="module")
def without_streams(start_receiver: StartReceiver) -> Receiver:
    return start_receiver({"HTTP_STREAMS": "false"})


def test_without_streams_a_body_in_chunks_is_answered_with_411_and_stays_open(
    without_streams: Receiver,
) -> None:
    response = without_streams.post("CreateQuote", iter([sample("CreateQuote")]))
    assert response.status_code == 411, response.text
    problem = response.json()
    assert "Content-Length" in problem["detail"]
    row = without_streams.row(problem["id"], "quarantined")
    assert without_streams.written("deliveries", PartitionKey="open", id=row["id"])
    assert "raw" not in row


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /api/health",
        "GET /api/schemas/CreateQuote",
        "GET /api/console",
        "GET /api/console/nope",
        "GET /api/deliveries?status=&event=CreateQuote&event=Nope",
        "GET /api/deliveries/nope",
        "GET /api/subjects/quote/a%2Fb%20c",
        "POST /api/replays",
        "GET /api/webhooks/CreateQuote",
        "PUT /api/health",
    ],
)
def test_with_and_without_streams_a_route_responds_alike(
    receiver: Receiver, without_streams: Receiver, request_line: str
) -> None:
    def response(app: Receiver) -> tuple[int, dict[str, str], str]:
        method, path = request_line.split()
        found = httpx.request(method, app.host.url + path, timeout=60)
        headers = {name: value for name, value in found.headers.items() if name not in {"date", "etag"}}
        return found.status_code, headers, found.text.replace(app.host.url, "")

    assert response(receiver) == response(without_streams)


def test_with_and_without_streams_a_page_that_is_known_is_not_sent_again(
    receiver: Receiver, without_streams: Receiver
) -> None:
    for app in (receiver, without_streams):
        url = f"{app.host.url}/api/console"
        known = httpx.get(url, timeout=60).headers["etag"]
        again = httpx.get(url, headers={"If-None-Match": known}, timeout=60)
        assert (again.status_code, again.content) == (304, b"")
