"""Every write to the ledger: the only writer of its tables (see `rows`).

`deliveries` is the source of truth, `timeline` its index by subject, `records` a view of the latest state,
`search` an index of that view. Every write is idempotent. A row of `deliveries` is replaced only in the state
that was read, so that no operator's decision is overwritten, nothing that retention removed comes back in
part, and nothing that was erased comes back at all.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import batched

from events import Event, Payload, Subject, timestamp
from handlers.errors import Conflict, Erased, NotFound
from handlers.ids import newest_first
from handlers.ledger import query
from handlers.ledger.rows import (
    OPEN,
    UNSENT,
    DeliveryRow,
    ErasureRow,
    Outcome,
    RecordRow,
    SearchRow,
    Status,
    TimelineRow,
    day,
    shortened,
    timeline_partition,
)
from handlers.ledger.words import keys_of
from handlers.stores import MAX_OPERATIONS, Entity, Row, TableName, Tables, some_at_once, table_key
from handlers.work import Work

type _Write = Callable[[], Awaitable[object]]


async def record(tables: Tables, work: Work, outcome: Outcome, event: Event[Payload] | None = None) -> None:
    """Write the outcome of a delivery to every table.

    Raises StorageFault, and Erased, after removing what was written of it, if the delivery was erased.
    """
    row = DeliveryRow.of(work, outcome, event)
    # the earlier row changes nothing in these writes, only in the row itself
    before = await _before(tables, row.id) if row.status in UNSENT else None
    writes = _index(tables, row, before, event, is_retry=work.attempt > 1)
    await some_at_once(lambda write: write(), writes)
    try:
        # last: a reader that finds this row finds the rest, and an erasure in the meantime is noticed
        before = await _put(tables, row, before)
    except Erased:
        await forget(tables, row)
        raise
    if before is not None and before.is_closed:
        await tables.delete(TableName.DELIVERIES, OPEN, row.row_key)


async def refuse_erased(tables: Tables, delivery_id: str) -> None:
    """Raise Erased if a delivery was erased."""
    await _before(tables, delivery_id)


async def _before(tables: Tables, delivery_id: str) -> DeliveryRow | None:
    """Return a delivery's row as it is. Raises Erased."""
    try:
        found = await tables.get(TableName.DELIVERIES, day(delivery_id), newest_first(delivery_id))
    except NotFound:
        return None
    return _not_erased(found)


def _not_erased(found: Row | None) -> DeliveryRow | None:
    row = DeliveryRow.read_ours(found)
    if row is not None and row.erased:
        raise Erased(f"The delivery {row.id} was erased on {row.erased}.")
    return row


def _index(
    tables: Tables,
    row: DeliveryRow,
    before: DeliveryRow | None,
    event: Event[Payload] | None,
    *,
    is_retry: bool,
) -> list[_Write]:
    """Return the writes beside the row itself."""
    writes: list[_Write] = []
    if row.status in UNSENT:
        if before is None or not before.is_closed:
            entity = {**row.over(before).columns(), "PartitionKey": OPEN, "RowKey": row.row_key}
            writes.append(partial(tables.put, TableName.DELIVERIES, entity))
    elif is_retry:  # a later attempt than this one may have been given up
        writes.append(partial(tables.delete, TableName.DELIVERIES, OPEN, row.row_key))
    writes += [partial(tables.put, TableName.TIMELINE, entity) for entity in _in_timeline(row)]
    if event is not None and event.subject is not None and row.status in {Status.SENT, Status.DUPLICATE}:
        record = RecordRow.of(row, event, event.subject)
        writes.append(partial(_put_record, tables, record, event.subject, is_retry=is_retry))
    return writes


def _in_timeline(row: DeliveryRow) -> Iterator[Entity]:
    """Yield a row for each subject; those of all but the first differ in their partition alone."""
    for is_primary, subjects in ((True, row.subjects[:1]), (False, row.subjects[1:])):
        if subjects:
            columns = TimelineRow.of(row, primary=is_primary).columns()
            for subject in subjects:
                yield {**columns, "PartitionKey": timeline_partition(subject), "RowKey": row.row_key}


