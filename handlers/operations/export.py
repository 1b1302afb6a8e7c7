"""Deliveries that a filter selects, with their bytes, to take out of the app."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import NamedTuple

from events import Kind, Subject
from handlers.app import App
from handlers.errors import NotFound, NothingKept, NotPossible, UnknownDelivery
from handlers.ids import newest_first
from handlers.ledger.query import Filter, find, kept, page
from handlers.ledger.rows import DeliveryRow, TimelineRow
from handlers.stores import some_at_once

# Well before the platform ends a request, after 230 seconds.
_SECONDS = 100
_PAGE = 500
# The newest deliveries of a subject, in which what is related to it is looked for.
_MOST_OF_SUBJECT = 5000
# The bodies of one export are in memory at once.
_MAX_BODIES = 50 * 1024 * 1024


class Body(NamedTuple):
    """A delivery's bytes as received, or why there are none."""

    row: DeliveryRow
    name: str
    content: bytes | None
    missing: str = ""


class Selected(NamedTuple):
    """Rows, newest first; `cursor` continues where this call stopped, and is None at the end."""

    rows: Sequence[DeliveryRow]
    cursor: str | None


async def select(selection: Filter, app: App, *, limit: int, cursor: str | None) -> Selected:
    """Return up to `limit` rows of what a filter selects. Raises BadCursor and StorageFault."""
    rows: list[DeliveryRow] = []
    deadline = monotonic() + _SECONDS
    while len(rows) < limit and monotonic() < deadline:
        found = await page(app.stores.tables, selection, size=min(_PAGE, limit - len(rows)), cursor=cursor)
        rows += await _whole(found.rows, app)
        cursor = found.cursor
        if cursor is None:
            break
    return Selected(rows, cursor)


async def related(selection: Filter, about: Subject, app: App, *, limit: int, cursor: str | None) -> Selected:
    """Return what a filter selects about a subject, and about all that its deliveries name.

    A customer's are the quotes, jobs and invoices whose deliveries name it, with every later event of theirs;
    the other way round, a job's do not lead to all jobs of its customer. Raises BadCursor, StorageFault, and
    NotPossible if it takes too long.
    """

    async def select_about(subject: Subject) -> list[DeliveryRow | TimelineRow]:
        one = replace(selection, kind=subject.kind, subject=subject.key)
        return [row async for row in _pages(one, app, limit=limit + 1, cursor=cursor)]

    try:
        async with asyncio.timeout(_SECONDS):
            whole = Filter(kind=about.kind, subject=about.key)
            own = await _whole([row async for row in _pages(whole, app, limit=_MOST_OF_SUBJECT)], app)
            subjects = dict.fromkeys(each for row in own for each in row.subjects)
            subjects[about] = None
            found = await some_at_once(
                select_about,
                (each for each in subjects if each == about or each.kind is not Kind.CUSTOMER),
            )
            by_id = {row.id: row for rows in found for row in rows}
            newest = sorted(by_id.values(), key=lambda row: newest_first(row.id))
            rows = await _whole(newest[:limit], app)
    except TimeoutError as error:
        raise NotPossible(
            f"Too much is related to {about.kind} {about.key!r} to gather it in one request. "
            "Export it by `kind` and `subject`, and its quotes, jobs and invoices one by one."
        ) from error
    return Selected(rows, newest_first(newest[limit - 1].id) if len(newest) > limit else None)


async def _pages(
    selection: Filter, app: App, *, limit: int, cursor: str | None = None
) -> AsyncIterator[DeliveryRow | TimelineRow]:
    left = limit
    while left:
        found = await page(app.stores.tables, selection, size=min(_PAGE, left), cursor=cursor)
        for row in found.rows:
            yield row
        left -= len(found.rows)
        cursor = found.cursor
        if cursor is None:
            return


async def named(ids: Iterable[str], app: App, *, cursor: str | None) -> Selected:
    """Return the rows of these deliveries, where there are any, from the cursor on. Raises StorageFault."""
    rows = sorted(await _found(set(ids), app), key=lambda row: newest_first(row.id))
    return Selected([row for row in rows if cursor is None or newest_first(row.id) > cursor], None)


async def bodies(selected: Selected, app: App, at_most: int = _MAX_BODIES) -> tuple[Selected, Sequence[Body]]:
    """Read the bytes of the rows, and leave out the rows beyond `at_most` bytes; one row always stays."""
    total = 0
    for index, row in enumerate(selected.rows):
        total += row.size if _is_read(row, app) else 0
        if index and total > at_most:
            last = selected.rows[index - 1]
            selected = Selected(selected.rows[:index], newest_first(last.id))
            break
    return selected, await some_at_once(partial(_body, app=app), selected.rows)


def _is_read(row: DeliveryRow, app: App) -> bool:
    return row.size <= app.settings.max_body_bytes


async def _body(row: DeliveryRow, app: App) -> Body:
    name = f"{row.event}/{row.id}"
    try:
        place = kept(row)
        if not _is_read(row, app):
            return Body(
                row, name, None, f"It has {row.size:,} bytes, too many to export. It is kept in {place}."
            )
        content = await app.stores.blobs.get(*place)
    except NothingKept as error:
        return Body(row, name, None, str(error))
    except NotFound:
        return Body(row, name, None, "Its bytes are no longer kept.")
    return Body(row, f"{name}.{place.name.rpartition('.')[2]}", content)


async def _whole(rows: Sequence[DeliveryRow | TimelineRow], app: App) -> list[DeliveryRow]:
    """Look up the whole rows of those in a timeline, which hold only a part."""
    parts = await _found((row.id for row in rows if isinstance(row, TimelineRow)), app)
    whole = {row.id: row for row in [*parts, *(row for row in rows if isinstance(row, DeliveryRow))]}
    return [whole[row.id] for row in rows if row.id in whole]


async def _found(ids: Iterable[str], app: App) -> list[DeliveryRow]:
    async def find_one(delivery_id: str) -> DeliveryRow | None:
        try:
            return await find(app.stores.tables, delivery_id)
        except UnknownDelivery:
            return None

    return [row for row in await some_at_once(find_one, ids) if row is not None]
