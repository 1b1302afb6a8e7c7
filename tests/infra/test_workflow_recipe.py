"""docs/recipes/logic-app.json, run on what the app pushes to it."""

import json
from datetime import UTC, datetime
from typing import Any

from events import Channel, Delivery, Envelope, cloud_event, parse
from handlers.ids import new_id
from handlers.pushes import CloudEvent
from infra.published import ROOT
from infra.workflow_language import Workflow

RECIPE = json.loads((ROOT / "docs" / "recipes" / "logic-app.json").read_text("utf-8"))["definition"]
INVOICE = (ROOT / "tests" / "corpus" / "ExportInvoice" / "typical.json").read_bytes()
MOMENT = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
ID = new_id(MOMENT)


def _run(duplicate_of: str | None = None) -> Workflow:
    """Run the recipe on a pushed invoice."""
    event = parse(
        Delivery(id=ID, event="ExportInvoice", body=INVOICE, channel=Channel.WEBHOOK, received_at=MOMENT)
    )
    envelope = Envelope(
        id=ID,
        time=MOMENT,
        source="/printiq/acme",
        data_schema="https://app.example/api/schemas/ExportInvoice",
        duplicate_of=duplicate_of,
    )
    form = CloudEvent.read(cloud_event(event, envelope)).binary()
    assert form.headers["Content-Type"] == "application/json"  # or a workflow would not read it as JSON
    request: dict[str, Any] = {"headers": dict(form.headers), "body": json.loads(form.body)}
    return Workflow(RECIPE, {}, request, {})


def test_it_reads_an_invoice_and_confirms_it() -> None:
    run = _run()
    sent = json.loads(INVOICE)
    assert run.outputs["invoice"]["number"] == sent["INVInvoiceNumber"]
    assert run.outputs["invoice"]["customer"] == sent["BillingCusName"]
    assert run.outputs["invoice"]["currency"] == sent["CurCode"]
    assert run.outputs["invoice"]["total"]
    assert run.outputs["invoice"]["delivery"] == run.outputs["invoice"]["sequence"] == ID
    assert run.status == 200


def test_it_confirms_a_duplicate_and_does_nothing_with_it() -> None:
    run = _run(duplicate_of=new_id(MOMENT))
    assert run.outputs == {}
    assert run.status == 200
