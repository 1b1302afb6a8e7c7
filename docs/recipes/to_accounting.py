"""Exported invoices into CSV files that accounting systems import: `python to_accounting.py /path/to/folder`.

The columns are those that Xero and many others take; amounts stay exact.
"""

import csv
import re

from consumer import Event, asked, consume

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
    folder, queue, once = asked(__doc__, "where the CSV files go")

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

    count = consume(queue, "ExportInvoice", export, folder / ".handled.sqlite", once=once)
    print(f"Invoices exported: {count}")


if __name__ == "__main__":
    main()
