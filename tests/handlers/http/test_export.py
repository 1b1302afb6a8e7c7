"""An export is a file for a spreadsheet, a program or an archive, in parts where it is large."""

import csv
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from stories import deliver, run_story, sample

from handlers.app import App
from handlers.http.export import export_deliveries
from handlers.http.routing import respond
from handlers.ledger.query import Filter
from handlers.operations import export
from handlers.responses import Response
from handlers.stores import ContainerName


def next_part(response: Response) -> Mapping[str, str]:
    address, relation = response.headers["Link"].split("; ")
    assert relation == 'rel="next"'
    return dict(parse_qsl(urlsplit(address.strip("<>")).query))


async def table(query: Mapping[str, str], app: App) -> list[dict[str, str]]:
    response = await export_deliveries(query, app)
    assert response.content_type == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"].startswith('attachment; filename="printiq-')
    return list(csv.DictReader(io.StringIO(response.body.decode("utf-8-sig"))))


def test_a_table_has_a_row_for_each_delivery_that_the_filter_selects(storage: str) -> None:
    async def story(app: App) -> None:
        quote = await deliver(app, "CreateQuote", sample("CreateQuote"))
        await deliver(app, "ExportInvoice", sample("ExportInvoice"))
        refused = await deliver(app, "CreateQuote", b'{"QuoteNo": ')
        rows = await table({"event": "CreateQuote", "code": "a key"}, app)
        assert [(row["id"], row["status"]) for row in rows] == [(refused, "quarantined"), (quote, "sent")]
        assert (rows[1]["queues"], rows[1]["size"]) == ("printiq-events", str(len(sample("CreateQuote"))))

    run_story(storage, story)


async def deliver_a_customers(app: App) -> list[str]:
    """Deliver a customer, its job and that job's end, and an invoice; then what is another customer's."""
    ours = {"Customer": {"Number": "KOWSEED", "Name": "Kowhai Seeds"}}
    bodies: list[tuple[str, dict[str, object]]] = [
        ("CreateCustomer", {"Code": "KOWSEED"}),
        ("CreateJobXml", {"JobNumber": "J1-01", **ours}),
        ("CompleteJob", {"Products": [{"JobNo": "J1-01"}]}),
        (
            "ExportInvoice",
            {"INVInvoiceNumber": "I1", "BillingCusCode": "KOWSEED", "InvoiceSummaryDetails": []},
        ),
        ("CreateJobXml", {"JobNumber": "J2-01", "Customer": {"Number": "RIMU"}}),
        ("CompleteJob", {"Products": [{"JobNo": "J2-01"}]}),
    ]
    return [await deliver(app, event, json.dumps(body).encode()) for event, body in bodies]


def test_all_about_a_customer_has_the_later_events_of_its_jobs_too(storage: str) -> None:
    async def story(app: App) -> None:
        sent = await deliver_a_customers(app)
        about = {"kind": "customer", "subject": "KOWSEED"}
        assert [row["id"] for row in await table(about, app)] == [sent[3], sent[1], sent[0]]
        assert [row["id"] for row in await table({"about": "customer/KOWSEED"}, app)] == sent[3::-1]
        job = {"about": "job/J1-01"}
        assert [row["id"] for row in await table(job, app)] == [sent[2], sent[1]], "not all of its customer's"
        completed = {"about": "customer/KOWSEED", "event": "CompleteJob"}
        assert [row["id"] for row in await table(completed, app)] == [sent[2]]

    run_story(storage, story)


def test_all_about_a_customer_comes_in_parts_too(storage: str) -> None:
    async def story(app: App) -> None:
        sent = await deliver_a_customers(app)
        asked: Mapping[str, str] = {"about": "customer/KOWSEED", "limit": "3"}
        first = await export_deliveries(asked, app)
        rest = await export_deliveries(next_part(first), app)
        rows = [csv.DictReader(io.StringIO(each.body.decode("utf-8-sig"))) for each in (first, rest)]
        assert [[row["id"] for row in part] for part in rows] == [sent[3:0:-1], [sent[0]]]
        assert "Link" not in rest.headers

    run_story(storage, story)


def test_what_is_no_id_is_refused(storage: str) -> None:
    async def story(app: App) -> None:
        response = await respond(export_deliveries({"ids": "J29328-01"}, app))
        assert (response.status, b"`ids`" in response.body) == (400, True)

    run_story(storage, story)


@pytest.mark.parametrize("about", ["KOWSEED", "customer", "customer/", "spoon/1", "/KOWSEED"])
def test_a_subject_that_is_none_is_a_problem_that_says_how_to_write_it(storage: str, about: str) -> None:
    async def story(app: App) -> None:
        response = await respond(export_deliveries({"about": about}, app))
        assert (response.status, b"kind/key" in response.body) == (400, True)

    run_story(storage, story)


