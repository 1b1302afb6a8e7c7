"""Exported invoices into CSV files that accounting systems import: `python to_accounting.py /path/to/folder`.

The columns are those that Xero and many others take; amounts stay exact.
"""

import argparse
import csv
import re
from pathlib import Path

from consumer import Event, consume

COLUMNS = {
    "ContactName": "BillingCusName",
    "EmailAddress": "BillingCusEmail",
    "InvoiceNumber": "INVInvoiceNumber",
    "Reference": "INVInvoiceReference",
    "InvoiceDate": "INVInvoiceDate",
    "DueDate": "INVInvoiceDueDate",
    "Currency": "CurCode",
}
LINE_COLUMNS = {
    "InventoryItemCode": "IDTItemCode",
    "Description": "IDTDescription",
    "Quantity": "IDTQuantity",
    "UnitAmount": "IDTPrice_ForeignAmount",
    "AccountCode": "IGLACode",
    "TaxType": "IDTGSTCode",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the CSV files go")
    parser.add_argument("--queue", default="printiq-events")
    parser.add_argument("--once", action="store_true", help="end when the queue is empty")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)

    def export(event: Event) -> None:
        invoice = event["data"]
        number = event.get("subject") or event["id"]  # an invoice without a number has none
        name = re.sub(r"[^\w.-]", "_", number)
        part = folder / f".{name}.part"
        with part.open("w", newline="", encoding="utf-8-sig") as file:  # with a mark, so that Excel reads it
            writer = csv.DictWriter(file, [*COLUMNS, *LINE_COLUMNS])
            writer.writeheader()
            shared = {column: invoice[field] for column, field in COLUMNS.items()}
            for line in invoice["InvoiceDetails"]:
                writer.writerow({**shared, **{column: line[field] for column, field in LINE_COLUMNS.items()}})
        part.replace(folder / f"{name}.csv")
        print(f"{number}: {invoice['INVInvoiceTotal']} {invoice['CurCode']}")

    count = consume(arguments.queue, "ExportInvoice", export, folder / ".handled.sqlite", once=arguments.once)
    print(f"Invoices exported: {count}")


if __name__ == "__main__":
    main()
