"""The response to a POST is its outcome: custody, a refusal that is kept, or a request to try again."""

import asyncio
import json

import pytest
from bench import Bench, quote, without

from handlers.app import App
from handlers.channels.webhook import webhook
from handlers.ids import time_of
from handlers.responses import Response
from handlers.work import Work


async def _post(app: App, body: bytes, event: str = "CreateQuote", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await webhook(event, body, named, app)


async def test_an_accepted_event_is_answered_with_what_was_recognised(bench: Bench) -> None:
    found = await _post(bench.app, quote("Q1"), "createquote")
    answer = json.loads(found.body)
    assert found.status == 202
    assert {name: answer[name] for name in ("event", "status", "kind", "subject")} == {
        "event": "CreateQuote",
        "status": "accepted",
        "kind": "quote",
        "subject": "Q1",
    }
    assert time_of(answer["id"]).isoformat(timespec="milliseconds") == answer["receivedAt"].replace(
        "Z", "+00:00"
    )
    assert "warnings" not in answer


async def test_warnings_are_reported_and_refuse_nothing(bench: Bench) -> None:
    found = await _post(bench.app, b'{"Unheard": 1}')
    answer = json.loads(found.body)
    assert (found.status, answer["status"]) == (202, "accepted")
    assert "subject" not in answer
    assert all(warning["message"] for warning in answer["warnings"])


@pytest.mark.parametrize(
    ("event", "body", "status"),
    [
        ("CreateQuote", b"{", 422),
        ("CreateQuote", b"plain", 415),
        ("Nope", b"{}", 404),
        ("CreateQuote", b"", 400),
    ],
)
async def test_a_refusal_is_a_problem_document_with_the_id_of_what_was_kept(
    bench: Bench, event: str, body: bytes, status: int
) -> None:
    found = await _post(bench.app, body, event)
    answer = json.loads(found.body)
    assert found.status == answer["status"] == status
    kept = [Work.read(message).id for message in await bench.waiting()]
    assert kept == ([answer["id"]] if body else [])


async def test_where_nothing_is_confirmed_the_sender_is_asked_to_come_again(bench: Bench) -> None:
    app = bench.start(without(bench.storage, "Queue"))
    posts = (_post(app, quote("Q1")), _post(app, b"{"), _post(app, b"", Transfer_Encoding="chunked"))
    for found in await asyncio.gather(*posts):
        assert found.status == 503
        assert found.headers["Retry-After"] == "30"
        assert "Send it again later" in json.loads(found.body)["detail"]
        assert b"printiq-inbox" not in found.body, "internals are not for senders"


async def test_a_large_body_is_refused_by_the_size_that_the_settings_name(bench: Bench) -> None:
    app = bench.start(MAX_BODY_BYTES="100")
    assert (await _post(app, quote("Q1", Noise="x" * 100))).status == 413
    assert (await _post(app, b'{"QuoteNo": "Q1"}')).status == 202


@pytest.mark.parametrize("status", ["", "202"])
async def test_a_name_with_a_lone_surrogate_is_answered_like_any_unknown_name(
    bench: Bench, status: str
) -> None:
    app = bench.start(QUARANTINE_STATUS=status)
    found = await _post(app, b"{}", "Create\udc80")
    assert found.status == int(status or 404)
    assert "no event named 'Create?'" in json.loads(found.body)["detail"]


async def test_with_quarantine_status_202_what_is_kept_is_confirmed_and_nothing_else(bench: Bench) -> None:
    app = bench.start(QUARANTINE_STATUS="202")
    kept = await _post(app, b"{")
    answer = json.loads(kept.body)
    assert (kept.status, answer["status"]) == (202, "quarantined")
    assert answer["errors"][0]["message"] == answer["detail"]
    assert (await _post(app, b"{}", "Nope")).status == 202
    assert (await _post(app, b"")).status == 400
    assert (await _post(app, b"", Transfer_Encoding="chunked")).status == 411
    assert (
        await _post(bench.start(without(bench.storage, "Queue"), QUARANTINE_STATUS="202"), b"{")
    ).status == 503
