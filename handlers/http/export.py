"""An export as a file: CSV for a spreadsheet, NDJSON for a program, a zip with the bodies as received."""

import asyncio
import csv
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import urlencode

from handlers.app import App
from handlers.http import schemas
from handlers.http.reading import from_query
from handlers.ledger.rows import DeliveryRow
from handlers.operations import export
from handlers.operations.export import Body
from handlers.responses import Response, attachment

type Format = Literal["csv", "ndjson", "zip"]

_COLUMNS = (
    "id", "receivedAt", "event", "kind", "subject", "customer", "reference", "status", "channel",
    "error", "queues", "size", "attempts", "processedAt", "duplicateOf", "replayOf", "replayedBy",
    "dismissed", "dismissedAt", "decidedBy",
)  # fmt: skip
_MEDIA_TYPES: Mapping[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "zip": "application/zip",
}
# A spreadsheet takes a text that begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def export_deliveries(params: Mapping[str, str], app: App) -> Response:
    """Return the deliveries that a filter selects as a file; `Link` names the next part."""
    asked = from_query(schemas.ExportQuery, params)
    if asked.ids:
        selected = await export.named(asked.ids, app, cursor=asked.cursor)
    elif asked.about:
        selected = await export.related(
            asked.filter(), asked.about, app, limit=asked.limit, cursor=asked.cursor
        )
    else:
        selected = await export.select(asked.filter(), app, limit=asked.limit, cursor=asked.cursor)
    if asked.format == "zip":
        selected, bodies = await export.bodies(selected, app)
        content = await asyncio.to_thread(_zip, selected.rows, bodies)
    else:
        content = await asyncio.to_thread(_WRITERS[asked.format], selected.rows)
    name = f"printiq-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.{asked.format}"
    response = attachment(content, _MEDIA_TYPES[asked.format], name)
    if selected.cursor is None:
        return response
    asked_for = {name: value for name, value in params.items() if name != "code"}
    further = urlencode({**asked_for, "cursor": selected.cursor})
    link = f'<{app.settings.url}/api/export?{further}>; rel="next"'
    return response._replace(headers={**response.headers, "Link": link})


def _csv(rows: Iterable[DeliveryRow]) -> bytes:
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(_COLUMNS)
    for row in rows:
        members = schemas.DeliveryDetail.of(row).model_dump(mode="json", exclude_none=True)
        members["queues"] = " ".join(members.get("queues", ()))
        writer.writerow([_cell(members.get(column, "")) for column in _COLUMNS])
    # Excel reads the file as UTF-8 only with the mark
    return written.getvalue().encode("utf-8-sig", "replace")


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _ndjson(rows: Iterable[DeliveryRow]) -> bytes:
    return b"".join(schemas.DeliveryDetail.of(row).document() + b"\n" for row in rows)


_WRITERS = {"csv": _csv, "ndjson": _ndjson}


def _zip(rows: Sequence[DeliveryRow], bodies: Iterable[Body]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("deliveries.csv", _csv(rows))
        archive.writestr("deliveries.ndjson", _ndjson(rows))
        for body in bodies:
            if body.content is None:
                archive.writestr(f"bodies/{body.name}.missing.txt", body.missing)
            else:
                archive.writestr(f"bodies/{body.name}", body.content)
    return written.getvalue()
