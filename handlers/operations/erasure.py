"""Erase what is held of one person, and keep a record that it was done.

The bytes, the normalised data and every row that names a subject go; of the ledger's row remains that
something came, when, and that it was erased. Messages that consumers have taken are theirs to erase.
"""

import codecs
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from events import Delivery, EventError, Subject, timestamp
from handlers.app import App
from handlers.errors import NotFound
from handlers.ids import new_id, newest_first
from handlers.ledger.query import Filter, find, page
from handlers.ledger.write import OPEN, timeline_partition
from handlers.operations.retention import remove_traces
from handlers.paths import data_path, raw_paths
from handlers.pipeline.parsing import parse_delivery
from handlers.stores import BlobRef, ContainerName, Opened, Row, TableName

ERASURES = "erasures"

_PAGE = 200
_ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be")
_KEPT = (
    "PartitionKey",
    "RowKey",
    "id",
    "event",
    "channel",
    "receivedAt",
    "processedAt",
    "status",
    "size",
    "attempts",
)
_MAX_IDS = 800
# A shorter text is in nearly every body, and none is in all of them.
_SHORTEST_TEXT = 3


@dataclass(frozen=True, kw_only=True)
class Person:
    """Say whom to erase: by a subject (a customer, a contact), by a text in a delivery, or by both.

    Raises ValueError where nothing is said, or so little that it would tell everybody.
    """

    subject: Subject | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        if self.subject is None and self.text is None:
            raise ValueError("Say whom to erase: by a subject, by a text, or by both.")
        if self.subject is not None and not self.subject.key.strip():
            raise ValueError(f"A subject needs its key: {self.subject.kind}/ alone tells nobody.")
        if self.text is not None and len(self.text.strip()) < _SHORTEST_TEXT:
            raise ValueError(
                f"The text {self.text!r} is in nearly everything: give at least {_SHORTEST_TEXT} characters, "
                "not counting blanks around them."
            )


async def deliveries_of(person: Person, app: App) -> AsyncIterator[Row]:
    """Yield the deliveries that hold something of the person; a text is looked for in every kept body."""
    cursor: str | None = None
    selected = Filter()
    if person.subject is not None:
        selected = Filter(kind=person.subject.kind, subject=person.subject.key)
    while True:
        found = await page(app.stores.tables, selected, size=_PAGE, cursor=cursor)
        for each in found.rows:
            row = await find(app.stores.tables, str(each["id"]))
            if person.text is None or await _holds(row, person.text.lower(), app):
                yield row
        cursor = found.cursor
        if cursor is None:
            return


async def _holds(row: Row, text: str, app: App) -> bool:
    if not row.get("raw"):
        return False
    place = BlobRef.read(str(row["raw"]))
    try:
        if await _is_in(await app.stores.blobs.open(*place), text):
            return True
        if row["size"] > app.settings.max_body_bytes:
            return False
        body = await app.stores.blobs.get(*place)
    except NotFound:
        return False
    delivery = Delivery(
        id=str(row["id"]),
        event=str(row["event"]),
        body=body,
        channel=row["channel"],
        received_at=datetime.now(UTC),
    )
    try:
        # written with escapes it is found only when it is read
        return text in (await parse_delivery(delivery, app.settings)).data.decode().lower()
    except EventError:
        return False


async def _is_in(opened: Opened, text: str) -> bool:
    """Look for a text in bytes of any number, in each of the encodings that they may have."""
    readers = [codecs.getincrementaldecoder(encoding)("ignore") for encoding in _ENCODINGS]
    seen = ["" for _ in readers]
    async for chunk in opened.chunks():
        for number, reader in enumerate(readers):
            seen[number] = seen[number][-len(text) :] + reader.decode(chunk).lower()
            if text in seen[number]:
                return True
    return False


async def erase(row: Row, reason: str, person: Person, app: App) -> None:
    """Erase one delivery. Can be interrupted and done again: what leads to it goes last."""
    tables, delivery_id = app.stores.tables, str(row["id"])
    if not row.get("erased"):
        if row.get("raw"):
            await app.stores.blobs.delete(*BlobRef.read(str(row["raw"])))
        for container in (ContainerName.ARCHIVE, ContainerName.QUARANTINE):
            # what failed was archived before, and lies in both
            for path in raw_paths(str(row["event"]), delivery_id):
                await app.stores.blobs.delete(container, path)
        await app.stores.blobs.delete(ContainerName.ARCHIVE, data_path(str(row["event"]), delivery_id))
        await remove_traces(app, row, but=person.subject)
        await tables.delete(TableName.DELIVERIES, OPEN, newest_first(delivery_id))
        skeleton = {name: row[name] for name in _KEPT if name in row}
        await tables.replace(
            TableName.DELIVERIES,
            {**skeleton, "erased": timestamp(datetime.now(UTC)), "erasedBecause": reason},
            etag=row.etag,
        )
    if person.subject is not None:
        await tables.delete(TableName.TIMELINE, timeline_partition(person.subject), newest_first(delivery_id))


async def record(ids: list[str], reason: str, app: App) -> None:
    """Write down that an erasure was done: when, why, and of how many deliveries; not of whom."""
    now = datetime.now(UTC)
    await app.stores.tables.insert(
        TableName.DELIVERIES,
        {
            "PartitionKey": ERASURES,
            "RowKey": newest_first(new_id(now)),
            "erasedAt": timestamp(now),
            "reason": reason,
            "deliveries": len(ids),
            "ids": json.dumps(ids[:_MAX_IDS]),
        },
    )
