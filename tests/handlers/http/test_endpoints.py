"""The JSON API: what it answers to whom, on real storage."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.storage.queue.aio import QueueServiceClient
from bench import Bench
from stories import deliver, run_story, sample

from events import EventType
from handlers.app import App
from handlers.http import endpoints
from handlers.http.routes import ROUTES
from handlers.http.routing import respond
from handlers.responses import Response
from tools.host.azurite import connection_string
from tools.host.testing import StartHost, free_port

ROOT = Path(__file__).parents[3]
NOTHING: Mapping[str, str] = {}


async def members(handling: Awaitable[Response], status: int = 200) -> Any:
    """Return the members of a response, or of the problem details of what was raised."""
    response = await respond(handling)
    assert response.status == status, response.body
    return json.loads(response.body)


def test_a_delivery_shows_what_it_was_and_who_got_it(storage: str) -> None:
    async def story(app: App) -> None:
        delivery_id = await deliver(app, "createquote", sample("CreateQuote"))
        shown = await members(endpoints.delivery(delivery_id, NOTHING, app))
        assert shown["id"] == delivery_id
        assert (shown["event"], shown["status"], shown["channel"]) == ("CreateQuote", "sent", "webhook")
        assert shown["queues"] == ["printiq-events"]
        assert {"kind": shown["kind"], "key": shown["subject"]} in shown["subjects"]
        assert shown["size"] == len(sample("CreateQuote"))
        assert shown["raw"].startswith("archive/CreateQuote/")
        times = [shown["receivedAt"], *shown["steps"].values(), shown["processedAt"]]
        assert list(shown["steps"]) == ["begun", "archived", "decided", "sent"]
        assert times == sorted(times)

    run_story(storage, story)


def test_a_refused_delivery_shows_what_is_wrong_and_where(storage: str) -> None:
    async def story(app: App) -> None:
        delivery_id = await deliver(app, "CreateQuote", b'{"QuoteNo": "Q1", "QuoteNo": "Q2"}')
        shown = await members(endpoints.delivery(delivery_id, NOTHING, app))
        assert shown["status"] == "quarantined"
        assert shown["errors"][0]["message"] == shown["error"]
        waiting = await members(endpoints.deliveries({"open": "true"}, app))
        assert [each["id"] for each in waiting["deliveries"]] == [delivery_id]
        assert (await members(endpoints.data(delivery_id, app), 404))["detail"].startswith("There is no data")

    run_story(storage, story)


def test_payloads_are_served_so_that_a_browser_never_runs_them(storage: str) -> None:
    async def story(app: App) -> None:
        evil = b"<html><script>alert(1)</script></html>"
        refused = await deliver(app, "CreateQuote", evil)
        sent = await deliver(app, "CreateQuote", b'{"QuoteNo": "<script>alert(1)</script>"}')
        for answered in (
            await endpoints.raw(refused, app),
            await endpoints.raw(sent, app),
            await endpoints.data(sent, app),
        ):
            assert answered.status == 200
            assert answered.headers["Content-Disposition"].startswith("attachment; filename=")
            assert answered.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in answered.headers["Content-Security-Policy"]
            assert "html" not in answered.content_type
        assert (await endpoints.raw(refused, app)).body == evil

    run_story(storage, story)


def test_the_data_of_a_delivery_is_its_payload_in_normal_form(storage: str) -> None:
    async def story(app: App) -> None:
        xml = await deliver(app, "CreateJobXml", sample("AcceptanceCreated", "i-nil.xml"))
        twin = await deliver(app, "CreateJob", sample("AcceptanceCreated", "i-nil.json"))
        assert await members(endpoints.data(xml, app)) == await members(endpoints.data(twin, app))

    run_story(storage, story)


def test_the_data_of_a_delivery_is_read_in_the_charset_that_its_sender_declared(storage: str) -> None:
    async def story(app: App) -> None:
        body = '{"Code": "CAFE11", "Name": "Café Zoë"}'.encode("windows-1252")
        sent = await deliver(
            app, "CreateCustomer", body, content_type="application/json; charset=windows-1252"
        )
        assert (await members(endpoints.data(sent, app)))["Name"] == "Café Zoë"

    run_story(storage, story)


def test_the_message_of_a_delivery_is_the_one_that_was_sent(storage: str) -> None:
    async def story(app: App) -> None:
        large = b'{"QuoteNo": "Q000001v1", "Title": "%s"}' % (b"x" * 60_000)
        bodies = (sample("CreateQuote"), sample("CreateQuote"), large)
        ids = [await deliver(app, "CreateQuote", body) for body in bodies]
        async with QueueServiceClient.from_connection_string(storage) as service:
            queue = service.get_queue_client("printiq-events")
            sent = [base64.b64decode(each.content) for each in await queue.peek_messages(max_messages=32)]
        assert [(await endpoints.message(each, app)).body for each in ids] == sent
        assert "duplicateof" in json.loads(sent[1])
        assert "data" not in json.loads(sent[2])

    run_story(storage, story)


@pytest.mark.parametrize(
    "ask",
    [
        lambda unknown, app: endpoints.delivery(unknown, NOTHING, app),
        endpoints.raw,
        endpoints.data,
        endpoints.message,
    ],
)
@pytest.mark.parametrize(
    ("unknown", "said"),
    [
        ("01a20c5b-d87b-7fc6-beab-10d18cdc4ed9", "may still be waiting"),
        ("J29328-01", "is not a delivery's id"),
        ("..", "is not a delivery's id"),
        ("é", "is not a delivery's id"),
        ("ffffffff-ffff-7fff-bfff-ffffffffffff", "is not a delivery's id"),
    ],
)
def test_an_unknown_delivery_is_a_problem_that_says_why(
    storage: str, ask: Callable[[str, App], Awaitable[Response]], unknown: str, said: str
) -> None:
    async def story(app: App) -> None:
        assert said in (await members(ask(unknown, app), 404))["errors"][0]["message"]

    run_story(storage, story)


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ({"staus": "failed"}, "Unknown parameter `staus`. The parameters are status, event, subject, kind, "),
        ({"status": "lost"}, "`status` must be 'sent', 'duplicate', "),
        (
            {"event": "CreateQoute"},
            "named 'CreateQoute'. Did you mean CreateQuote, CreateCustomer or CreateJob?",
        ),
        ({"from": "yesterday"}, "write a time as 2026-01-31T08:00:00Z"),
        ({"to": "2026-02-30"}, "`to`: "),
        ({"limit": "0"}, "`limit` must be at least 1."),
        ({"limit": "501"}, "`limit` must be at most 500."),
        ({"cursor": "here"}, "`cursor` must match ^[0-9a-f]"),
        ({"open": "perhaps"}, "`open` must be true or false."),
        ({"size": "10"}, "Unknown parameter `size`."),
        ({"status": "failed,lost"}, "`status` must be 'sent', 'duplicate', "),
        ({"fields": "id,color"}, "`fields`: no delivery has 'color'; it has id, event, "),
    ],
)
def test_a_wrong_question_is_answered_with_what_is_wrong(
    storage: str, query: Mapping[str, str], complaint: str
) -> None:
    async def story(app: App) -> None:
        problem = await members(endpoints.deliveries(query, app), 400)
        assert complaint in problem["errors"][0]["message"]

    run_story(storage, story)


def test_every_filter_of_the_ledger_can_be_asked_for(storage: str) -> None:
    async def story(app: App) -> None:
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        yesterday = datetime.now(UTC) - timedelta(days=1)
        old = await deliver(app, "RejectQuote", sample("CreateQuote"), moment=yesterday)
        new = await deliver(app, "CreateQuote", sample("CreateQuote"))
        subject = (await members(endpoints.delivery(new, NOTHING, app)))["subject"]
        for query, expected in (
            (NOTHING, [new, old]),
            ({"event": "rejectquote"}, [old]),
            ({"subject": subject}, [new, old]),
            ({"subject": subject, "kind": "quote", "event": "CreateQuote"}, [new]),
            ({"kind": "job"}, []),
            ({"from": today}, [new]),
            ({"to": today}, [old]),
            ({"channel": "ftp"}, []),
            ({"status": "sent", "code": "a key"}, [new, old]),
            ({"status": "sent,failed", "event": "RejectQuote,createjob"}, [old]),
            ({"status": "failed,quarantined"}, []),
            ({"event": "CreateQuote,RejectQuote", "subject": subject, "channel": "webhook,ftp"}, [new, old]),
        ):
            found = (await members(endpoints.deliveries(query, app)))["deliveries"]
            assert [each["id"] for each in found] == expected, query

    run_story(storage, story)


def test_more_values_than_storage_compares_at_once_select_all_the_same(storage: str) -> None:
    async def story(app: App) -> None:
        delivered = [
            await deliver(app, event, sample("CreateQuote")) for event in ("RejectQuote", "CreateQuote")
        ]
        await deliver(app, "CreateCustomer", sample("CreateCustomer"))
        events = ",".join(event for event in EventType if event != "CreateCustomer")
        query = {"event": events, "status": "sent,duplicate,failed,failing"}
        pages = [await members(endpoints.deliveries({**query, "limit": "1"}, app))]
        while cursor := pages[-1].get("cursor"):
            pages.append(await members(endpoints.deliveries({**query, "limit": "1", "cursor": cursor}, app)))
        assert [each["id"] for page in pages for each in page["deliveries"]] == delivered[::-1]

    run_story(storage, story)


def test_a_list_has_the_fields_that_are_asked_for(storage: str) -> None:
    async def story(app: App) -> None:
        delivery_id = await deliver(app, "CreateQuote", sample("CreateQuote"))
        (found,) = (await members(endpoints.deliveries({"fields": "queues, size"}, app)))["deliveries"]
        assert found == {"id": delivery_id, "queues": ["printiq-events"], "size": len(sample("CreateQuote"))}
        (found,) = (await members(endpoints.deliveries(NOTHING, app)))["deliveries"]
        assert "queues" not in found
        assert found["event"] == "CreateQuote"

    run_story(storage, story)


def test_a_delivery_names_the_file_that_it_arrived_as(storage: str) -> None:
    async def story(app: App) -> None:
        file = "CreateQuote/Q005218v2.json"
        delivery_id = await deliver(app, "CreateQuote", sample("CreateQuote"), file=file)
        assert (await members(endpoints.delivery(delivery_id, NOTHING, app)))["file"] == file

    run_story(storage, story)


def test_a_customers_history_names_the_subject_of_each_delivery(storage: str) -> None:
    async def story(app: App) -> None:
        body = {"INVInvoiceNumber": "INV-1", "BillingCusCode": "KOW"}
        await deliver(app, "ExportInvoice", json.dumps(body).encode())
        (found,) = (await members(endpoints.subject("customer", "KOW", NOTHING, app)))["deliveries"]
        assert (found["kind"], found["subject"]) == ("invoice", "INV-1")

    run_story(storage, story)


def test_a_list_names_the_customer_the_reference_and_who_got_it(storage: str) -> None:
    async def story(app: App) -> None:
        await deliver(app, "ExportInvoice", sample("ExportInvoice"))
        (found,) = (await members(endpoints.deliveries(NOTHING, app)))["deliveries"]
        (same,) = (await members(endpoints.subject("customer", "KOWSEED", NOTHING, app)))["deliveries"]
        for each in (found, same):
            assert each["customer"] == "Kōwhai Seed Company Limited"
            assert each["reference"] == "KS-20881"
            assert each["sentTo"] == ["Accounting", "printiq-other"]

    subscriptions = """
        [queues.printiq-invoices]
        title = "Accounting"
        events = ["ExportInvoice"]
        [queues.printiq-other]
        events = ["*"]
    """
    run_story(storage, story, SUBSCRIPTIONS=subscriptions)


async def test_an_outcome_can_be_waited_for(bench: Bench) -> None:
    app = bench.app
    refused = await deliver(app, "CreateQoute", sample("CreateQuote"))
    done = await members(endpoints.replay_one(refused, b'{"as": "CreateQuote", "by": "Jo"}', app), 202)
    assert (await members(endpoints.delivery(refused, NOTHING, app)))["decidedBy"] == "Jo"
    assert await members(endpoints.delivery(done["id"], {"wait": "0.1"}, app), 404)
    found, _ = await asyncio.gather(
        members(endpoints.delivery(done["id"], {"wait": "60"}, app)), bench.work_off()
    )
    assert found["status"] == "sent"
    assert await members(endpoints.delivery("J29328-01", {"wait": "60"}, app), 404)
    assert await members(endpoints.delivery(refused, {"wait": "61"}, app), 400)


def test_what_was_refused_is_not_found_by_its_number_and_that_is_said(storage: str) -> None:
    async def story(app: App) -> None:
        refused = await deliver(app, "CreateQuote", b'{"QuoteNo": "Q7", ')
        said = (await members(endpoints.subject("quote", "Q7", NOTHING, app), 404))["detail"]
        assert "GET /api/deliveries?open=true" in said
        (found,) = (await members(endpoints.deliveries({"open": "true"}, app)))["deliveries"]
        assert found["id"] == refused

    run_story(storage, story)


def test_a_subject_shows_its_history_and_its_latest_state(storage: str) -> None:
    async def story(app: App) -> None:
        ids = [
            await deliver(app, "CreateCustomer", json.dumps({"Code": "A/B#1", "Name": name}).encode())
            for name in ("Old", "New")
        ]
        shown = await members(endpoints.subject("customer", "A%2FB#1", NOTHING, app))
        assert (shown["kind"], shown["key"]) == ("customer", "A/B#1")
        assert [each["id"] for each in shown["deliveries"]] == ids[::-1]
        assert shown["latest"]["data"]["Name"] == "New"
        page = await members(endpoints.subject("customer", "A/B#1", {"limit": "1"}, app))
        rest = await members(endpoints.subject("customer", "A/B#1", {"cursor": page["cursor"]}, app))
        assert [each["id"] for each in (*page["deliveries"], *rest["deliveries"])] == ids[::-1]
        assert (await members(endpoints.subject("customer", "A", NOTHING, app), 404))["detail"].startswith(
            "No accepted delivery is about customer 'A'. "
        )
        assert (
            "The kinds are" in (await members(endpoints.subject("spoon", "A", NOTHING, app), 404))["detail"]
        )

    run_story(storage, story)


def test_statistics_count_by_hour_event_and_status_and_look_at_the_queues(storage: str) -> None:
    async def story(app: App) -> None:
        now = datetime.now(UTC)
        before = now.replace(minute=30) - timedelta(hours=3)
        await deliver(app, "CreateQuote", sample("CreateQuote"), moment=before)
        await deliver(app, "CreateQuote", sample("CreateQuote"), moment=now)
        await deliver(app, "ExportInvoice", b"not JSON", moment=now)
        shown = await members(endpoints.statistics({"to": now.isoformat()}, app))
        assert len(shown["buckets"]) == 24
        counted = {each["start"]: each["counts"] for each in shown["buckets"] if each["counts"]}
        hour = f"{before:%Y-%m-%dT%H}:00:00.000Z"
        assert counted[hour] == [{"event": "CreateQuote", "status": "sent", "count": 1}]
        assert counted[f"{now:%Y-%m-%dT%H}:00:00.000Z"] == [
            {"event": "CreateQuote", "status": "sent", "count": 1},
            {"event": "ExportInvoice", "status": "quarantined", "count": 1},
        ]
        assert shown["open"] == {"count": 1, "more": False}
        queues = {each["name"]: each for each in shown["queues"]}
        assert queues["printiq-events"]["messages"] == 2
        assert queues["printiq-events"]["oldestSeconds"] >= 0
        assert queues["printiq-inbox"]["role"] == "inbox"
        daily = await members(endpoints.statistics({"per": "day", "from": f"{before:%Y-%m-%d}"}, app))
        assert sum(count["count"] for bar in daily["buckets"] for count in bar["counts"]) == 3

    run_story(storage, story)


def test_what_had_the_wrong_name_is_replayed_as_another_event(storage: str) -> None:
    async def story(app: App) -> None:
        delivery_id = await deliver(app, "CreateQoute", sample("CreateQuote"))
        assert "Name the event" in (await members(endpoints.replay_one(delivery_id, b"", app), 409))["detail"]
        could = await members(
            endpoints.replay_one(delivery_id, b'{"as": "createquote", "dryRun": true}', app)
        )
        assert could == {"replayOf": delivery_id, "event": "CreateQuote"}
        done = await members(endpoints.replay_one(delivery_id, b'{"as": "createquote"}', app), 202)
        assert (done["replayOf"], done["event"]) == (delivery_id, "CreateQuote")
        assert (await members(endpoints.delivery(delivery_id, NOTHING, app)))["replayedBy"] == done["id"]
        assert (await members(endpoints.deliveries({"open": "true"}, app)))["deliveries"] == []

    run_story(storage, story)


def test_what_nobody_needs_is_dismissed_with_a_reason(storage: str) -> None:
    async def story(app: App) -> None:
        delivery_id = await deliver(app, "CreateQuote", b"not JSON")
        for body in (
            b"",
            b"{}",
            b'{"reason": " "}',
            b'{"reason": 1}',
            b"[",
            b'{"reason": "x", "because": "me"}',
        ):
            assert (await members(endpoints.dismiss(delivery_id, body, app), 400))["title"] == "Bad request"
        shown = await members(
            endpoints.dismiss(delivery_id, b'{"reason": "a test of ours", "by": "Jo"}', app)
        )
        assert (shown["dismissed"], shown["decidedBy"]) == ("a test of ours", "Jo")
        assert (await members(endpoints.statistics(NOTHING, app)))["open"]["count"] == 0
        again = await members(endpoints.dismiss(delivery_id, b'{"reason": "something else"}', app), 409)
        assert again["detail"] == "It was dismissed already: a test of ours"
        for body in (b'{"reason": "a test of ours"}', b'{"reason": " a test of ours "}'):
            assert (await members(endpoints.dismiss(delivery_id, body, app)))["dismissed"] == "a test of ours"
        sent = await deliver(app, "CreateQuote", sample("CreateQuote"))
        assert await members(endpoints.dismiss(sent, b'{"reason": "why not"}', app), 409)

    run_story(storage, story)


def test_all_that_a_filter_selects_is_counted_then_replayed_once(storage: str) -> None:
    async def story(app: App) -> None:
        ids = [await deliver(app, "CreateQuote", sample("CreateQuote")) for _ in range(3)]
        await deliver(app, "ExportInvoice", sample("ExportInvoice"))
        ask = {"filter": {"event": "CreateQuote", "from": "2026-01-01"}, "queues": ["printiq-events"]}
        counted = await members(endpoints.replay_many(json.dumps({**ask, "dryRun": True}).encode(), app))
        assert (counted["matched"], counted["replayed"]) == (3, [])
        done = await members(endpoints.replay_many(json.dumps(ask).encode(), app), 202)
        assert [each["replayOf"] for each in done["replayed"]] == ids[::-1]
        again = await members(endpoints.replay_many(json.dumps(ask).encode(), app), 202)
        assert (again["replayed"], again["skipped"]) == ([], 3)

    run_story(storage, story)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"{}", "/filter"),
        (b'{"filter": {"staus": "failed"}}', "/filter/staus"),
        (b'{"filter": {"open": "true"}}', "/filter/open"),
        (b'{"filter": {}, "limit": 0}', "/limit"),
        (b'{"filter": {}, "queues": []}', "/queues"),
        (b'{"filter": {}, "as": "CreateQoute"}', "/as"),
        (b'{"filter": {}, "as": "_unknown"}', "/as"),
        (b'{"filter": {"a/b": 1}}', "/filter/a~1b"),
        (b'{"filter": {"status": ["failed", "lost"]}}', "/filter/status/1"),
        (b'{"filter": {}, "by": ""}', "/by"),
        (b"not JSON", ""),
        (b"\xff", ""),
    ],
)
def test_a_wrong_wish_to_replay_is_answered_with_the_place(storage: str, body: bytes, pointer: str) -> None:
    async def story(app: App) -> None:
        assert (await members(endpoints.replay_many(body, app), 400))["errors"][0]["pointer"] == pointer

    run_story(storage, story)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[]", "The JSON must be an object."),
        (b'{"filter": 5}', "`filter` must be an object."),
        (b'{"filter": {"subject": 5}}', "`filter.subject` must be text."),
        (b'{"filter": {}, "dryRun": 1}', "`dryRun` must be true or false."),
        (b'{"filter": {}, "limit": "5"}', "`limit` must be a whole number."),
    ],
)
def test_a_wrong_body_is_explained_in_plain_words(storage: str, body: bytes, words: str) -> None:
    async def story(app: App) -> None:
        assert (await members(endpoints.replay_many(body, app), 400))["detail"] == words

    run_story(storage, story)


@pytest.mark.parametrize(
    ("query", "bars"),
    [
        ({"from": "2026-01-02", "to": "2026-01-01"}, 0),
        ({"from": "2026-01-01T00:30:00Z", "to": "2026-01-01T02:00:00+01:00"}, 1),
        ({"from": "2026-01-01", "to": "2026-01-03"}, 48),
        ({"from": "2026-01-01", "to": "2026-01-03", "per": "day"}, 2),
        ({"to": "9999-12-31T23:59:59-12:00"}, 24),
        ({"to": "0001-01-01T00:00:00+12:00"}, 24),
    ],
)
def test_statistics_have_a_bar_for_each_hour_or_day(
    storage: str, query: Mapping[str, str], bars: int
) -> None:
    async def story(app: App) -> None:
        assert len((await members(endpoints.statistics(query, app)))["buckets"]) == bars

    run_story(storage, story)


@pytest.mark.parametrize(("per", "days"), [("hour", 7), ("day", 92)])
def test_statistics_of_a_long_period_say_from_when_they_counted(storage: str, per: str, days: int) -> None:
    async def story(app: App) -> None:
        query = {"from": "2020-01-01", "to": "2026-04-04", "per": per}
        shown = await members(endpoints.statistics(query, app))
        first = datetime(2026, 4, 4, tzinfo=UTC) - timedelta(days=days)
        assert shown["countedFrom"] == shown["buckets"][0]["start"] == f"{first:%Y-%m-%d}T00:00:00.000Z"

    run_story(storage, story)


def test_storage_that_does_not_answer_is_a_503() -> None:
    async def story(app: App) -> None:
        for handling in (
            endpoints.deliveries(NOTHING, app),
            endpoints.statistics(NOTHING, app),
            endpoints.subject("job", "J1", NOTHING, app),
        ):
            answered = await respond(handling)
            assert answered.status == 503
            assert json.loads(answered.body)["title"] == "Storage unavailable"
            assert int(answered.headers["Retry-After"]) > 0

    run_story(connection_string(free_port(3)), story)


def test_where_the_subscriptions_are_wrong_the_rest_is_reported_and_what_needs_them_says_so(
    storage: str,
) -> None:
    async def story(app: App) -> None:
        shown = await members(endpoints.statistics({}, app))
        assert {queue["role"] for queue in shown["queues"]} == {"inbox", "poison"}
        waits = await deliver(app, "CreateQuote", sample("CreateQuote"))
        for ask in (endpoints.raw, endpoints.data):
            assert "still being retried" in (await members(ask(waits, app), 404))["detail"]
        problem = await members(endpoints.replay_one(waits, b'{"queues": ["printiq-events"]}', app), 409)
        assert "not valid TOML" in problem["detail"]
        problem = await members(endpoints.replay_one(waits, b"{}", app), 409)
        assert problem["detail"].endswith("its bytes are in the inbox until then.")

    run_story(storage, story, SUBSCRIPTIONS="nonsense = [")


def test_what_has_more_bytes_than_are_read_is_not_shown(storage: str) -> None:
    async def story(app: App) -> None:
        large = await deliver(app, "CreateQuote", sample("CreateQuote"))
        lowered = replace(app, settings=app.settings.model_copy(update={"max_body_bytes": 10}))
        for shown in (endpoints.raw(large, lowered), endpoints.data(large, lowered)):
            said = (await members(shown, 409))["detail"]
            assert "too many to show here. It is kept in archive/CreateQuote/" in said

    run_story(storage, story)


def test_the_webhooks_own_key_opens_nothing_else(start_host: StartHost) -> None:
    host = start_host(ROOT, "--keys")
    keys = json.loads((host.log_file.parent / "state" / "keys.json").read_text("utf-8"))
    quote = sample("CreateQuote")
    with httpx.Client(base_url=host.url, timeout=60) as client:

        def ask(path: str, key: str | None) -> int:
            return client.get(path, headers={"x-functions-key": key} if key else {}).status_code

        printiq = {"x-functions-key": keys["functions"]["webhook"]}
        assert client.post("/api/webhooks/CreateQuote", content=quote, headers=printiq).status_code == 202
        for path in ("deliveries/01a20c5b-d87b-7fc6-beab-10d18cdc4ed9/replay", "replays"):
            assert client.post(f"/api/{path}", content=b"{}", headers=printiq).status_code == 401
        values = {
            "id": "01a20c5b-d87b-7fc6-beab-10d18cdc4ed9",
            "kind": "job",
            "*key": "J1",
            "subscription": "printiq-events",
        }
        closed = [route for route in ROUTES if route.method == "GET" and not route.anonymous]
        assert len(closed) > 8
        for path in (f"/api/{route.path.format_map(values)}" for route in closed):
            assert ask(path, None) == 401
            assert ask(path, keys["functions"]["webhook"]) == 401
            assert ask(path, keys["host"]) in {200, 400, 404}, path
        opened = client.get("/api/webhooks/CreateQuote")
        assert (opened.status_code, opened.headers["Allow"]) == (405, "POST")
        assert ask("/api/problems/method-not-allowed", None) == 200
        assert client.get(f"/api/deliveries?code={keys['host']}").status_code == 200
