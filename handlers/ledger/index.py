"""The search index compared with the records that it is made from."""

from collections import defaultdict
from collections.abc import AsyncIterator
from typing import NamedTuple

from events import Kind, Subject
from handlers.ledger import query
from handlers.ledger.rows import ForeignRow, RecordRow, SearchRow
from handlers.ledger.words import keys_of
from handlers.stores import MAX_OPERATIONS, TableName, Tables

# All but the data.
_COLUMNS = [
    "PartitionKey", "RowKey", "subject", "event", "delivery", "order", "receivedAt", "terms", "moreTerms",
]  # fmt: skip


class Wrong(NamedTuple):
    """A subject that lacks rows, or that has no record and of which rows are `left` (their keys)."""

    subject: Subject
    left: tuple[str, ...] = ()

    def __str__(self) -> str:
        name = f"{self.subject.kind} {self.subject.key}"
        if self.left:
            return f"there is no record of {name}, but the search index has rows of it"
        return f"the search index lacks rows of {name}"


async def wrong(tables: Tables, kind: Kind) -> AsyncIterator[Wrong | ForeignRow]:
    """Yield the subjects of a kind whose rows are wrong, and rows that are not this app's.

    Reads its records and its rows once. What differs is looked up again, since events may come meanwhile.
    """
    # by the hash of the key: a kind may have a million rows
    wanted: dict[int, str] = {}
    known: set[str] = set()
    is_kind = f"PartitionKey eq '{kind}'"
    async for row in tables.query(TableName.RECORDS, is_kind, columns=_COLUMNS):
        record = RecordRow.read_or_name(row)
        if isinstance(record, ForeignRow):
            yield record
            continue
        known.add(record.subject)
        wanted.update((hash(key), record.subject) for key in _keys(kind, record))
    left: defaultdict[str, list[str]] = defaultdict(list)
    async for row in tables.query(TableName.SEARCH, is_kind):
        found = SearchRow.read_or_name(row)
        if isinstance(found, ForeignRow):
            yield found
            continue
        wanted.pop(hash(row["RowKey"]), None)
        if found.subject not in known:
            left[found.subject].append(str(row["RowKey"]))
    for key in sorted(set(wanted.values())):
        subject = Subject(kind, key)
        if await _lacks_rows(tables, subject):
            yield Wrong(subject)
    for key, keys in left.items():
        subject = Subject(kind, key)
        if await query.latest(tables, subject) is None:
            yield Wrong(subject, tuple(keys))


def _keys(kind: Kind, record: RecordRow) -> set[str]:
    """Return the keys of the rows that a record must have."""
    subject = Subject(kind, record.subject)
    keys = keys_of(subject, record.all_terms)
    if len(keys) == MAX_OPERATIONS:  # which of the others had room depends on the order of the events
        keys = keys_of(subject, record.all_terms[:1])
    return set(keys)


async def _lacks_rows(tables: Tables, subject: Subject) -> bool:
    record = await query.latest(tables, subject)
    if record is None:
        return False
    for key in _keys(subject.kind, record):
        if not await tables.exists(TableName.SEARCH, subject.kind, key):
            return True
    return False
