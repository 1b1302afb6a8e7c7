"""What cannot be read is answered with a problem document, and kept in quarantine with the reason."""

import http.client
import json
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
from lxml import etree
from receiver import CORPUS, Json, Receiver, marked, sample

from tools.host.testing import wait_until


class Bad(NamedTuple):
    """A refused sample of the corpus."""

    name: str
    event: str
    status: int
    says: str
    body: bytes


def _bad() -> Iterator[Bad]:
    for about in sorted((CORPUS / "_refused").glob("*.about.json")):
        name = about.name.removesuffix(".about.json")
        expected = json.loads(about.read_bytes())
        file = next(path for path in about.parent.glob(f"{name}.*") if path != about)
        if expected["status"] != 400:  # an empty body leaves nothing to keep
            yield Bad(name, expected["event"], expected["status"], expected["says"], file.read_bytes())


ALL = {bad.name: bad for bad in _bad()}


SOAP = {name for name, bad in ALL.items() if b"Envelope" in bad.body}


@pytest.mark.parametrize("name", sorted(SOAP))
def test_a_bad_soap_request_is_answered_with_a_fault_and_kept(receiver: Receiver, name: str) -> None:
    bad = ALL[name]
    response = receiver.post(bad.event, bad.body)
    assert (response.status_code, response.headers["content-type"]) == (500, "text/xml; charset=utf-8")
    fault = etree.fromstring(response.content)
    problem = {etree.QName(each).localname: each.text for each in fault.findall(".//{*}problem/*")}
    assert problem["status"] == str(bad.status)
    assert bad.says.lower() in (fault.findtext(".//faultstring") or "").lower()
    row = receiver.row(problem["id"] or "", "quarantined")
    assert (row["error"], receiver.blob(row["raw"])) == (problem["detail"], bad.body)


@pytest.mark.parametrize("name", sorted(ALL.keys() - SOAP))
def test_bad_input_is_answered_with_a_problem_document_and_kept(receiver: Receiver, name: str) -> None:
    bad = ALL[name]
    response = receiver.post(bad.event, bad.body)
    problem = _problem(response, bad.status)
    assert bad.says.lower() in problem["detail"].lower()
    row = receiver.row(problem["id"], "quarantined")
    assert row["error"] == problem["detail"]
    assert receiver.blob(row["raw"]) == bad.body
    beside = json.loads(receiver.blob(f"{row['raw'].rpartition('.')[0]}.problem.json"))
    assert (beside["status"], beside["detail"], beside["errors"]) == (
        bad.status,
        problem["detail"],
        problem["errors"],
    )
    assert receiver.written("deliveries", PartitionKey="open", id=row["id"])


def _problem(response: httpx.Response, status: int) -> Json:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json; charset=utf-8"
    problem: Json = response.json()
    assert (problem["status"], problem["detail"]) == (status, problem["errors"][0]["message"])
    assert problem["title"]
    assert "Traceback" not in response.text
    return problem


@pytest.mark.parametrize(
    "name", ["truncated-json", "external-entity", "billion-laughs", "html-login-page", "array",
             "invoice-sent-to-create-quote"]
)  # fmt: skip
def test_bad_input_by_hot_folder_is_set_aside_too(receiver: Receiver, name: str) -> None:
    bad = ALL[name]
    receiver.drop(f"{bad.event}/{name}.dat", bad.body)

    def found() -> list[Json]:
        rows = receiver.rows("deliveries", channel="hot-folder", status="quarantined", event=bad.event)
        return [row for row in rows if receiver.blob(row["raw"]) == bad.body]

    (row, *_) = wait_until(found)
    assert bad.says.lower() in row["error"].lower()
    wait_until(lambda: f"{bad.event}/{name}.dat" not in receiver.drops())


def test_an_unknown_event_is_answered_with_the_nearest_names_and_kept(receiver: Receiver) -> None:
    response = receiver.post("CreateQuotes", sample("CreateQuote"))
    problem = _problem(response, 404)
    assert "CreateQuote" in problem["detail"]
    row = receiver.row(problem["id"], "quarantined")
    assert row["raw"].startswith("quarantine/_unknown/")
    assert (row["event"], row["eventAsNamed"]) == ("_unknown", "CreateQuotes")
    assert receiver.blob(row["raw"]) == sample("CreateQuote")


@pytest.mark.parametrize("name", ["..%2F..%2Fetc", "%FF", "%EF%BF%BE", "x" * 2000, "%F0%9F%96%A8", "a%0Ab"])
def test_a_strange_event_name_is_kept_under_a_folder_of_its_own(receiver: Receiver, name: str) -> None:
    response = receiver.post(name, b'{"a": 1}')
    problem = _problem(response, 404)
    row = receiver.row(problem["id"], "quarantined")
    assert row["raw"].startswith("quarantine/_unknown/")


def test_an_event_name_with_a_nul_is_refused_before_it_reaches_the_app(receiver: Receiver) -> None:
    """The web server of the Functions host answers it, with 400 and no body."""
    response = receiver.post("a%00b", b'{"a": 1}')
    assert (response.status_code, response.content) == (400, b"")


def test_an_empty_body_is_answered_and_leaves_nothing(receiver: Receiver) -> None:
    problem = _problem(receiver.post("CreateQuote", b""), 400)
    assert "id" not in problem


def test_a_body_that_is_too_large_is_answered_with_413_and_kept_unparsed(receiver: Receiver) -> None:
    body = b'{"QuoteNo": "' + b"x" * (25 * 1024 * 1024) + b'"}'
    problem = _problem(receiver.post("CreateQuote", body), 413)
    row = receiver.row(problem["id"], "quarantined")
    assert receiver.blob(row["raw"]) == body


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "image/png", "nonsense", ""])
def test_a_wrong_content_type_is_no_error(receiver: Receiver, content_type: str) -> None:
    body = marked(sample("CreateQuote"), f"as {content_type}")
    row = receiver.row(receiver.accepted("CreateQuote", body, {"Content-Type": content_type}))
    assert row["raw"].endswith(".json")


def test_no_content_type_at_all_is_no_error(receiver: Receiver) -> None:
    address = urlsplit(receiver.host.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    connection.request("POST", "/api/webhooks/CreateQuote", marked(sample("CreateQuote"), "without"))
    assert connection.getresponse().status == 202
    connection.close()
