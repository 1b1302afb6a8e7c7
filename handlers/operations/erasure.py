"""Erases all data held about one person, and records the erasure.

The bytes, the normalised data and every row that names a subject are deleted. The ledger's row keeps only
that something came, when, and that it was erased; a message of it that is still in the inbox is then dropped.
Messages that consumers have taken are theirs to erase.
"""

import codecs
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from events import EventError, Subject
from handlers.app import App
from handlers.errors import NotFound, UnknownDelivery
from handlers.ledger import write
from handlers.ledger.query import Filter, find, page
from handlers.ledger.rows import DeliveryRow
from handlers.pipeline import archive, removal
from handlers.stores import INBOX_POISON_QUEUE, INBOX_QUEUE, BlobRef, Opened

_PAGE = 200
_ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be")
# A shorter text is in nearly every body; an empty one is in all of them.
_SHORTEST_TEXT = 3


@dataclass(frozen=True, kw_only=True)
class Person:
    """The person to erase: by a subject (a customer, a contact), by a text in a delivery, or by both.

    Raises ValueError if neither is given, or so little that it would match everybody.
    """

    subject: Subject | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        if self.subject is None and self.text is None:
            raise ValueError("Name the person to erase: by a subject, by a text, or by both.")
        if self.subject is not None and not self.subject.key.strip():
            raise ValueError(f"A subject needs its key: {self.subject.kind}/ alone names nobody.")
        if self.text is not None and len(self.text.strip()) < _SHORTEST_TEXT:
            raise ValueError(
                f"The text {self.text!r} is in nearly everything: give at least {_SHORTEST_TEXT} characters, "
                "not counting blanks around them."
            )


async def deliveries_of(person: Person, app: App) -> AsyncIterator[DeliveryRow]:
    """Yield the deliveries that hold data about the person; a text is searched for in every kept body.

    Messages in the inbox that were never tried are not searched: see `unsearched`.
    """
    cursor: str | None = None
    selected = Filter()
    if person.subject is not None:
        selected = Filter(kind=person.subject.kind, subject=person.subject.key)
    while True:
        found = await page(app.stores.tables, selected, size=_PAGE, cursor=cursor)
        for each in found.rows:
            try:
                row = await find(app.stores.tables, each.id)
            except UnknownDelivery:
                continue  # retention has just removed it, or its first row is about to be written
            if await _is_about(person, row, app):
                yield row
        cursor = found.cursor
        if cursor is None:
            return


async def unsearched(app: App) -> int:
    """Return about how many messages wait to be processed: their bodies could not be searched."""
    queues = app.stores.queues
    return await queues.depth(INBOX_QUEUE) + await queues.depth(INBOX_POISON_QUEUE)


async def _is_about(person: Person, row: DeliveryRow, app: App) -> bool:
    """Return whether a delivery, which is in the person's timeline if they have one, is theirs."""
    if person.text is None:
        return True
    if row.erased:  # its text is gone: what an interrupted erasure left is all that there is to find
        return person.subject is not None or await _has_bytes(row, app)
    return await _holds(row, person.text.lower(), app)


async def _has_bytes(row: DeliveryRow, app: App) -> bool:
    for place in removal.places(row.event, row.id):
        with contextlib.suppress(NotFound):
            await app.stores.blobs.find(*place)
            return True
    return False


async def _holds(row: DeliveryRow, text: str, app: App) -> bool:
    if any(text in value.lower() for value in row.columns().values() if isinstance(value, str)):
        return True
    # the row of a delivery that is being retried, or came back after an erasure, does not name the place
    for place in [row.raw] if row.raw else removal.places(row.event, row.id):
        try:
            if await _is_in_blob(place, row, text, app):
                return True
        except NotFound:
            continue
    return False


async def _is_in_blob(place: BlobRef, row: DeliveryRow, text: str, app: App) -> bool:
    """Search bytes, then the event parsed from them. Raises NotFound."""
    if await _is_in(await app.stores.blobs.open(*place), text):
        return True
    if row.size > app.settings.max_body_bytes:
        return False
    try:
        # a text written with escapes is found only in the parsed event
        return text in (await archive.parse_kept(row, place, app)).data.decode().lower()
    except EventError:
        return False


async def _is_in(opened: Opened, text: str) -> bool:
    """Search bytes of any length for a text, in each encoding that they may be in."""
    readers = [codecs.getincrementaldecoder(encoding)("ignore") for encoding in _ENCODINGS]
    seen = ["" for _ in readers]
    async for chunk in opened.chunks():
        for number, reader in enumerate(readers):
            seen[number] = seen[number][-len(text) :] + reader.decode(chunk).lower()
            if text in seen[number]:
                return True
    return False


async def erase(row: DeliveryRow, reason: str, person: Person, app: App) -> None:
    """Erase one delivery. Can be interrupted and repeated: what leads to the rest goes last.

    That is the row, then the bytes, in which a text is found, then the entry in the person's timeline.
    """
    stores = app.stores
    while True:
        await removal.forget(stores, row, but=person.subject)
        await removal.forget_sends(app, row)
        for subject in row.subjects[:1]:
            if subject != person.subject:
                await removal.restore_record(app, subject, row.id)
        if row.erased or await write.erase(stores.tables, row, reason):
            break
        try:
            row = await find(stores.tables, row.id)  # it was processed meanwhile
        except UnknownDelivery:
            break  # or removed by retention
    await removal.remove_bytes(stores, row.event, row.id)
    await removal.forget_sends(app, row)  # an attempt that did not know of the erasure may have ended since
    if person.subject is not None:
        named = row.model_copy(update={"subjects": (person.subject,), "terms": ()})
        await removal.forget(stores, named)


async def record(ids: Sequence[str], reason: str, app: App) -> None:
    """Record an erasure: when, why, and of which deliveries; not of whom."""
    await write.record_erasure(app.stores.tables, ids, reason)
