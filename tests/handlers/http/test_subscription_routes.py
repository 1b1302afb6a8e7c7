"""The routes of subscriptions, from a list to what one of them missed."""

import json
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any

import pytest
from bench import RESULTS, Bench, delivery, quote

from handlers.app import App
from handlers.http import endpoints, subscriptions
from handlers.http.routing import respond
from handlers.ledger import sends
from handlers.ledger.rows import SendState
from handlers.pipeline.receive import receive
from handlers.pushes import CloudEvent
from handlers.responses import Response

pytestmark = pytest.mark.anyio

SUBSCRIPTIONS = f"""
[queues.{RESULTS}]
events = ["*Quote*"]
title = "Estimating"
duplicates = "drop"

[https.crm]
events = ["*"]
url = "https://example.com/hook"
auth = "none"
"""


async def members(response: Awaitable[Response], status: int = 200) -> dict[str, Any]:
    found = await respond(response)
    assert found.status == status, found.body
    return dict(json.loads(found.body))


@pytest.fixture
def app(bench: Bench) -> App:
    return bench.start(SUBSCRIPTIONS=SUBSCRIPTIONS)


async def test_the_list_shows_each_subscription_and_how_it_fares(bench: Bench, app: App) -> None:
    found = (await members(subscriptions.subscriptions(app)))["subscriptions"]
    assert found == [
        {
            "name": RESULTS,
            "kind": "queue",
            "title": "Estimating",
            "events": ["*Quote*"],
            "duplicates": "drop",
            "paused": False,
            "thisHour": 0,
            "lastDay": 0,
            "waiting": 0,
            "failed": 0,
            "missed": 0,
        },
        {
            "name": "crm",
            "kind": "https",
            "events": ["*"],
            "duplicates": "send",
            "paused": False,
            "thisHour": 0,
            "lastDay": 0,
            "waiting": 0,
            "failed": 0,
            "missed": 0,
        },
    ]


async def test_a_subscription_is_paused_resumed_and_given_what_it_missed(bench: Bench, app: App) -> None:
    paused = await members(subscriptions.pause("crm", b'{"reason": "a new server", "by": "anna"}', app))
    assert (paused["paused"], paused["pause"]["reason"], paused["pause"]["by"]) == (
        True,
        "a new server",
        "anna",
    )
    sent = delivery(quote("Q1"))
    await receive(sent, app)
    await bench.work_off(app)
    detail = await members(endpoints.delivery(sent.id, {}, app))
    assert (detail["queues"], detail["withheld"], detail["sentTo"]) == ([RESULTS], ["crm"], ["Estimating"])
    assert detail["withheldFrom"] == ["crm"]
    listed = await members(subscriptions.subscription("crm", {"state": "paused"}, app))
    (send,) = listed["sends"]
    assert (send["delivery"], send["state"], send["error"]) == (sent.id, "paused", "a new server")
    assert (listed["missed"], listed.get("cursor")) == (1, None)

    refused = await members(subscriptions.replay("crm", b"{}", app), 409)
    assert "Resume it first" in refused["detail"]
    assert not (await members(subscriptions.resume("crm", b'{"by": "anna"}', app)))["paused"]
    counted = await members(subscriptions.replay("crm", b'{"dryRun": true}', app))
    assert counted == {"matched": 1, "skipped": 0, "more": False}
    assert await members(subscriptions.replay("crm", b"", app), 202) == counted
    (send,) = (await members(subscriptions.subscription("crm", {}, app)))["sends"]
    assert send["state"] == "replayed"
    assert (await bench.row(sent.id))["replayedBy"] == send["replayedBy"]


async def test_a_subscription_that_has_not_got_a_delivery_is_named_beside_it(bench: Bench, app: App) -> None:
    arriving = [delivery(quote("Q1")), delivery(quote("Q2"))]
    for each in arriving:
        await receive(each, app)
    await bench.work_off(app)
    sent = arriving[0].id
    message = await endpoints.message(sent, app)
    attributes = CloudEvent.read(message.body).attributes
    send = sends.new_row("crm", attributes, message.body, SendState.WAITING, datetime.now(UTC))

    async def undelivered(**params: str) -> dict[str, Any]:
        page = await members(endpoints.deliveries(params, app))
        return {each["id"]: each.get("undelivered") for each in page["deliveries"]}

    for state, lacking in (
        (SendState.WAITING, ["crm"]),
        (SendState.FAILED, ["crm"]),
        (SendState.DELIVERED, []),
    ):
        await sends.record(app.stores.tables, send.model_copy(update={"state": state}), is_new=False)
        assert await undelivered() == {arriving[1].id: [], sent: lacking}
        assert await undelivered(fields="undelivered") == await undelivered()
        assert (await members(endpoints.delivery(sent, {}, app)))["undelivered"] == lacking
        (match,) = (await members(endpoints.search({"q": sent}, app)))["deliveries"]
        assert (match["sentTo"], match["undelivered"]) == (["Estimating", "crm"], lacking)
        (listed,) = (await members(endpoints.subject("quote", "Q1", {}, app)))["deliveries"]
        assert (listed["sentTo"], listed["undelivered"]) == (["Estimating", "crm"], lacking)
    assert await undelivered(fields="size") == {arriving[1].id: None, sent: None}


async def test_deliveries_of_a_subscription_come_in_pages(bench: Bench, app: App) -> None:
    await members(subscriptions.pause("crm", b'{"reason": "why"}', app))
    arriving = [delivery(quote(f"Q{number}")) for number in range(3)]
    for each in arriving:
        await receive(each, app)
    await bench.work_off(app)
    first = await members(subscriptions.subscription("crm", {"limit": "2"}, app))
    rest = await members(subscriptions.subscription("crm", {"limit": "2", "cursor": first["cursor"]}, app))
    assert [each["delivery"] for each in (*first["sends"], *rest["sends"])] == [
        each.id for each in reversed(arriving)
    ]
    assert "cursor" not in rest


async def test_a_test_event_has_an_id(app: App) -> None:
    assert len((await members(subscriptions.test(RESULTS, app), 202))["id"]) == 36


@pytest.mark.parametrize(
    ("body", "pointer"),
    [(b"{}", "/reason"), (b'{"reason": " "}', "/reason"), (b'{"reason": "x", "until": "y"}', "/until")],
)
async def test_a_pause_needs_a_reason(app: App, body: bytes, pointer: str) -> None:
    problem = await members(subscriptions.pause("crm", body, app), 400)
    assert problem["errors"][0]["pointer"] == pointer


async def test_an_unknown_subscription_is_a_404_that_names_the_known_ones(app: App) -> None:
    for asked in (
        subscriptions.subscription("cmr", {}, app),
        subscriptions.pause("cmr", b'{"reason": "x"}', app),
        subscriptions.resume("cmr", b"", app),
        subscriptions.test("cmr", app),
        subscriptions.replay("cmr", b"", app),
    ):
        assert f"The subscriptions are {RESULTS}, crm." in (await members(asked, 404))["detail"]


async def test_where_the_subscriptions_are_wrong_the_list_says_where(bench: Bench) -> None:
    wrong = bench.start(SUBSCRIPTIONS="[queues.a]\nevents = ['*']")
    problem = await members(subscriptions.subscriptions(wrong), 409)
    assert "Line 1: `queues.a" in problem["detail"]
