"""Sends a delivery through again from its kept bytes, or records that it needs no further action.

A replay is a new delivery: it keeps the original's CloudEvents id and ordering time, and names the original.
Its id is noted on the original's row before it is sent, with the event and the queues, so that a replay that
was interrupted and is asked for again is the same one. The note is written only in the state of the row that
was read: of several concurrent requests, one begins the replay, and the others join it.
"""

import asyncio
import logging
from datetime import UTC, datetime
from time import monotonic
from typing import NamedTuple

from events import BodyTooLarge, EventType, UnknownEvent
from handlers.app import App
from handlers.errors import Conflict, NotFound, NothingKept, NotReplayable, UnknownDelivery
from handlers.ids import new_id, time_of
from handlers.ledger import write
from handlers.ledger.query import Filter, find, kept, page
from handlers.ledger.rows import UNSENT, DeliveryRow
from handlers.paths import UNKNOWN_EVENT
from handlers.pipeline import inbox
from handlers.stores import BlobRef
from handlers.work import Replay, Work

_log = logging.getLogger("printiq.replay")

# A replay of thousands must not crowd out what printIQ sends meanwhile.
PER_SECOND = 50
_MOST_AT_ONCE = 500
_PAGE = 100
# Well before the platform ends a request, after 230 seconds.
SECONDS = 150


class Options(NamedTuple):
    """How to replay: as another event if the sender named the wrong one, to all its queues or to some.

    `by` is who requests it, for the ledger.
    """

    event: str | None = None
    queues: tuple[str, ...] | None = None
    by: str | None = None


class Replayed(NamedTuple):
    id: str
    replay_of: str
    event: str


_AS_IT_WAS = Options()


class ManyReplayed(NamedTuple):
    """The numbers found and replayed; `cursor` resumes where this call stopped, None at the end."""

    matched: int
    replayed: tuple[Replayed, ...]
    skipped: int
    cursor: str | None


async def check(delivery_id: str, app: App, options: Options = _AS_IT_WAS) -> EventType:
    """Return the event that a delivery would be replayed as, and write nothing. Raises what `replay` does."""
    event, _ = await _check(await find(app.stores.tables, delivery_id), app, options)
    return event


async def replay(delivery_id: str, app: App, options: Options = _AS_IT_WAS) -> Replayed:
    """Replay one delivery. Raises UnknownDelivery, NotReplayable and StorageFault."""
    return await _replay(await find(app.stores.tables, delivery_id), app, options)


async def _check(row: DeliveryRow, app: App, options: Options) -> tuple[EventType, BlobRef]:
    """Return the event to replay it as, and where its bytes are kept."""
    event = _event(row, options.event)
    _check_queues(options.queues, event, app)
    raw = await _kept_bytes(row, app)
    if row.size > app.settings.max_body_bytes:
        problem = BodyTooLarge.of(row.size, app.settings.max_body_bytes).message
        raise NotReplayable(f"{problem} Raise that setting first, or dismiss the delivery.")
    return event, raw


async def _replay(row: DeliveryRow, app: App, options: Options) -> Replayed:
    as_event, raw = await _check(row, app, options)
    replay_id = await _intended(row, f"as {as_event} to {_names(options.queues)}", app)
    work = Work(
        id=replay_id,
        event=as_event,
        channel=row.channel,
        received_at=time_of(replay_id),
        content_type=row.content_type,
        size=row.size,
        blob=raw,
        replay=Replay(of=row.id, origin=row.order, queues=options.queues),
    )
    await inbox.requeue(app.stores, work, delay=0)
    await write.replayed(app.stores.tables, row.id, replay_id, by=options.by)
    return Replayed(replay_id, row.id, as_event)


def _names(queues: tuple[str, ...] | None) -> str:
    return "all" if queues is None else ",".join(queues)


async def _intended(row: DeliveryRow, how: str, app: App) -> str:
    """Record that a replay begins, and return its id: that of an earlier one begun the same way, if any."""
    if (begun := _begun(row, how)) is not None:
        return begun
    replay_id = new_id(datetime.now(UTC))
    try:
        await write.intend_replay(app.stores.tables, row, f"{replay_id} {how}")
    except NotFound as error:
        raise UnknownDelivery(f"The delivery {row.id} is past RETENTION_DAYS and was removed.") from error
    except Conflict as error:
        if (begun := _begun(await find(app.stores.tables, row.id), how)) is not None:
            return begun
        raise NotReplayable(
            "It was replayed, dismissed or processed at this moment. Ask again if a replay is still needed."
        ) from error
    return replay_id


def _begun(row: DeliveryRow, how: str) -> str | None:
    replay_id, _, begun_how = (row.replaying or "").partition(" ")
    return replay_id if begun_how == how else None