async def _put_record(tables: Tables, record: RecordRow, subject: Subject, *, is_retry: bool) -> None:
    """Write the latest state of a subject, unless a later delivery has, and what the subject is found by."""
    written = record

    def changed(found: Row | None) -> Entity | None:
        nonlocal written
        before = RecordRow.read_ours(found)
        if before is None:
            written = record
        # a replay's state is its original's: the record stays the replay's, which retention keeps longer
        elif (before.order, before.delivery) <= (record.order, record.delivery):
            written = record.with_more(before.all_terms)
        else:
            written = before.with_more((*before.more_terms, *record.terms))
        return None if written == before else written.columns()

    found = await tables.update(TableName.RECORDS, subject.kind, table_key(subject.key), changed, unread=True)
    before = RecordRow.read_ours(found)
    # an earlier try may have ended between the two writes
    is_again = is_retry or (before is not None and before.delivery == record.delivery)
    if before is None or is_again or not set(record.terms) <= set(before.all_terms):
        await _put_in_search(tables, written, subject)


async def _put_in_search(tables: Tables, record: RecordRow, subject: Subject) -> None:
    columns = {term: SearchRow.of(record, term).columns() for term in record.all_terms}
    rows = {key: columns[term] for key, term in keys_of(subject, record.all_terms).items()}
    if rows:
        await tables.put_all(TableName.SEARCH, subject.kind, rows)


async def index_again(tables: Tables, subject: Subject, left: Sequence[str]) -> None:
    """Remove the rows that a removed record left in the index, and write those of the present record."""
    for keys in batched(left, MAX_OPERATIONS, strict=False):
        await tables.delete_all(TableName.SEARCH, subject.kind, keys)
    record = await query.latest(tables, subject)
    if record is not None:
        await _put_in_search(tables, record, subject)


async def _forget_record(tables: Tables, row: DeliveryRow, subject: Subject) -> None:
    """Remove a subject's record if it is of this delivery, and what only this one brought to find it by."""
    place = TableName.RECORDS, subject.kind, table_key(subject.key)
    found = await tables.delete_if(*place, lambda record: record.get("delivery") == row.id)
    record = RecordRow.read_ours(found)
    if record is not None and set(row.terms) <= set(record.terms):
        return

    def without(found: Row | None) -> Entity | None:
        nonlocal record
        before = RecordRow.read_ours(found)
        if before is None:
            record = None
            return None
        record = before.with_more(term for term in before.more_terms if term not in row.terms)
        return None if record == before else record.columns()

    await tables.update(*place, without)
    kept = keys_of(subject, record.all_terms) if record is not None else {}
    gone = keys_of(subject, row.terms).keys() - kept.keys()
    if not gone:
        return
    await tables.delete_all(TableName.SEARCH, subject.kind, sorted(gone))
    # one that came meanwhile may have found its own rows there and left it at that
    latest = await query.latest(tables, subject)
    if latest is not None and gone & keys_of(subject, latest.all_terms).keys():
        await _put_in_search(tables, latest, subject)


async def _put(tables: Tables, row: DeliveryRow, before: DeliveryRow | None) -> DeliveryRow | None:
    """Write a delivery's row, and return the one that it replaces. Raises Erased."""
    if before is None:
        try:
            await tables.insert(TableName.DELIVERIES, _entity(row))
        except Conflict:
            pass  # the message is processed twice at once
        else:
            return None
    found = await tables.update(
        TableName.DELIVERIES, row.partition, row.row_key, lambda found: row.over(_not_erased(found)).columns()
    )
    return _not_erased(found)


def _entity(row: DeliveryRow) -> Entity:
    return {**row.columns(), "PartitionKey": row.partition, "RowKey": row.row_key}


async def intend_replay(tables: Tables, row: DeliveryRow, intention: str) -> None:
    """Record the id of a replay before it is sent: after an interruption it is the same one.

    Raises Conflict if the row was changed since it was read, NotFound if it is gone.
    """
    await tables.replace(
        TableName.DELIVERIES, _entity(row.model_copy(update={"replaying": intention})), etag=row.etag
    )


