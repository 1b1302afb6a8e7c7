"""The outcomes of deliveries at the subscriptions that they are pushed to, or were withheld from.

A subscription's partition has a row for each delivery, newest first. What is not delivered has a copy in a
partition of its own, oldest first, so that what was missed, and for how long, is found without a scan. The
copy is written after the row, and removed after it: without a row there is no copy. After a crash between
the two, the push runs again.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable
from datetime import datetime
from functools import partial
from hashlib import blake2b
from itertools import compress
from typing import NamedTuple

from pydantic import AwareDatetime

from events import timestamp
from handlers.errors import Erased, NotFound
from handlers.ids import just_before, newest_first
from handlers.ledger import write
from handlers.ledger.query import quoted
from handlers.ledger.rows import (
    UNDELIVERED,
    LedgerRow,
    SendRow,
    SendState,
    copy_keys,
    shortened,
    undelivered,
)
from handlers.pushes import Attributes, CloudEvent
from handlers.stores import Continuation, TableName, Tables, some_at_once

_PAGE = 1000


def digest(message: bytes) -> str:
    return blake2b(message, digest_size=8).hexdigest()


def new_row(
    subscription: str, attributes: Attributes, message: bytes, state: SendState, moment: datetime
) -> SendRow:
    """Return the first row of a message at a subscription."""
    return SendRow(
        subscription=subscription,
        delivery=attributes.delivery,
        event=attributes.event,
        kind=attributes.kind,
        subject=shortened(attributes.subject) if attributes.subject else None,
        state=state,
        first_at=timestamp(moment),
        last_at=timestamp(moment),
        digest=digest(message),
    )


async def find(tables: Tables, subscription: str, delivery_id: str) -> SendRow | None:
    """Return the row of a delivery at a subscription, None if there is none."""
    try:
        row = await tables.get(TableName.SENDS, subscription, newest_first(delivery_id))
    except NotFound:
        return None
    return SendRow.read_ours(row)


async def record(tables: Tables, row: SendRow, *, is_new: bool) -> None:
    """Write a row and its copy. Raises Erased, after removing both, if the delivery was erased."""
    await tables.put(TableName.SENDS, row.entity())
    if row.state in UNDELIVERED:
        await tables.put(TableName.SENDS, row.copy_entity())
    elif not is_new:
        await tables.delete(TableName.SENDS, *copy_keys(row.subscription, row.delivery))
    try:
        await write.refuse_erased(tables, row.delivery)
    except Erased:
        await forget(tables, [row.subscription], row.delivery)
        raise


async def withhold(tables: Tables, subscription: str, message: bytes, reason: str, moment: datetime) -> None:
    """Record that a paused subscription did not get a message, unless it got it before. Raises Erased."""
    attributes = CloudEvent.read(message).attributes
    before = await find(tables, subscription, attributes.delivery)
    if before is not None and before.has_got(digest(message)):
        return
    row = new_row(subscription, attributes, message, SendState.PAUSED, moment)
    await record(tables, row.model_copy(update={"error": shortened(reason)}), is_new=before is None)


async def replayed(tables: Tables, row: SendRow, replay_id: str) -> None:
    """Record that a missed delivery was replayed. Raises Conflict if its copy changed since it was read.

    Can be interrupted and repeated: the copy goes last.
    """
    done = row.model_copy(update={"state": SendState.REPLAYED, "replayed_by": replay_id, "next_at": None})
    await tables.update(
        TableName.SENDS,
        row.subscription,
        newest_first(row.delivery),
        lambda found: done.columns() if found is not None and found.get("state") == row.state else None,
    )
    await tables.delete(TableName.SENDS, *copy_keys(row.subscription, row.delivery), etag=row.etag)


class Page(NamedTuple):
    """Rows of a subscription, and the cursor of the page that follows, None after the last."""

    rows: tuple[SendRow, ...]
    cursor: str | None


async def page(
    tables: Tables,
    subscription: str,
    *,
    size: int,
    state: SendState | None = None,
    cursor: str | None = None,
) -> Page:
    """Return up to `size` rows, newest first; those of a state that is not delivered, oldest first."""
    partition = undelivered(subscription) if state in UNDELIVERED else subscription
    condition = f"PartitionKey eq {quoted(partition)}"
    if state is not None:
        condition += f" and state eq '{state}'"
    if cursor is not None:
        condition += f" and RowKey gt {quoted(cursor)}"
    rows, more = await tables.page(TableName.SENDS, condition, size=size)
    while more is not None and len(rows) < size:
        found, more = await tables.page(TableName.SENDS, condition, size=size - len(rows), after=more)
        rows += found
    ours = tuple(row for row in map(SendRow.read_ours, rows) if row is not None)
    return Page(ours, str(rows[-1]["RowKey"]) if len(rows) == size else None)


def missed(tables: Tables, subscription: str) -> AsyncIterator[SendRow]:
    """Yield what a subscription has not got and will not get unless it is replayed, oldest first."""
    return _undelivered(tables, subscription, SendState.FAILED, SendState.PAUSED)


def waiting(tables: Tables, subscription: str) -> AsyncIterator[SendRow]:
    """Yield what is to be pushed to a subscription again, oldest first."""
    return _undelivered(tables, subscription, SendState.WAITING)


async def _undelivered(tables: Tables, subscription: str, *states: SendState) -> AsyncIterator[SendRow]:
    any_of = " or ".join(f"state eq '{state}'" for state in states)
    condition = f"PartitionKey eq {quoted(undelivered(subscription))} and ({any_of})"
    async for row in tables.query(TableName.SENDS, condition):
        if (ours := SendRow.read_ours(row)) is not None:
            yield ours


class Backlog(NamedTuple):
    """What a subscription has not got, of the oldest _PAGE; `oldest` is when what waits was first tried."""

    waiting: int
    failed: int
    paused: int
    more: bool
    oldest: datetime | None


class _Counted(LedgerRow):
    """What is counted of a SendRow."""

    table = TableName.SENDS

    state: SendState
    first_at: AwareDatetime


async def backlog(tables: Tables, subscription: str) -> Backlog:
    """Count what a subscription has not got: one request."""
    rows, more = await tables.page(
        TableName.SENDS,
        f"PartitionKey eq {quoted(undelivered(subscription))}",
        size=_PAGE,
        columns=["PartitionKey", "RowKey", "state", "firstAt"],
    )
    counted = [row for row in map(_Counted.read_ours, rows) if row is not None]
    states = [row.state for row in counted]
    return Backlog(
        waiting=states.count(SendState.WAITING),
        failed=states.count(SendState.FAILED),
        paused=states.count(SendState.PAUSED),
        more=more is not None,
        oldest=min((row.first_at for row in counted if row.state is SendState.WAITING), default=None),
    )


async def of_delivery(tables: Tables, subscriptions: Iterable[str], delivery_id: str) -> list[SendRow]:
    """Return the rows of a delivery at these subscriptions, where there are any."""
    found = await asyncio.gather(*(find(tables, name, delivery_id) for name in subscriptions))
    return [row for row in found if row is not None]


async def undelivered_among(tables: Tables, subscription: str, deliveries: Collection[str]) -> set[str]:
    """Return which of these deliveries a subscription has not got.

    One request; where more than a page of deliveries did not reach it in their time, one more for each of
    these that is behind the page.
    """
    keys = {copy_keys(subscription, each)[1]: each for each in deliveries}
    partition = undelivered(subscription)
    rows, more = await tables.page(
        TableName.SENDS,
        f"PartitionKey eq {quoted(partition)} and RowKey ge '{min(keys)}' and RowKey le '{max(keys)}'",
        size=_PAGE,
        columns=["RowKey"],
    )
    found = {str(row["RowKey"]) for row in rows} & keys.keys()
    if more is not None:
        last = max((str(row["RowKey"]) for row in rows), default="")
        behind = [key for key in keys if key > last]
        exist = await some_at_once(partial(tables.exists, TableName.SENDS, partition), behind)
        found.update(compress(behind, exist))
    return {keys[key] for key in found}


async def forget(tables: Tables, subscriptions: Iterable[str], delivery_id: str) -> None:
    """Remove a delivery's rows at these subscriptions."""
    key = newest_first(delivery_id)
    for name in subscriptions:
        await tables.delete(TableName.SENDS, *copy_keys(name, delivery_id))
        await tables.delete(TableName.SENDS, name, key)


async def past(tables: Tables, until: datetime, size: int) -> AsyncIterator[tuple[str, list[str]]]:
    """Yield the deliveries from before a moment that a subscription has rows of, up to `size` at a time."""
    async for subscription in subscriptions(tables):
        condition = f"PartitionKey eq {quoted(subscription)} and RowKey gt '{just_before(until)}'"
        after: Continuation | None = None
        while True:
            rows, after = await tables.page(TableName.SENDS, condition, size=size, after=after)
            ours = map(SendRow.read_ours, rows)
            yield subscription, [row.delivery for row in ours if row is not None]
            if after is None:
                break


async def subscriptions(tables: Tables) -> AsyncIterator[str]:
    """Yield each subscription that has rows, in a request or two for each."""
    condition, after = "", None
    while True:
        rows, after = await tables.page(
            TableName.SENDS, condition, size=1, after=after, columns=["PartitionKey"]
        )
        if rows:
            partition = str(rows[0]["PartitionKey"])
            if not partition.endswith(undelivered("")):
                yield partition
            condition, after = f"PartitionKey gt {quoted(partition)}", None
        elif after is None:
            return
