"""Sinks: each kind of subscription gets the same message, in the form of its destination."""

import json

import pytest
from bench import Bench, delivery, quote

from handlers.pipeline.inbox import put
from handlers.pushes import Push
from handlers.stores import PUSH_QUEUE

pytestmark = pytest.mark.anyio

SUBSCRIPTIONS = """
[queues.printiq-events]
events = ["*"]

[https.crm]
events = ["*Quote*"]
url = "https://example.com/hook"
auth = "none"
"""


async def test_an_https_subscription_gets_its_message_by_way_of_the_push_queue(bench: Bench) -> None:
    app = bench.start(SUBSCRIPTIONS=SUBSCRIPTIONS)
    sent = delivery(quote("Q1"))
    await put(app.stores, sent)
    await bench.work_off(app)
    (waiting,) = await bench.waiting(PUSH_QUEUE)
    push, event = Push.read(waiting.text)
    assert (push.subscription, event.attributes.delivery) == ("crm", sent.id)
    assert json.loads(push.message) == (await bench.sent())[0]
    assert (await bench.row(sent.id))["queues"] == '["printiq-events","crm"]'


async def test_a_push_that_is_too_large_for_the_queue_refers_to_its_data(bench: Bench) -> None:
    app = bench.start(SUBSCRIPTIONS=SUBSCRIPTIONS)
    sent = delivery(quote("Q1", Notes="x" * 63_000))
    await put(app.stores, sent)
    await bench.work_off(app)
    (waiting,) = await bench.waiting(PUSH_QUEUE)
    message = json.loads(Push.read(waiting.text)[0].message)
    assert "data" not in message
    assert message["dataref"].endswith(f"{sent.id}.data.json")
