"""Measures the core: bytes to a typed event, and the event to a message."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from lxml import etree

from events import Channel, Delivery, Envelope, Payload, cloud_event, parse
from events.models import AcceptanceDetails, Job
from tools.bench.measure import Aim, Comparison, Figure, cpu_times

CORPUS = Path(__file__).parents[2] / "tests" / "corpus"
_NOW = datetime(2025, 8, 11, 3, 50, 52, 697000, UTC)
_ID = "01989765-1d49-7000-8000-000000000001"

OURS = "ours"
_JSON_LIMIT = "limit: validate_json"


def sample(name: str) -> bytes:
    """Return the bytes of a file of the corpus."""
    return (CORPUS / name).read_bytes()


def delivery(event: str, body: bytes) -> Delivery:
    return Delivery(id=_ID, event=event, body=body, channel=Channel.WEBHOOK, received_at=_NOW)


def _parse(event: str, body: bytes) -> Callable[[], object]:
    arrived = delivery(event, body)
    return lambda: parse(arrived)


def json_figures() -> Iterator[Figure]:
    """Measure JSON: in printIQ's own names, and in odd case, wrapped, with numbers as text."""
    body = sample("CreateJob/ten-kilobytes.json")
    times = cpu_times(
        {OURS: _parse("CreateJob", body), _JSON_LIMIT: _limit(body), **_json_peers(AcceptanceDetails, body)}
    )
    limit, *peers = (series for name, series in times.items() if name != OURS)
    yield Figure(
        "JSON to typed Event: AcceptanceDetails of 10 KB, printIQ's own names",
        times[OURS],
        # a bare text is all but validate_json itself, so it is only shown
        [
            Comparison(limit, Aim(1.9)),
            *(Comparison(peer, None if "bare" in peer.name else Aim(1.0)) for peer in peers),
        ],
    )
    odd = odd_form(body)
    times = cpu_times({OURS: _parse("CreateJob", odd), _JSON_LIMIT: _limit(body)})
    yield Figure(
        "JSON to typed Event: the same in odd case, wrapped, numbers as strings",
        times[OURS],
        [Comparison(times[_JSON_LIMIT], Aim(3.0))],
    )


def _limit(body: bytes) -> Callable[[], object]:
    return lambda: AcceptanceDetails.model_validate_json(body)


def _json_peers(model: type[Payload], body: bytes) -> dict[str, Callable[[], object]]:
    from aws_lambda_powertools.utilities.parser import parse as powertools_parse
    from aws_lambda_powertools.utilities.parser.envelopes import LambdaFunctionUrlEnvelope
    from cloudevents.core.bindings.http import HTTPMessage, from_http
    from cloudevents.core.formats.json import JSONFormat
    from cloudevents.core.v1.event import CloudEvent

    text = body.decode()
    headers = {
        "ce-specversion": "1.0",
        "ce-id": _ID,
        "ce-source": "/printiq",
        "ce-type": "com.printiq.CreateJob",
        "content-type": "application/json",
    }
    message, form = HTTPMessage(headers, body), JSONFormat()
    # what a Lambda function behind a URL is called with
    request = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/webhooks/CreateJob",
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "bench",
            "domainName": "bench.example.com",
            "domainPrefix": "bench",
            "http": {
                "method": "POST",
                "path": "/webhooks/CreateJob",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1/32",
                "userAgent": "printIQ",
            },
            "requestId": _ID,
            "routeKey": "$default",
            "stage": "$default",
            "time": "11/Aug/2025:03:50:52 +0000",
            "timeEpoch": 1754884252697,
        },
        "body": text,
        "isBase64Encoded": False,
    }

    def as_cloud_event() -> object:
        return model.model_validate(from_http(message, form, CloudEvent).get_data())

    return {
        "json.loads + model_validate": lambda: model.model_validate(json.loads(body)),
        "aws-lambda-powertools' parser, of a request": lambda: powertools_parse(
            event=request, model=model, envelope=LambdaFunctionUrlEnvelope
        ),
        "aws-lambda-powertools' parser, of a bare text": lambda: powertools_parse(event=text, model=model),
        "cloudevents' from_http + model_validate": as_cloud_event,
    }


def odd_form(body: bytes) -> bytes:
    """Return the same document wrapped, its names in odd case, its numbers as strings."""

    def odd(value: Any) -> Any:
        if isinstance(value, dict):
            return {name.upper(): odd(each) for name, each in value.items()}
        if isinstance(value, list):
            return [odd(each) for each in value]
        return str(value) if isinstance(value, int | float) else value

    return json.dumps({"AcceptanceDetails": odd(json.loads(body))}).encode()


def xml_figures() -> Iterator[Figure]:
    """Measure XML: a Job of 60 KB and an AcceptanceDetails of 13 KB."""
    import xmltodict

    from tools.bench.pydantic_xml_models import peer_of

    cases: list[tuple[str, str, str, type[Payload]]] = [
        ("Job XML of 60 KB", "CreateJobXml", "CreateJobXml/job-60kb-seed-packets.xml", Job),
        ("AcceptanceDetails of 13 KB", "CreateJob", "CreateJob/ten-kilobytes.xml", AcceptanceDetails),
    ]
    for title, event, file, model in cases:
        body = sample(file)
        peer = peer_of(model, etree.fromstring(body))
        limit, by_dict, by_model = (
            "limit: lxml.etree.fromstring",
            "xmltodict + model_validate",
            "pydantic-xml",
        )
        times = cpu_times(
            {
                OURS: _parse(event, body),
                limit: partial(etree.fromstring, body),
                by_dict: partial(_by_dict, xmltodict.parse, model, body),
                by_model: partial(peer.from_xml, body),
            }
        )
        yield Figure(
            f"XML to typed Event: {title}",
            times[OURS],
            [
                Comparison(times[limit], Aim(5.1)),
                Comparison(times[by_dict], Aim(round(1 / 3.5, 2))),
                Comparison(times[by_model], Aim(1 / 5)),
            ],
        )


def _by_dict(read: Callable[[bytes], dict[str, Any]], model: type[Payload], body: bytes) -> object:
    return model.model_validate(read(body)[model.OBJECT])


def cloud_event_figures() -> Iterator[Figure]:
    """Measure an event's way to the bytes of its message."""
    event = parse(delivery("CreateJob", sample("CreateJob/ten-kilobytes.json")))
    envelope = Envelope(id=_ID, time=_NOW, source="/printiq/bench", data_schema="https://localhost/schema")

    def ours() -> bytes:
        event.__dict__.pop("data", None)  # what is remembered there is a part of the work
        return cloud_event(event, envelope)

    limit = "limit: model_dump_json"
    times = cpu_times({OURS: ours, limit: event.payload.model_dump_json})
    yield Figure("Event to CloudEvent bytes, 10 KB", times[OURS], [Comparison(times[limit], Aim(1.3))])
