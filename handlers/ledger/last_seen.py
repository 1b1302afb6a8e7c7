"""When each event last came: a row per event, which tells of one that does not come any more.

A process writes an event's row at most every few minutes, so that it costs a busy app nothing; and never
back in time, whatever the order in which deliveries are processed.
"""

import contextlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from events import timestamp
from handlers.errors import Conflict, NotFound, StorageFault
from handlers.paths import UNKNOWN_EVENT, folder
from handlers.stores import TableName, Tables
from handlers.work import Work

_PARTITION = "event"
# A row may be this much behind: little beside the hours for which an event may be silent.
_EVERY = timedelta(minutes=5)


@dataclass
class _Memory:
    noted: dict[str, datetime] = field(default_factory=dict)


_memories: WeakKeyDictionary[Tables, _Memory] = WeakKeyDictionary()


async def note(tables: Tables, work: Work) -> None:
    """Note that an event came, unless it is a replay. Where storage fails, the next delivery does it."""
    event = folder(work.event)
    if work.replay is not None or event == UNKNOWN_EVENT:
        return
    noted = _memories.setdefault(tables, _Memory()).noted
    if event in noted and work.received_at - noted[event] < _EVERY:
        return
    with contextlib.suppress(StorageFault):
        noted[event] = await _latest(tables, event, work.received_at)


async def _latest(tables: Tables, event: str, received_at: datetime) -> datetime:
    """Write when the event came, unless a later time stands there; return the time that does."""
    row = {"PartitionKey": _PARTITION, "RowKey": event, "receivedAt": timestamp(received_at)}
    try:
        found = await tables.get(TableName.ARRIVALS, _PARTITION, event)
    except NotFound:
        found = None
    if found is not None and (there := datetime.fromisoformat(found["receivedAt"])) >= received_at:
        return there
    with contextlib.suppress(Conflict, NotFound):  # another process notes it at this moment
        if found is None:
            await tables.insert(TableName.ARRIVALS, row)
        else:
            await tables.replace(TableName.ARRIVALS, row, etag=found.etag)
    return received_at


async def last(tables: Tables) -> dict[str, datetime]:
    """Tell when each event last came that ever did. Raises StorageFault."""
    rows = tables.query(TableName.ARRIVALS, f"PartitionKey eq '{_PARTITION}'")
    return {str(row["RowKey"]): datetime.fromisoformat(row["receivedAt"]) async for row in rows}