def test_more_than_can_be_gathered_is_a_problem_that_says_what_to_do(
    storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(app: App) -> None:
        await deliver_a_customers(app)
        monkeypatch.setattr(export, "_SECONDS", 0)
        asked = {"about": "customer/KOWSEED"}
        response = await respond(export_deliveries(asked, app))
        assert (response.status, b"one by one" in response.body) == (409, True)

    run_story(storage, story)


def test_deliveries_are_exported_by_their_ids_in_parts_too(
    storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(app: App) -> None:
        sent = [await deliver(app, "CreateQuote", b'{"QuoteNo": "Q%d"}' % number) for number in range(3)]
        asked = {"ids": f"{sent[0]},{sent[2]},01989765-1d49-7000-8000-000000000001", "event": "CreateJob"}
        assert [row["id"] for row in await table(asked, app)] == [sent[2], sent[0]]
        whole = export.bodies
        monkeypatch.setattr(export, "bodies", lambda selected, app: whole(selected, app, at_most=1))
        part = await export_deliveries({**asked, "format": "zip"}, app)
        rest = await export_deliveries(next_part(part), app)
        for response, delivery_id in ((part, sent[2]), (rest, sent[0])):
            with zipfile.ZipFile(io.BytesIO(response.body)) as archive:
                (row,) = archive.read("deliveries.ndjson").splitlines()
                assert json.loads(row)["id"] == delivery_id
        assert "Link" not in rest.headers

    run_story(storage, story)


def test_a_cell_is_never_a_formula(storage: str) -> None:
    async def story(app: App) -> None:
        await deliver(app, "CreateQuote", b'{"QuoteNo": "=1+1"}')
        assert [row["subject"] for row in await table({}, app)] == ["'=1+1"]

    run_story(storage, story)


def test_a_customers_file_has_all_that_is_known_of_each_delivery(storage: str) -> None:
    async def story(app: App) -> None:
        body = {"INVInvoiceNumber": "INV-1", "BillingCusCode": "KOW"}
        await deliver(app, "ExportInvoice", json.dumps(body).encode())
        response = await export_deliveries({"subject": "KOW", "kind": "customer", "format": "ndjson"}, app)
        (line,) = response.body.splitlines()
        found = json.loads(line)
        assert (found["subject"], found["queues"]) == ("INV-1", ["printiq-events"])

    run_story(storage, story)


def test_a_large_export_comes_in_parts(storage: str) -> None:
    async def story(app: App) -> None:
        ids = [await deliver(app, "CreateQuote", sample("CreateQuote")) for _ in range(3)]
        query: Mapping[str, str] = {"format": "ndjson", "limit": "2", "code": "a key"}
        first = await export_deliveries(query, app)
        query = next_part(first)
        assert "code" not in query
        last = await export_deliveries(query, app)
        assert "Link" not in last.headers
        lines = [*first.body.splitlines(), *last.body.splitlines()]
        assert [json.loads(line)["id"] for line in lines] == ids[::-1]

    run_story(storage, story)


def test_an_archive_has_the_bodies_as_received(storage: str) -> None:
    async def story(app: App) -> None:
        quote = await deliver(app, "CreateQuote", sample("CreateQuote"))
        refused = await deliver(app, "CreateQuote", b"<html>")
        response = await export_deliveries({"format": "zip"}, app)
        with zipfile.ZipFile(io.BytesIO(response.body)) as archive:
            assert archive.read(f"bodies/CreateQuote/{quote}.json") == sample("CreateQuote")
            (name,) = (name for name in archive.namelist() if refused in name)
            assert archive.read(name) == b"<html>"
            assert len(archive.read("deliveries.ndjson").splitlines()) == 2

    run_story(storage, story)


def test_an_archive_ends_before_its_bodies_are_too_many_at_once(storage: str) -> None:
    async def story(app: App) -> None:
        ids = [await deliver(app, "CreateQuote", sample("CreateQuote")) for _ in range(3)]
        cursor, exported = None, []
        for _ in ids:
            selected = await export.select(Filter(), app, limit=10, cursor=cursor)
            selected, bodies = await export.bodies(selected, app, at_most=10)
            exported += [body.row.id for body in bodies]
            cursor = selected.cursor
        assert (exported, cursor) == (ids[::-1], None)

    run_story(storage, story)


def test_a_body_that_is_gone_is_named_with_the_reason(storage: str) -> None:
    async def story(app: App) -> None:
        quote = await deliver(app, "CreateQuote", sample("CreateQuote"))
        async for blob in app.stores.blobs.list(ContainerName.ARCHIVE):
            await app.stores.blobs.delete(ContainerName.ARCHIVE, blob.name)
        response = await export_deliveries({"format": "zip"}, app)
        with zipfile.ZipFile(io.BytesIO(response.body)) as archive:
            assert archive.read(f"bodies/CreateQuote/{quote}.missing.txt") == b"Its bytes are no longer kept."

    run_story(storage, story)


def test_a_body_with_more_bytes_than_are_read_is_named_with_its_place(storage: str) -> None:
    async def story(app: App) -> None:
        large = await deliver(app, "CreateQuote", sample("CreateQuote"))
        lowered = replace(app, settings=app.settings.model_copy(update={"max_body_bytes": 10}))
        response = await export_deliveries({"format": "zip"}, lowered)
        with zipfile.ZipFile(io.BytesIO(response.body)) as archive:
            reason = archive.read(f"bodies/CreateQuote/{large}.missing.txt").decode()
        assert "too many to export. It is kept in archive/CreateQuote/" in reason

    run_story(storage, story)


@pytest.mark.parametrize("query", [{"format": "xlsx"}, {"limit": "5001"}, {"size": "1"}, {"status": "lost"}])
def test_a_wrong_question_is_answered_with_what_is_wrong(storage: str, query: Mapping[str, str]) -> None:
    async def story(app: App) -> None:
        assert (await respond(export_deliveries(query, app))).status == 400

    run_story(storage, story)
