"""Controls subscriptions: their state, pauses, test events, and replays of what they missed."""

import asyncio
import json
import logging
from collections import Counter
from datetime import timedelta
from time import monotonic
from typing import NamedTuple

from events import TYPE_PREFIX, EventType, timestamp
from handlers.app import App
from handlers.errors import Conflict, NotPossible, NotReplayable, UnknownDelivery
from handlers.ids import new_id
from handlers.ledger import sends, stats
from handlers.ledger.rows import PauseRow, Status
from handlers.operations import replay
from handlers.operations.backlog import measure
from handlers.pipeline.results import source
from handlers.pipeline.sinks import Context, sink_of
from handlers.pushes import TEST_EVENT
from handlers.subscriptions import Subscription

_log = logging.getLogger("printiq.control")

TEST_TYPE = f"{TYPE_PREFIX}{TEST_EVENT}"

_MOST_AT_ONCE = 500
_HOURS = 24


class State(NamedTuple):
    """A subscription and how it fares; what cannot be known of its kind is None.

    `this_hour` and `last_day` count the events that it subscribes to. `waiting` are messages that are not
    taken yet, or not delivered; `missed` were withheld from it, and `failed` given up.
    """

    subscription: Subscription
    pause: PauseRow | None
    this_hour: int
    last_day: int
    waiting: int | None
    oldest_seconds: float | None
    failed: int
    missed: int


async def states(app: App) -> list[State]:
    """Return the state of every subscription. Raises SubscriptionsError."""
    hours = await _hours(app)
    return list(await asyncio.gather(*(_state(each, hours, app) for each in app.subscriptions.all.values())))


async def state(name: str, app: App) -> State:
    """Return the state of a subscription. Raises Missing."""
    subscription = app.subscriptions.named(name)
    return await _state(subscription, await _hours(app), app)


async def _hours(app: App) -> list[stats.Counts]:
    """Return the counts of the last hours, the present one last."""
    end = stats.floor(app.timings.now(), "hour") + timedelta(hours=1)
    return list((await app.stats.count(end - timedelta(hours=_HOURS), end, "hour")).values())


async def _state(subscription: Subscription, hours: list[stats.Counts], app: App) -> State:
    name = subscription.name
    pause, kept, waiting = await asyncio.gather(
        app.pauses.of(name), sends.backlog(app.stores.tables, name), measure(subscription, app)
    )
    counts = [_wanted(subscription, each) for each in hours]
    return State(
        subscription=subscription,
        pause=pause,
        this_hour=counts[-1] if counts else 0,
        last_day=sum(counts),
        waiting=waiting.messages if waiting else None,
        oldest_seconds=waiting.oldest_seconds if waiting else None,
        failed=kept.failed,
        missed=kept.paused,
    )


def _wanted(subscription: Subscription, counts: stats.Counts) -> int:
    """Count what a subscription got, or would have got."""
    statuses = {Status.SENT, *([Status.DUPLICATE] if subscription.duplicates == "send" else [])}
    wanted = {event for event in EventType if subscription.wants(event)}
    return sum(n for (event, status), n in counts.items() if event in wanted and status in statuses)


async def pause(name: str, reason: str, app: App, *, by: str | None = None) -> None:
    """Pause a subscription: from half a minute on, its events are withheld. Raises Missing."""
    app.subscriptions.named(name)
    await app.pauses.pause(name, reason, by)
    _log.warning("The subscription %s was paused by %s: %s", name, by or "somebody", reason)


async def resume(name: str, app: App, *, by: str | None = None) -> None:
    """Resume a subscription. What it missed stays to be replayed. Raises Missing."""
    app.subscriptions.named(name)
    await app.pauses.resume(name)
    _log.warning("The subscription %s was resumed by %s.", name, by or "somebody")


async def test(name: str, app: App) -> str:
    """Send a test event to a subscription, also to a paused one, and return its id.

    Raises Missing, StorageFault, DestinationFault and DestinationRefusal.
    """
    subscription = app.subscriptions.named(name)
    now = app.timings.now()
    test_id = new_id(now)
    message = {
        "specversion": "1.0",
        "id": test_id,
        "source": source(app),
        "type": TEST_TYPE,
        "time": timestamp(now),
        "datacontenttype": "application/json",
        "delivery": test_id,
        "sequence": test_id,
        "data": {"message": f"A test of the subscription {name}. It is no event of printIQ's: skip it."},
    }
    context = Context(id=test_id, type=TEST_TYPE, delivery=test_id, kind=TEST_EVENT, key=None)
    await sink_of(subscription, app).send(json.dumps(message, separators=(",", ":")).encode(), context)
    return test_id


class Missed(NamedTuple):
    """The numbers of missed deliveries replayed, or found in a dry run, and of those that cannot be."""

    matched: int
    skipped: int
    # whether there is more than this call dealt with
    more: bool


async def replay_missed(
    name: str, app: App, *, by: str | None = None, dry_run: bool = False, limit: int = _MOST_AT_ONCE
) -> Missed:
    """Replay what a subscription missed, to it alone: oldest first, at most `limit`.

    Can be interrupted and repeated. Raises Missing, and NotPossible while the subscription is paused.
    """
    app.subscriptions.named(name)
    if not dry_run and await app.pauses.of(name):
        raise NotPossible(
            f"The subscription {name} is paused: a replay would be withheld, too. Resume it first."
        )
    options = replay.Options(queues=(name,), by=by)
    found: Counter[bool] = Counter()
    deadline = monotonic() + replay.SECONDS
    async for row in sends.missed(app.stores.tables, name):
        if found[True] == limit or monotonic() > deadline:
            return Missed(found[True], found[False], more=True)
        try:
            if dry_run:
                await replay.check(row.delivery, app, options)
            else:
                done = await replay.replay(row.delivery, app, options)
                await sends.replayed(app.stores.tables, row, done.id)
                await asyncio.sleep(1 / replay.PER_SECOND)
        except (NotReplayable, UnknownDelivery) as error:
            found[False] += 1
            _log.warning("%s was passed over for %s: %s", row.delivery, name, error)
        except Conflict:  # it was replayed, or pushed after all, at the same moment
            found[False] += 1
        else:
            found[True] += 1
    return Missed(found[True], found[False], more=False)
