"""Send a delivery through again from its kept bytes, or say that nothing more is to be done about it.

A replay is a new delivery: it keeps the CloudEvents id and ordering time of what it repeats, and names it.
Its id is noted on the old row before it is sent, with the event and the queues, so that a replay that was
interrupted and is asked for again is the same one.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import Any, NamedTuple

from events import BodyTooLarge, Channel, EventType
from handlers.app import App
from handlers.errors import NotFound, NothingKept, NotReplayable
from handlers.ids import new_id, time_of
from handlers.ledger import write
from handlers.ledger.query import Filter, find, kept, page
from handlers.ledger.write import Status
from handlers.paths import UNKNOWN_EVENT
from handlers.pipeline import inbox
from handlers.stores import BlobRef
from handlers.work import Replay, Work

_log = logging.getLogger("printiq.replay")

# A replay of thousands must not crowd out what printIQ sends meanwhile.
_PER_SECOND = 50
_MOST_AT_ONCE = 500
_PAGE = 100
# Well before the platform ends a request, after 230 seconds.
_SECONDS = 150
# What can be dismissed: nothing came of it so far.
_OPEN = {Status.QUARANTINED, Status.FAILED}


class Wish(NamedTuple):
    """Say how to replay: as another event if the sender had the wrong one, to all its queues or to some."""

    event: str | None = None
    queues: tuple[str, ...] | None = None


class Replayed(NamedTuple):
    id: str
    replay_of: str
    event: str


_AS_IT_WAS = Wish()


class ManyReplayed(NamedTuple):
    """Say how many were found and replayed; `cursor` goes on where this call stopped, None at the end."""

    matched: int
    replayed: tuple[Replayed, ...]
    skipped: int
    cursor: str | None


async def check(delivery_id: str, app: App, wish: Wish = _AS_IT_WAS) -> EventType:
    """Return the event that a delivery would be replayed as, and write nothing. Raises what `replay` does."""
    event, _ = await _check(await find(app.stores.tables, delivery_id), app, wish)
    return event


async def replay(delivery_id: str, app: App, wish: Wish = _AS_IT_WAS) -> Replayed:
    """Replay one delivery. Raises UnknownDelivery, UnknownEvent, NotReplayable and StorageFault."""
    return await _replay(await find(app.stores.tables, delivery_id), app, wish)


async def _check(row: Mapping[str, Any], app: App, wish: Wish) -> tuple[EventType, BlobRef]:
    """Return the event to replay it as, and where its bytes are kept."""
    event = _event(row, wish.event)
    _check_queues(wish.queues, event, app)
    raw = await _kept_bytes(row, app)
    if row["size"] > app.settings.max_body_bytes:
        said = BodyTooLarge.of(row["size"], app.settings.max_body_bytes).message
        raise NotReplayable(f"{said} Raise that setting first, or dismiss it.")
    return event, raw


async def _replay(row: Mapping[str, Any], app: App, wish: Wish) -> Replayed:
    delivery_id = str(row["id"])
    as_event, raw = await _check(row, app, wish)
    how = f"as {as_event} to {'all' if wish.queues is None else ','.join(wish.queues)}"
    begun, _, begun_how = str(row.get("replaying") or "").partition(" ")
    replay_id = begun if begun_how == how else new_id(datetime.now(UTC))
    await write.intend_replay(app.stores.tables, delivery_id, f"{replay_id} {how}")
    work = Work(
        id=replay_id,
        event=as_event,
        channel=Channel(row["channel"]),
        received_at=time_of(replay_id),
        content_type=row.get("contentType"),
        size=row["size"],
        blob=raw,
        replay=Replay(of=delivery_id, origin=str(row.get("origin") or delivery_id), queues=wish.queues),
    )
    await inbox.requeue(app.stores, work, delay=0)
    await write.replayed(app.stores.tables, delivery_id, replay_id)
    return Replayed(replay_id, delivery_id, as_event)


def _event(row: Mapping[str, Any], event: str | None) -> EventType:
    if event is None and row["event"] == UNKNOWN_EVENT:
        raise NotReplayable("It came under a name that is no event's. Say which event it is (replay as …).")
    return EventType.named(event or row["event"])


def _check_queues(queues: tuple[str, ...] | None, event: EventType, app: App) -> None:
    if queues is None:
        return
    subscribed = [name for name, _ in app.subscriptions.of(event)]
    unknown = [name for name in queues if name not in subscribed]
    if unknown:
        raise NotReplayable(
            f"No subscription sends {event} to {', '.join(unknown)}. "
            f"It goes to {', '.join(subscribed) or 'no queue'}."
        )


async def _kept_bytes(row: Mapping[str, Any], app: App) -> BlobRef:
    try:
        place = kept(row)
    except NothingKept as error:
        raise NotReplayable(f"{error}{' Dismiss it.' if _can_be_dismissed(row) else ''}") from error
    try:
        await app.stores.blobs.find(*place)
    except NotFound as error:
        raise NotReplayable(
            f"Its bytes are gone from {place}: they are kept for as long as RETENTION_DAYS says."
        ) from error
    return place


async def replay_many(  # noqa: PLR0913 - what, how, and how much of it
    selection: Filter,
    app: App,
    wish: Wish = _AS_IT_WAS,
    *,
    dry_run: bool = False,
    limit: int = _MOST_AT_ONCE,
    cursor: str | None = None,
) -> ManyReplayed:
    """Replay what a filter selects and was not replayed yet, at most `limit`, newest first.

    Can be interrupted and asked for again: what was replayed is passed over. A dry run counts what could be
    replayed. After _SECONDS it stops, and its cursor goes on.
    """
    matched = skipped = 0
    done: list[Replayed] = []
    deadline = monotonic() + _SECONDS
    while matched < limit and monotonic() < deadline:
        found = await page(app.stores.tables, selection, size=min(_PAGE, limit - matched), cursor=cursor)
        cursor = found.cursor
        for each in found.rows:
            row = await find(app.stores.tables, str(each["id"]))
            if _is_done(row, selection):
                skipped += 1
                if not dry_run and row.get("replayedBy"):  # an interruption may have left it open
                    await write.replayed(app.stores.tables, str(row["id"]), str(row["replayedBy"]))
                continue
            try:
                if dry_run:
                    await _check(row, app, wish)
                else:
                    done.append(await _replay(row, app, wish))
                    await asyncio.sleep(1 / _PER_SECOND)
                matched += 1
            except NotReplayable as error:
                skipped += 1
                _log.warning("%s was passed over: %s", row["id"], error)
        if cursor is None:
            break
    return ManyReplayed(matched, tuple(done), skipped, cursor)


def _is_done(row: Mapping[str, Any], selection: Filter) -> bool:
    """Tell whether it was replayed or dismissed, or is a replay itself.

    A replay that came to nothing is replayed where what is open was asked for: perhaps it is mended now.
    """
    if row.get("replayedBy") or row.get("dismissed"):
        return True
    return bool(row.get("replayOf")) and not (selection.open and row["status"] in _OPEN)


def _can_be_dismissed(row: Mapping[str, Any]) -> bool:
    return row["status"] in _OPEN and not row.get("replayedBy")


async def dismiss(delivery_id: str, reason: str, app: App) -> None:
    """Say that nothing more is to be done about a quarantined or failed delivery, and why.

    Can be interrupted and done again: the same reason may be given twice. Raises UnknownDelivery,
    NotReplayable where there is nothing to dismiss, and StorageFault.
    """
    row = await find(app.stores.tables, delivery_id)
    if not reason.strip():
        raise NotReplayable("Give a reason: whoever looks later must know why it was dismissed.")
    if row["status"] not in _OPEN:
        raise NotReplayable(f"It is {row['status']}: there is nothing to dismiss.")
    if row.get("replayedBy"):
        raise NotReplayable(f"It was replayed already, as {row['replayedBy']}.")
    if row.get("dismissed") and row["dismissed"] != reason.strip():
        raise NotReplayable(f"It was dismissed already: {row['dismissed']}")
    await write.dismissed(app.stores.tables, delivery_id, reason.strip())
