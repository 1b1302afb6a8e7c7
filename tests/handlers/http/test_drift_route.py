"""Field drift: what is noted of fields that the models do not know, and that it harms nobody."""

import asyncio
import gc
import json
import secrets
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest
from stories import CORPUS, deliver, run_story, sample

from events import Channel, Delivery, EventType, parse
from handlers import drift
from handlers.app import App
from handlers.drift import MAX_FIELDS, masked
from handlers.errors import StorageFault
from handlers.http import endpoints, schemas
from handlers.ids import new_id, time_of
from handlers.pipeline.parsing import parse_delivery
from handlers.stores import TableName
from tools.host.azurite import connection_string
from tools.host.testing import free_port


async def report(app: App, event: str) -> Any:
    await app.drift.flush()
    answered = await endpoints.drift_report(app)
    assert answered.status == 200
    schemas.DriftReport.model_validate_json(answered.body)
    return next(each for each in json.loads(answered.body)["events"] if each["event"] == event)


def test_unknown_unread_and_missing_fields_are_reported_without_their_values(storage: str) -> None:
    async def story(app: App) -> None:
        body = {
            "Code": "C1",
            "Active": "Perhaps",
            "Loyalty": {"Tier": "Gold"},
            "Nickname": "Jo Bloggs 7",
        }
        for _ in range(2):
            await deliver(app, "CreateCustomer", json.dumps(body).encode())
        shown = await report(app, "CreateCustomer")
        assert (shown["object"], shown["deliveries"]) == ("Customer", 2)
        seen = {each["field"]: (each["count"], each["example"]) for each in shown["unknown"]}
        assert seen == {"Loyalty": (2, "object: Tier"), "Nickname": (2, "Xx Xxxxxx 9")}
        assert [(each["field"], each["example"]) for each in shown["unread"]] == [("Active", "Xxxxxxx")]
        assert "Phone" in shown["neverArrived"]
        assert "Code" not in shown["neverArrived"]

    run_story(storage, story)


def test_what_is_asked_again_shows_what_came_since(storage: str) -> None:
    async def story(app: App) -> None:
        for count in (1, 2):
            await deliver(app, "CreateCustomer", sample("CreateCustomer"))
            for _ in range(2):
                assert (await report(app, "CreateCustomer"))["deliveries"] == count

    run_story(storage, story)


def test_fields_inside_lists_have_one_place_and_a_missing_parent_stands_for_its_fields(storage: str) -> None:
    async def story(app: App) -> None:
        products = [{"JobNo": "J1", "Odd": 1}, {"JobNo": "J2", "Odd": 2}]
        await deliver(app, "CreateJob", json.dumps({"Products": products}).encode())
        shown = await report(app, "CreateJob")
        assert [each["field"] for each in shown["unknown"]] == ["Products/*/Odd"]
        assert "Products/*/MiddlewareProductDetail" in shown["neverArrived"]
        assert not any("MiddlewareProductDetail/" in place for place in shown["neverArrived"])

    run_story(storage, story)


def test_two_instances_add_up_to_one_report(storage: str) -> None:
    async def story(app: App) -> None:
        async def instance() -> None:
            other = App(app.settings, app.stores)
            for _ in range(3):
                await deliver(other, "CreateCustomer", sample("CreateCustomer"))
                await other.drift.flush()
            await other.drift.close()

        await asyncio.gather(*(instance() for _ in range(4)))
        assert (await report(app, "CreateCustomer"))["deliveries"] == 12

    run_story(storage, story)


def test_what_is_new_is_stored_without_being_asked(storage: str) -> None:
    async def story(app: App) -> None:
        await deliver(app, "CreateCustomer", sample("CreateCustomer"))
        for _ in range(1000):
            if [row async for row in app.stores.tables.query(TableName.DRIFT, "PartitionKey ne ''")]:
                return
            await asyncio.sleep(0.05)
        pytest.fail("Nothing was stored.")

    run_story(storage, story)


def test_a_report_is_bounded_however_many_fields_come(storage: str) -> None:
    async def story(app: App) -> None:
        for first in (0, 500):
            body = {f"Field{number}" + "x" * 500: "🎈" * 500 for number in range(first, first + 500)}
            await deliver(app, "CreateCustomer", json.dumps(body).encode())
        shown = await report(app, "CreateCustomer")
        assert 50 < len(shown["unknown"]) <= MAX_FIELDS
        assert shown["more"] is True

    run_story(storage, story)


def test_a_fault_of_storage_keeps_what_was_found_and_harms_nobody() -> None:
    async def story(app: App) -> None:
        came = Delivery(
            id=(delivery_id := new_id(datetime.now(UTC))),
            event="CreateCustomer",
            body=sample("CreateCustomer"),
            channel=Channel.WEBHOOK,
            received_at=time_of(delivery_id),
        )
        app.drift.observe(parse(came))
        with pytest.raises(StorageFault):
            await app.drift.flush()
        assert [each.deliveries for each in app.drift._waiting.values()] == [1]

    run_story(connection_string(free_port(3)), story)


def test_an_error_in_comparing_harms_nobody(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_payload: object) -> None:
        raise ZeroDivisionError

    async def story(app: App) -> None:
        monkeypatch.setattr(drift, "differences", broken)
        delivery_id = await deliver(app, "CreateCustomer", sample("CreateCustomer"))
        assert json.loads((await endpoints.delivery(delivery_id, {}, app)).body)["status"] == "sent"

    run_story(storage, story)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("J29328-01", "X99999-99"),
        ("Zoë <b>", "Xxx <x>"),
        ("a\nb\x00", "x x "),
        (-12.5, "-99.9"),
        (True, "true"),
        (None, "null"),
        ([1, 2], "list of 2"),
        ({"A": 1}, "object: A"),
        ("x" * 50, "x" * 40 + "…"),
    ],
)
def test_examples_show_the_form_of_a_value(value: object, form: str) -> None:
    assert masked(value) == form


def test_names_that_a_sender_invents_take_little_memory(storage: str) -> None:
    async def story(app: App) -> None:
        events = [event for event in EventType if (CORPUS / event / "typical.json").exists()]
        assert len(events) > 20
        tracemalloc.start()
        for event in events:
            body = json.loads(sample(event))
            body |= {f"Field{number}" + secrets.token_hex(1000): 1 for number in range(500)}
            app.drift.observe(await parse_delivery(arriving(event, json.dumps(body).encode()), app.settings))
            del body
        gc.collect()
        remembered, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert remembered < 10_000_000, f"{remembered:,} bytes of {500 * 2000 * len(events):,}"

    run_story(storage, story)


def test_names_that_a_sender_invents_day_after_day_take_little_memory(storage: str) -> None:
    async def story(app: App) -> None:
        async def invent(deliveries: int) -> None:
            for _ in range(deliveries):
                body = {"Code": "C1", **{secrets.token_hex(70): 1 for _ in range(MAX_FIELDS)}}
                each = arriving("CreateCustomer", json.dumps(body).encode())
                app.drift.observe(await parse_delivery(each, app.settings))
                await app.drift.flush()
            gc.collect()

        await invent(15)
        tracemalloc.start()
        await invent(60)
        remembered, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert remembered < 500_000, f"{remembered:,} bytes"

    run_story(storage, story)


def arriving(event: str, body: bytes) -> Delivery:
    delivery_id = new_id(datetime.now(UTC))
    return Delivery(
        id=delivery_id,
        event=event,
        body=body,
        channel=Channel.WEBHOOK,
        received_at=time_of(delivery_id),
    )
