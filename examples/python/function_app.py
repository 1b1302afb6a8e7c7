"""Where each quote stands, in a table: a Function on a result queue of printIQ's events."""

import json
import os
from functools import cache
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import azure.functions as func
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import TableClient, TableServiceClient, UpdateMode
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient

app = func.FunctionApp()

# What each event means for a quote. Other events are skipped, not an error: new ones may appear.
STATES = {
    "com.printiq.CreateQuote": "open",
    "com.printiq.RequestQuoteApproval": "awaiting approval",
    "com.printiq.AcceptQuote": "accepted",
    "com.printiq.RejectQuote": "rejected",
    "com.printiq.DiscardQuote": "discarded",
    "com.printiq.ExpireQuote": "expired",
}


@cache
def blobs() -> BlobServiceClient:
    """Connect to the account of the events: by connection string locally, by identity in Azure."""
    if local := os.environ.get("PRINTIQ_STORAGE"):
        return BlobServiceClient.from_connection_string(local)
    return BlobServiceClient(os.environ["PRINTIQ_STORAGE__blobServiceUri"], DefaultAzureCredential())


@cache
def table(name: str) -> TableClient:
    """Connect to a table in this app's own account, and create it if it is missing."""
    if local := os.environ.get("AzureWebJobsStorage"):
        service = TableServiceClient.from_connection_string(local)
    else:
        address = os.environ["AzureWebJobsStorage__tableServiceUri"]
        service = TableServiceClient(address, credential=DefaultAzureCredential())
    return service.create_table_if_not_exists(name)


@app.queue_trigger(arg_name="message", queue_name="%PRINTIQ_QUEUE%", connection="PRINTIQ_STORAGE")
def on_event(message: func.QueueMessage) -> None:
    """Handle one message. If it raises, the host tries again; after five tries it moves it to `…-poison`."""
    event = json.loads(message.get_body())
    # a duplicate's original was, or will be, handled
    if event["type"] not in STATES or "duplicateof" in event or "subject" not in event:
        return
    handled = table("handled")
    delivery = {"PartitionKey": event["delivery"], "RowKey": ""}
    if list(handled.query_entities("PartitionKey eq @it", parameters={"it": event["delivery"]})):
        return
    row = {
        "PartitionKey": "quote",
        "RowKey": quote(event["subject"], safe=" "),  # a key may hold no / # ? or \
        "state": STATES[event["type"]],
        "sequence": event["sequence"],
        "products": len(data(event)["Products"]),
    }
    write_unless_newer(table("quotes"), row)
    # After the work: a crash in between repeats it, which changes nothing.
    handled.upsert_entity(delivery)


def data(event: dict[str, Any]) -> Any:
    """Return the payload; a large one is in the blob that `dataref` names.

    The blob is read by its name, from the archive that we know: a message can name any host, and our token
    goes to none of them.
    """
    if "data" in event:
        return event["data"]
    name = unquote(urlsplit(event["dataref"]).path).partition("/archive/")[2]
    return json.loads(blobs().get_blob_client("archive", name).download_blob().readall())


def write_unless_newer(rows: TableClient, row: dict[str, Any]) -> None:
    """Insert a row or replace an older one. Messages come in any order, and several at once."""
    while True:
        try:
            found = rows.get_entity(row["PartitionKey"], row["RowKey"])
            if found["sequence"] > row["sequence"]:
                return
            etag = found.metadata["etag"]
            unchanged = MatchConditions.IfNotModified
            rows.update_entity(row, UpdateMode.REPLACE, etag=etag, match_condition=unchanged)
        except ResourceNotFoundError:
            try:
                rows.create_entity(row)
            except ResourceExistsError:  # another message of this quote was faster: read again
                continue
        except ResourceModifiedError:
            continue
        return