async def replayed(tables: Tables, delivery_id: str, replay_id: str, *, by: str | None = None) -> None:
    """Record that a replay is in custody, and who requested it; this closes the delivery."""
    update = {"replaying": None, "replayed_by": replay_id, **({"decided_by": by} if by else {})}
    await _close(tables, delivery_id, lambda row: row.model_copy(update=update))


async def dismiss(
    tables: Tables,
    delivery_id: str,
    reason: str,
    check: Callable[[DeliveryRow], object],
    *,
    by: str | None = None,
) -> None:
    """Record why a delivery needs nothing more, and who decided it; this closes it. Raises as `check`."""

    def dismissed(row: DeliveryRow) -> DeliveryRow:
        check(row)
        now = timestamp(datetime.now(UTC))
        decision = {"dismissed": shortened(reason), "dismissed_at": now, "decided_by": by or row.decided_by}
        return row.model_copy(update=decision)

    await _close(tables, delivery_id, dismissed)


async def _close(tables: Tables, delivery_id: str, change: Callable[[DeliveryRow], DeliveryRow]) -> None:
    """Change a delivery's row, if there is one still and it was not erased, and remove its copy in OPEN."""

    def changed(found: Row | None) -> Entity | None:
        row = DeliveryRow.read_ours(found)
        return change(row).columns() if row is not None and not row.erased else None

    await tables.update(TableName.DELIVERIES, day(delivery_id), newest_first(delivery_id), changed)
    await take_off_open(tables, delivery_id)


async def take_off_open(tables: Tables, delivery_id: str) -> None:
    """Remove a delivery's copy in OPEN, which an interruption may have left. Raises StorageFault."""
    await tables.delete(TableName.DELIVERIES, OPEN, newest_first(delivery_id))


async def forget(tables: Tables, row: DeliveryRow, *, but: Subject | None = None) -> None:
    """Remove a delivery from the other tables of the ledger; it stays in the timeline of `but`."""
    for subject in row.subjects[:1]:  # the others have neither record nor search
        await _forget_record(tables, row, subject)
    for subject in row.subjects:
        if subject != but:
            await forget_in_timeline(tables, row.id, subject)
    await tables.delete(TableName.DELIVERIES, OPEN, row.row_key)


async def restore_record(tables: Tables, row: DeliveryRow, event: Event[Payload]) -> bool:
    """Make the state that a delivery brought the record of its subject again, unless there is a later one.

    Returns False if the delivery's row has changed since it was read.
    """
    assert event.subject is not None
    await _put_record(tables, RecordRow.of(row, event, event.subject), event.subject, is_retry=False)
    try:
        # the same columns in a new state: an erasure of it that has begun begins again, and sees the record
        await tables.replace(TableName.DELIVERIES, _entity(row), etag=row.etag)
    except (Conflict, NotFound):
        await _forget_record(tables, row, event.subject)
        return False
    return True


async def forget_in_timeline(tables: Tables, delivery_id: str, subject: Subject) -> None:
    """Remove a delivery from the timeline of a subject."""
    await tables.delete(TableName.TIMELINE, timeline_partition(subject), newest_first(delivery_id))


async def remove(tables: Tables, row: Row) -> None:
    """Remove a row of `deliveries`, whatever it holds."""
    await tables.delete(TableName.DELIVERIES, str(row["PartitionKey"]), str(row["RowKey"]))


async def erase(tables: Tables, row: DeliveryRow, reason: str) -> bool:
    """Reduce a row to its arrival and its erasure; return False if it changed since it was read."""
    try:
        await tables.replace(
            TableName.DELIVERIES, _entity(row.erased_at(datetime.now(UTC), reason)), etag=row.etag
        )
    except Conflict:
        return False
    except NotFound:
        return True  # retention removed it first
    return True


async def record_erasure(tables: Tables, ids: Sequence[str], reason: str) -> None:
    """Record an erasure: when, why, and of which deliveries; not of whom."""
    # no insert: if the response is lost and the call sent again, its own row would be in its way
    await tables.put(TableName.ERASURES, ErasureRow.of(ids, reason, datetime.now(UTC)).entity())
