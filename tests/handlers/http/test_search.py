"""A search finds what a person remembers: a part of a number, a name, a reference."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from stories import deliver, run_story

from handlers.app import App
from handlers.http import endpoints
from handlers.http.routing import respond
from handlers.ledger import query


async def search(app: App, text: str) -> Any:
    response = await respond(endpoints.search({"q": text}, app))
    assert response.status == 200, response.body
    return json.loads(response.body)


async def found(app: App, text: str) -> list[tuple[str, str, str, str]]:
    """Return the kinds and keys of the subjects that a text finds, with what it was found in."""
    return [
        (each["kind"], each["key"], each["matched"]["fact"], each["matched"]["value"])
        for each in (await search(app, text))["subjects"]
    ]


def job(number: str, **more: object) -> bytes:
    return json.dumps({"JobNumber": number, **more}).encode()


KOWHAI = {"Number": "KOWSEED", "Name": "Kōwhai  Seeds Ltd"}


@pytest.mark.parametrize("text", ["J29328-01", "j29328", "29328", "328-01", "9328", "J29328-01 "])
def test_a_number_is_found_by_any_part_of_it(storage: str, text: str) -> None:
    async def story(app: App) -> None:
        await deliver(app, "CreateJobXml", job("J29328-01"))
        await deliver(app, "CreateJobXml", job("J29555-01"))
        assert await found(app, text) == [("job", "J29328-01", "key", "J29328-01")]

    run_story(storage, story)


@pytest.mark.parametrize("text", ["kowhai", "KŌWHAI SEEDS", "seeds ltd", "Kōwhai  Seeds Ltd"])
def test_a_name_is_found_by_its_words_and_leads_to_the_customer(storage: str, text: str) -> None:
    async def story(app: App) -> None:
        await deliver(app, "CreateJobXml", job("J1000-01", Customer=KOWHAI))
        await deliver(app, "CreateJobXml", job("J1000-02", Customer=KOWHAI))
        assert await found(app, text) == [("customer", "KOWSEED", "customerName", "Kōwhai  Seeds Ltd")]
        assert await found(app, "kowseed") == [("customer", "KOWSEED", "customer", "KOWSEED")]

    run_story(storage, story)


@pytest.mark.parametrize(
    ("event", "body", "text", "subject"),
    [
        ("CreateJobXml", {"JobNumber": "J7-01", "PONum": "PO 4500012345"}, "4500012345", ("job", "J7-01")),
        ("CreateQuote", {"QuoteNo": "Q9000", "CustomerReference": "spring-24"}, "spring", ("quote", "Q9000")),
        (
            "ExportInvoice",
            {"INVInvoiceNumber": "I-77", "InvoiceSummaryDetails": [{"PONumber": "PO-5150"}]},
            "5150",
            ("invoice", "I-77"),
        ),
        (
            "CreateJob",
            {"SalesOrderNo": "SO-808", "Products": [{"JobNo": "J6-01"}, {"JobNo": "J6601-02"}]},
            "6601",
            ("job", "J6601-02"),
        ),
    ],
)
def test_references_order_numbers_and_other_subjects_are_found(
    storage: str, event: str, body: Mapping[str, object], text: str, subject: tuple[str, str]
) -> None:
    async def story(app: App) -> None:
        await deliver(app, event, json.dumps(body).encode())
        assert [(kind, key) for kind, key, *_ in await found(app, text)] == [subject]

    run_story(storage, story)


def test_the_number_itself_comes_before_those_that_begin_so(storage: str) -> None:
    async def story(app: App) -> None:
        for number in ("J5000-01", "J5000", "J15000"):
            await deliver(app, "CreateJobXml", job(number))
        await deliver(app, "CreateCustomer", b'{"Code": "5000", "Name": "J5000 Ltd"}')
        keys = [(kind, key) for kind, key, *_ in await found(app, "j5000")]
        assert keys[0] == ("job", "J5000")
        assert set(keys[1:]) == {("job", "J5000-01"), ("customer", "5000")}

    run_story(storage, story)


def test_what_was_refused_is_found_by_the_numbers_in_it_and_by_its_file(storage: str) -> None:
    async def story(app: App) -> None:
        broken = b'{"JobNo": "J40404-01", "Date": "2026-03-01", "Price": 12.50, "Products": ['
        refused = await deliver(app, "CreateJob", broken, file="CreateJob/export-778899.json")
        for text, fact, value in (
            ("40404", "number", "J40404-01"),
            ("j40404-01", "number", "J40404-01"),
            ("778899", "file", "CreateJob/export-778899.json"),
        ):
            (delivery,) = (await search(app, text))["deliveries"]
            assert (delivery["id"], delivery["matched"]) == (refused, {"fact": fact, "value": value})
        assert (await search(app, "2026-03"))["deliveries"] == []

    run_story(storage, story)


def test_the_newest_that_were_refused_are_searched_up_to_a_bound(
    storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "MAX_SIZE", 1)
    monkeypatch.setattr(query, "_MOST_WAITING", 2)

    async def story(app: App) -> None:
        refused = [
            await deliver(app, "CreateJob", b'{"JobNo": "J%05d-01", ' % number)
            for number in (50505, 50506, 50507)
        ]
        result = await search(app, "5050")
        assert ([each["id"] for each in result["deliveries"]], result["more"]) == (refused[:0:-1], True)
        assert (await search(app, "50505"))["deliveries"] == []

    run_story(storage, story)


def test_a_delivery_is_found_by_its_id(storage: str) -> None:
    async def story(app: App) -> None:
        delivery_id = await deliver(app, "CreateJobXml", job("J1-01"))
        (delivery,) = (await search(app, delivery_id))["deliveries"]
        assert (delivery["id"], delivery["event"]) == (delivery_id, "CreateJobXml")
        assert await search(app, "01a20c5b-d87b-7fc6-beab-10d18cdc4ed9") == {
            "subjects": [], "deliveries": [], "more": False,
        }  # fmt: skip

    run_story(storage, story)


def test_ten_of_a_kind_are_shown_and_that_there_are_more(storage: str) -> None:
    async def story(app: App) -> None:
        for number in range(11):
            await deliver(app, "CreateJobXml", job(f"J600{number:02}"))
        result = await search(app, "j600")
        assert ([each["key"] for each in result["subjects"]], result["more"]) == (
            [f"J600{number:02}" for number in range(10)],
            True,
        )
        assert not (await search(app, "j60003"))["more"]

    run_story(storage, story)


@pytest.mark.parametrize("text", ["--", "' or 1 eq 1", "%%", "~~", "\uffff\uffff", "//"])
def test_a_text_that_nothing_has_finds_nothing(storage: str, text: str) -> None:
    async def story(app: App) -> None:
        await deliver(app, "CreateJobXml", job("J1-01"))
        assert await search(app, text) == {"subjects": [], "deliveries": [], "more": False}

    run_story(storage, story)
