"""Exported invoices into CSV files that accounting systems import: `python to_accounting.py /path/to/folder`.

The columns are Xero's, which many others take. A row is a line, with quantity 1 and the line's amount, since
a unit price would need a division, which is not exact. Amounts and their sign are printIQ's, never rounded;
tax is split among the lines so that they add up to printIQ's. What does not add up is set aside.

What this assumes about printIQ, and how to check it: docs/recipes.md.
"""

import csv
import io
import re
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, getcontext
from typing import Any

from consumer import Event, SetAsideError, arguments, consume, file_name, key, write_whole

type Row = dict[str, Any]

# As the accounting program reads a date: Xero by the organisation's region.
DATE_FORM = "%d/%m/%Y"
INVOICE_COLUMNS = {
    "ContactName": "BillingCusName",
    "EmailAddress": "BillingCusEmail",
    "InvoiceNumber": "INVInvoiceNumber",
    "Reference": "INVInvoiceReference",
    "Currency": "CurCode",
}
DATE_COLUMNS = {"InvoiceDate": "INVInvoiceDate", "DueDate": "INVInvoiceDueDate"}
LINE_COLUMNS = {
    "InventoryItemCode": "IDTItemCode",
    "Description": "IDTDescription",
    "AccountCode": "IGLACode",
    "TaxType": "IDTGSTCode",
}
AMOUNT_COLUMNS = ("Quantity", "UnitAmount", "TaxAmount", "Total")
OPTIONAL = {"EmailAddress", "Reference", "InventoryItemCode"}
COLUMNS = [*INVOICE_COLUMNS, *DATE_COLUMNS, *LINE_COLUMNS, *AMOUNT_COLUMNS]
CENT = Decimal("0.01")
# Enough digits for every sum and product here: nothing is rounded.
getcontext().prec = 100


def main() -> None:
    folder, state, queue, once = arguments(__doc__, "where the CSV files go")

    def export(event: Event) -> None:
        invoice = event["data"]
        try:
            rows = list(booked(invoice))
        except SetAsideError as why:
            raise SetAsideError(f"{key(event)}: {why}") from None
        file = io.StringIO(newline="")
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
        # with a byte order mark, so that Excel reads it as UTF-8
        content = file.getvalue().encode("utf-8-sig")
        write_whole(folder / f"{file_name(key(event))}.csv", content, by_way_of=state)
        print(f"{key(event)}: {invoice['INVInvoiceTotal']} {invoice['CurCode']}")

    count = consume(queue, "ExportInvoice", export, state, once=once)
    print(f"Invoices exported: {count}")


def booked(invoice: Row) -> Iterator[Row]:
    """Yield a row per line. Raises SetAsideError for an invoice that does not add up, or lacks a column."""
    net, tax, total = (amount(invoice, f"INVInvoice{part}") for part in ("SubTotal", "GST", "Total"))
    lines = invoice["InvoiceDetails"]
    amounts = [amount(line, "IDTPrice_ForeignAmount") for line in lines]
    if not lines:
        raise SetAsideError("there are no lines")
    if net + tax != total:
        raise SetAsideError(f"subtotal {net} and tax {tax} do not come to the total, {total}")
    if sum(amounts) != net:
        raise SetAsideError(f"the lines come to {sum(amounts)}, the subtotal is {net}")
    if total and invoice["IsCreditNote"] is not (total < 0):
        raise SetAsideError(f"IsCreditNote is {invoice['IsCreditNote']}, the total {total}")
    if invoice["TaxIntegrationError"]:
        raise SetAsideError(f"printIQ reports a tax error: {invoice['TaxIntegrationError']}")
    shared = {column: invoice[field] for column, field in INVOICE_COLUMNS.items()}
    shared |= {column: day(invoice, field) for column, field in DATE_COLUMNS.items()}
    for line, line_amount, line_tax in zip(lines, amounts, tax_by_line(lines, amounts, tax), strict=True):
        row = shared | {column: line[field] for column, field in LINE_COLUMNS.items()}
        if missing := [column for column in row if column not in OPTIONAL and not row[column]]:
            raise SetAsideError(f"nothing for {', '.join(missing)}")
        yield row | {
            "Quantity": 1,
            "UnitAmount": f"{line_amount:f}",
            "TaxAmount": f"{line_tax:f}",
            "Total": f"{total:f}",
        }


def tax_by_line(lines: list[Row], amounts: list[Decimal], tax: Decimal) -> list[Decimal]:
    """Split printIQ's tax by the lines' rates, to the cent; the last taxed line takes the remainder.

    A rate may be a fraction or a percentage: the one that yields the tax, within a cent per line, is taken.
    """
    rates = [amount(line, "IDTGSTRate") if line["IDTGSTRate"] else Decimal(0) for line in lines]
    for exponent in (0, -2):
        exact = [(each * rate).scaleb(exponent) for each, rate in zip(amounts, rates, strict=True)]
        if abs(sum(exact) - tax) <= CENT * len(lines):
            break
    else:
        raise SetAsideError(f"the lines' rates do not come to the tax, {tax}")
    shares = [each.quantize(CENT, ROUND_HALF_UP) for each in exact]
    last = max((index for index, each in enumerate(exact) if each), default=len(exact) - 1)
    shares[last] += tax - sum(shares)
    return shares


def amount(fields: Row, name: str) -> Decimal:
    """Read an exact amount: plain digits, whatever the machine's locale."""
    text = fields[name]
    if not isinstance(text, str) or not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        raise SetAsideError(f"{name} is no amount: {text}")
    return Decimal(text)


def day(invoice: Row, name: str) -> str:
    """Return the calendar day as printIQ wrote it, without converting its time zone."""
    text = str(invoice[name])
    try:
        return date.fromisoformat(text[:10]).strftime(DATE_FORM)
    except ValueError:
        raise SetAsideError(f"{name} is no date: {text}") from None


if __name__ == "__main__":
    main()
