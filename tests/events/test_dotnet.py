"""The bodies that real .NET serializers and HTTP clients sent mean what they mean to .NET.

The requests were recorded byte for byte (tests/dotnet); `expected.json` has the right outcomes.
"""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from deliveries import delivery

from events import Event, EventError, Payload, parse

FOLDER = Path(__file__).parents[1] / "dotnet"
sys.path.append(str(FOLDER))

from replay import bodies, requests, same  # noqa: E402 - beside the recordings, as they came


class Sent(NamedTuple):
    """One recorded request: its event, its body without chunk framing, and what it declares."""

    event: str
    body: bytes
    content_type: str | None
    content_encoding: str | None

    def parsed(self) -> Event[Payload]:
        came = delivery(self.event, self.body)
        return parse(replace(came, content_type=self.content_type, content_encoding=self.content_encoding))


CASES = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))


def sent(case: dict[str, Any]) -> list[Sent]:
    raw = (FOLDER / case["file"]).read_bytes()
    heads = [head for head, _ in requests(raw)]
    return [
        Sent(event, body, header(head, "Content-Type"), header(head, "Content-Encoding"))
        for event, head, body in zip(case["events"], heads, bodies(raw), strict=True)
    ]


def header(head: bytes, name: str) -> str | None:
    found = re.search(rf"(?im)^{name}: *(.*?)\r$", head.decode("latin-1"))
    return found[1] if found else None


def differs(expected: dict[str, Any], request: Sent) -> str | None:
    """Return how the outcome of a request differs from the expected one, None where it does not."""
    try:
        event = request.parsed()
    except EventError as error:
        return None if expected["status"] == error.status else f"{error.status}: {error}"
    if expected["status"] != 202:
        return f"accepted: {event.data.decode()[:500]}"
    if f"{event.subject.kind} {event.subject.key}" != expected["subject"] if event.subject else True:
        return f"subject {event.subject}"
    if expected.get("warnings") and not event.warnings:
        return "no warning"
    data = json.loads(event.data)
    return None if same(expected["data"], data) else event.data.decode()[:3000]


@pytest.mark.parametrize("case", CASES, ids=[case["file"] for case in CASES])
def test_what_dotnet_sends_arrives_as_what_it_means(case: dict[str, Any]) -> None:
    accepted = case["expect"].get("any", [case["expect"]])
    for request in sent(case):
        differences = [differs(each, request) for each in accepted]
        assert None in differences, differences


@pytest.mark.parametrize("case", CASES, ids=[case["file"] for case in CASES])
def test_it_means_the_same_as_a_drop_which_has_no_headers(case: dict[str, Any]) -> None:
    for request in sent(case):
        dropped = request._replace(content_type=None, content_encoding=None)
        try:
            by_webhook = request.parsed().data
        except EventError:
            continue
        if case["file"] not in NEEDS_ITS_HEADER:
            assert dropped.parsed().data == by_webhook


# The charset of the Content-Type is all that says what these bytes are.
NEEDS_ITS_HEADER = {"36-json-windows-1252.http"}