def _event(row: DeliveryRow, event: str | None) -> EventType:
    if event is None and row.event == UNKNOWN_EVENT:
        raise NotReplayable("It came under a name that is not an event's. Name the event (replay as …).")
    try:
        return EventType.named(event or row.event)
    except UnknownEvent as error:
        raise NotReplayable(f"{error.message} Replay it as another event, or dismiss it.") from error


def _check_queues(queues: tuple[str, ...] | None, event: EventType, app: App) -> None:
    if queues is None:
        return
    subscribed = [each.name for each in app.subscriptions.of(event)]
    unknown = [name for name in queues if name not in subscribed]
    if unknown:
        raise NotReplayable(
            f"No subscription sends {event} to {', '.join(unknown)}. "
            f"It goes to {', '.join(subscribed) or 'none'}."
        )


def _check_spelling(queues: tuple[str, ...] | None, app: App) -> None:
    """Refuse an unknown subscription: each delivery would be skipped."""
    known = app.subscriptions.all if queues else {}
    if unknown := [name for name in queues or () if name not in known]:
        raise NotReplayable(
            f"No subscription is named {', '.join(unknown)}. The subscriptions are {', '.join(known)}."
        )


async def _kept_bytes(row: DeliveryRow, app: App) -> BlobRef:
    try:
        place = kept(row)
    except NothingKept as error:
        raise NotReplayable(f"{error}{' Dismiss it.' if _can_be_dismissed(row) else ''}") from error
    try:
        await app.stores.blobs.find(*place)
    except NotFound as error:
        raise NotReplayable(
            f"Its bytes are no longer at {place}: they are kept for RETENTION_DAYS."
        ) from error
    return place


async def replay_many(  # noqa: PLR0913 - what, how, and how much of it
    selection: Filter,
    app: App,
    options: Options = _AS_IT_WAS,
    *,
    dry_run: bool = False,
    limit: int = _MOST_AT_ONCE,
    cursor: str | None = None,
) -> ManyReplayed:
    """Replay what a filter selects and was not replayed yet, at most `limit`, newest first.

    Can be interrupted and repeated: deliveries that were replayed, or vanish meanwhile, are skipped. A
    dry run counts what could be replayed. After SECONDS the call ends with a cursor to resume from. Raises
    NotReplayable where no subscription has one of the queues.
    """
    _check_spelling(options.queues, app)
    matched = skipped = 0
    done: list[Replayed] = []
    deadline = monotonic() + SECONDS
    while matched < limit and monotonic() < deadline:
        found = await page(app.stores.tables, selection, size=min(_PAGE, limit - matched), cursor=cursor)
        cursor = found.cursor
        for each in found.rows:
            try:
                row = await find(app.stores.tables, each.id)
                if _is_done(row, selection):
                    skipped += 1
                    if not dry_run and row.replayed_by:
                        await write.take_off_open(app.stores.tables, row.id)
                    continue
                if dry_run:
                    await _check(row, app, options)
                else:
                    done.append(await _replay(row, app, options))
                    await asyncio.sleep(1 / PER_SECOND)
                matched += 1
            except (NotReplayable, UnknownDelivery) as error:
                skipped += 1
                _log.warning("%s was passed over: %s", each.id, error)
        if cursor is None:
            break
    return ManyReplayed(matched, tuple(done), skipped, cursor)


def _is_done(row: DeliveryRow, selection: Filter) -> bool:
    """Return whether it was replayed, dismissed or erased, or is a replay itself.

    A replay that failed is itself replayed if open deliveries were selected: its cause may be fixed by now.
    """
    if row.is_closed or row.erased:
        return True
    return bool(row.replay_of) and not (selection.open and row.status in UNSENT)


def _can_be_dismissed(row: DeliveryRow) -> bool:
    return row.status in UNSENT and not row.replayed_by and not row.erased


async def dismiss(delivery_id: str, reason: str, app: App, *, by: str | None = None) -> None:
    """Record why a quarantined or failed delivery needs no further action, and who decided it.

    Can be interrupted and repeated: the same reason may be given twice. Raises UnknownDelivery,
    NotReplayable if there is nothing to dismiss, and StorageFault.
    """
    reason = reason.strip()
    if not reason:
        raise NotReplayable("Give a reason: a later reader must know why it was dismissed.")

    def check(row: DeliveryRow) -> None:
        if row.status not in UNSENT or row.erased:
            raise NotReplayable(
                f"It is {'erased' if row.erased else row.status}: there is nothing to dismiss."
            )
        if row.replayed_by:
            raise NotReplayable(f"It was replayed already, as {row.replayed_by}.")
        if row.dismissed and row.dismissed != reason:
            raise NotReplayable(f"It was dismissed already: {row.dismissed}")

    row = await find(app.stores.tables, delivery_id)
    if row.replayed_by:
        await write.take_off_open(app.stores.tables, row.id)
    check(row)
    await write.dismiss(app.stores.tables, delivery_id, reason, check, by=by)
