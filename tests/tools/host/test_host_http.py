"""HTTP functions answer as they do behind the .NET host."""

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sample import SAMPLE_APP, SETTINGS

from tools.host.azurite import Azurite
from tools.host.keys import Keys
from tools.host.testing import HostProcess


@pytest.fixture(scope="module")
def host(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    storage = azurite.connection_string
    settings = {**SETTINGS, "AzureWebJobsStorage": storage, "DROPS": storage}
    running = HostProcess.start(SAMPLE_APP, tmp_path_factory.mktemp("http"), settings=settings)
    yield running
    running.stop()


@pytest.fixture
def client(host: HostProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=host.url, timeout=60) as client:
        yield client


def test_route_values_are_decoded_but_for_an_encoded_slash(client: httpx.Client) -> None:
    answer = client.post("/api/echo/a%2Fb/c%20%C3%A9").json()
    assert answer["route"] == {"first": "a%2Fb", "second": "c é"}


def test_an_optional_value_may_be_left_out_and_case_is_ignored(client: httpx.Client) -> None:
    answer = client.post("/API/Echo/One/").json()
    assert answer["route"] == {"first": "One"}


def test_the_first_registered_of_two_matching_routes_answers(client: httpx.Client) -> None:
    assert client.get("/api/echo/x/fixed").text == "first of {'first': 'x'}"
    assert client.get("/api/echo/x/other/more").text == "x/other/more"


def test_a_catch_all_takes_an_empty_rest(client: httpx.Client) -> None:
    assert client.get("/api/echo").text == "nothing"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/nope"), ("GET", "/broken"), ("DELETE", "/api/echo/x")]
)
def test_an_unknown_path_or_method_is_a_404_without_a_body(
    client: httpx.Client, method: str, path: str
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_head_and_options_are_not_get(client: httpx.Client, method: str) -> None:
    """Quote: "HEAD, OPTIONS on a GET route: 404"."""
    assert client.request(method, "/api/echo/x").status_code == 404


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/api/echo/a%2Fb", "a%2Fb"),
        ("/api/echo/a%2fb", "a%2fb"),
        ("/api/echo/%FF%C3%A9", "%FFé"),
        ("/api/./echo/a", "a"),
        ("/api/nope/../echo/a", "a"),
        ("/api/nope/%2e%2e/echo/a", "a"),
        ("/api/echo/a/", "a/"),
        ("/api/echo/", "nothing"),
        ("/api/echo//a", None),
        ("/api//echo/a", None),
    ],
)
def test_a_path_is_read_as_the_platform_reads_it(host: HostProcess, path: str, answer: str | None) -> None:
    """Quote: the last rows of the table of HTTP; a client would tidy these paths."""
    assert plain_get(host, path) == ((200, answer) if answer else (404, ""))


def test_an_encoded_nul_is_a_400(host: HostProcess) -> None:
    """Quote: "`%00`: 400"."""
    assert plain_get(host, "/api/echo/a%00")[0] == 400


def plain_get(host: HostProcess, path: str) -> tuple[int, str]:
    address = httpx.URL(host.url)
    connection = http.client.HTTPConnection(address.host, address.port, timeout=60)
    connection.request("GET", path)
    response = connection.getresponse()
    found = response.status, response.read().decode()
    connection.close()
    return found


def test_the_function_sees_the_request_as_it_was_sent(host: HostProcess, client: httpx.Client) -> None:
    answer = client.post(
        "/api/echo/a%20b?x=1&x=2&empty=",
        content="body",
        headers=[("X-Twice", "1"), ("X-Twice", "2")],
    )
    seen = answer.json()
    assert (seen["method"], seen["body"]) == ("POST", "body")
    assert seen["url"] == f"{host.url}/api/echo/a%20b?x=1&x=2&empty="
    assert seen["query"] == {"x": "1,2"}
    assert seen["headers"]["x-twice"] in {"1,2", "1, 2"}


def test_the_answer_has_the_functions_status_headers_and_cookies(client: httpx.Client) -> None:
    answer = client.post("/api/echo/a")
    assert (answer.status_code, answer.headers["x-sample"]) == (202, "1")
    assert answer.headers["content-type"] == "application/json"
    assert client.get("/api/admin-only").headers["set-cookie"] == "seen=1; HttpOnly; Path=/api"


def test_a_body_without_a_content_length_is_not_handed_on(client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"lost"

    seen = client.post("/api/echo/a", content=chunks()).json()
    assert seen["body"] == ""
    assert seen["headers"]["transfer-encoding"] == "chunked"


def test_a_body_over_100_mb_is_refused_before_it_is_sent(host: HostProcess) -> None:
    with socket.create_connection(("127.0.0.1", httpx.URL(host.url).port or 0), timeout=60) as connection:
        size = 100 * 1024 * 1024 + 1
        connection.sendall(f"POST /api/echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_an_unhandled_exception_is_a_500_whose_reason_only_the_log_tells(
    host: HostProcess, client: httpx.Client
) -> None:
    answer = client.get("/api/broken")
    assert (answer.status_code, answer.content) == (500, b"")
    assert "LookupError: the detail of GET that only the log may tell" in host.log()


def test_a_function_over_its_time_limit_is_a_500(host: HostProcess, client: httpx.Client) -> None:
    answer = client.get("/api/slow?seconds=60")
    assert (answer.status_code, answer.content) == (500, b"")
    assert "slow ran into functionTimeout" in host.log()


def test_each_invocation_is_one_line_of_the_log(host: HostProcess, client: httpx.Client) -> None:
    client.get("/api/echo/logged")
    lines = [line for line in host.log().splitlines() if "GET /api/echo/logged" in line]
    assert len(lines) == 1
    assert "registered_second responded 200 in" in lines[0]


def test_callers_need_a_key_of_the_functions_level(azurite: Azurite, tmp_path: Path) -> None:
    storage = azurite.connection_string
    settings = {**SETTINGS, "AzureWebJobsStorage": storage, "DROPS": storage}
    host = HostProcess.start(SAMPLE_APP, tmp_path, "--keys", settings=settings)
    try:
        keys = host.ready["keys"]
        echo, admin = f"{host.url}/api/echo/a", f"{host.url}/api/admin-only"

        def status(url: str, key: str | None, method: str = "POST") -> int:
            headers = {"x-functions-key": key} if key else {}
            return httpx.request(method, url, headers=headers, timeout=60).status_code

        refused = httpx.post(echo, timeout=60)
        assert (refused.status_code, refused.content) == (401, b"")
        assert "echo responded 401 in" in host.log()
        assert status(echo, "wrong") == 401
        assert status(echo, keys["functions"]["broken"]) == 401
        assert [status(echo, key) for key in (keys["functions"]["echo"], keys["host"], keys["master"])] == [
            202
        ] * 3
        assert httpx.post(echo, params={"code": keys["host"]}, timeout=60).status_code == 202
        assert status(admin, keys["host"]) == 401
        assert status(admin, keys["master"]) == 200
        assert status(f"{host.url}/api/echo/a/fixed", None, "GET") == 200
        assert status(f"{host.url}/api/nope", None) == 404
    finally:
        host.stop()


def test_keys_are_kept(tmp_path: Path) -> None:
    first = Keys.load(tmp_path / "state" / "keys.json", ["a"])
    again = Keys.load(tmp_path / "state" / "keys.json", ["a", "b"])
    assert (again.master, again.host, again.functions["a"]) == (
        first.master,
        first.host,
        first.functions["a"],
    )
    assert len({again.master, again.host, *again.functions.values()}) == 4
