"""With HTTP streams a request reaches the worker's own web server as it was sent, whatever its framing."""

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sample import SAMPLE_APP

from tools.host.testing import HostProcess, wait_until

STREAMED = {"PYTHON_SCRIPT_FILE_NAME": "streamed_functions.py"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    running = HostProcess.start(SAMPLE_APP, tmp_path_factory.mktemp("streams"), settings=STREAMED)
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(host: HostProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=host.url, timeout=60) as client:
        yield client


@contextlib.contextmanager
def connected(host: HostProcess) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", httpx.URL(host.url).port or 0), timeout=60) as connection:
        yield connection


def received(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """Read one response whose body is JSON and has a length."""
    stream = connection.makefile("rb")
    status, length = int(stream.readline().split()[1]), 0
    while (line := stream.readline().strip()) != b"":
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return status, json.loads(stream.read(length)) if length else {}


FRAMINGS = {
    "chunked": b"POST /api/echo/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n5;ext=1\r\ndefgh\r\n0\r\nTrailer: 1\r\n\r\n",
    "with a length": b"POST /api/echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nabcdefgh",
    "HTTP/1.0": b"POST /api/echo/a HTTP/1.0\r\nContent-Length: 8\r\n\r\nabcdefgh",
    "both, where chunks count": b"POST /api/echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n8\r\nabcdefgh\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_body_arrives_whole_however_it_is_framed(host: HostProcess, framing: str) -> None:
    with connected(host) as connection:
        connection.sendall(FRAMINGS[framing])
        status, seen = received(connection)
    assert (status, seen["size"]) == (202, 8)


def test_a_sender_that_waits_for_100_continue_gets_it(host: HostProcess) -> None:
    with connected(host) as connection:
        connection.sendall(
            b"POST /api/echo/a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 8\r\n\r\n"
        )
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abcdefgh")
        assert received(connection)[1]["size"] == 8


def test_a_connection_is_kept_for_the_next_request(host: HostProcess) -> None:
    with connected(host) as connection:
        for _ in range(2):
            connection.sendall(FRAMINGS["chunked"])
            assert received(connection)[1]["size"] == 8


def test_the_function_sees_the_request_and_the_hosts_route_values(client: httpx.Client) -> None:
    seen = client.put("/API/echo/a%2Fb/c%20d?x=1&x=2&y=", headers=[("X-Twice", "1"), ("X-Twice", "2")]).json()
    assert seen["route"] == {"first": "a%2Fb", "second": "c d"}
    assert (seen["method"], seen["query"]) == ("PUT", [["x", "1"], ["x", "2"], ["y", ""]])
    assert [value for name, value in seen["headers"] if name == "x-twice"] == ["1", "2"]


def test_the_invocations_id_is_the_hosts_own_whatever_the_caller_sends(client: httpx.Client) -> None:
    seen = client.get("/api/echo/a", headers={"x-ms-invocation-id": "mine"}).json()
    ids = [value for name, value in seen["headers"] if name == "x-ms-invocation-id"]
    assert len(ids) == 1
    assert ids != ["mine"]


def test_the_response_comes_back_as_it_is(client: httpx.Client) -> None:
    answer = client.post("/api/echo/a")
    assert answer.status_code == 202
    assert answer.headers.get_list("set-cookie") == [
        "one=1; Path=/; SameSite=lax",
        "two=2; Path=/; SameSite=lax",
    ]
    assert len(answer.headers.get_list("date")) == 1


def test_a_response_flows_while_the_function_still_writes_it(client: httpx.Client) -> None:
    with client.stream("GET", "/api/in-parts") as answer:
        parts = answer.iter_raw()
        assert next(parts) == b"first"
        client.get("/api/end")
        assert list(parts) == [b"last"]


def test_a_response_may_come_before_the_body_was_read(host: HostProcess, client: httpx.Client) -> None:
    assert client.post("/api/early", content=iter([b"x" * 100_000] * 10)).status_code == 409
    assert client.get("/api/echo/a").status_code == 202


def test_a_body_that_breaks_off_is_never_taken_for_a_whole_one(
    host: HostProcess, client: httpx.Client
) -> None:
    def cut_off() -> list[int]:
        sizes: list[int] = client.get("/api/cut-off").json()
        return sizes

    for start in (b"Content-Length: 8\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"):
        before = len(cut_off())
        with connected(host) as connection:
            connection.sendall(b"POST /api/echo/a HTTP/1.1\r\nHost: x\r\n" + start)
        assert wait_until(lambda: len(cut_off()) > before)  # noqa: B023


def test_a_chunked_body_over_100_mb_is_a_413(client: httpx.Client) -> None:
    megabyte = b"x" * 1024 * 1024
    assert client.post("/api/echo/a", content=(megabyte for _ in range(101))).status_code == 413


def test_a_failure_is_a_500_whose_reason_only_the_log_tells(host: HostProcess, client: httpx.Client) -> None:
    answer = client.get("/api/broken")
    assert answer.status_code == 500
    assert "detail" not in answer.text
    assert "LookupError: the detail of GET that only the log may tell" in host.log()


def test_a_function_over_its_time_limit_is_a_500(host: HostProcess, client: httpx.Client) -> None:
    assert client.get("/api/slow?seconds=60").status_code == 500
    assert "slow ran into functionTimeout" in host.log()
