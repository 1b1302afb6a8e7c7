"""From a message of the push queue to an endpoint: one attempt, its row, and another message if it failed.

An attempt that fails is recorded and queued again, with a delay that grows from ten seconds to an hour, for
three days. The message that the trigger holds is deleted by the platform when this ends: a push that takes
long first queues a copy, hidden until it must be over, and goes on without the trigger. If the process ends,
the copy is the next attempt.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable
from contextlib import suppress
from datetime import datetime, timedelta
from http import HTTPStatus
from time import monotonic
from typing import NamedTuple

from events import timestamp
from handlers import telemetry
from handlers.app import App
from handlers.errors import DestinationFault, Erased, Missing, NotFound, StorageFault, SubscriptionsError
from handlers.ledger import sends, write
from handlers.ledger.rows import SendRow, SendState
from handlers.paths import data_path
from handlers.pipeline import inbox
from handlers.push.answers import Answer
from handlers.push.lanes import Lane
from handlers.pushes import TEST_EVENT, CloudEvent, Form, Push
from handlers.stores import PUSH_QUEUE, ContainerName, Sent
from handlers.subscriptions import HttpsSubscription
from handlers.timings import Timings
from handlers.work import Message, Work

_log = logging.getLogger("printiq.push")

# Data that was too large for the queue is sent all the same, up to this.
MAX_INLINE = 1024 * 1024
# What an endpoint may ask for with Retry-After.
_ASKED = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
# Delays are spread by this much, so that what failed together does not come back together.
_SPREAD = 0.2
# What was put off while its endpoint rests waits this much of the time it has waited, if that is longer.
_OF_WAIT = 0.1
# How long a message waits while its subscription has too many requests under way, in seconds.
_BUSY = (2, 6)
# How long it waits for its author to correct the subscriptions.
_UNREADABLE = 60
# Beyond the time of a request: its row must be written before the copy of its message is visible.
_MARGIN = 45


class _Attempt(NamedTuple):
    """One request: its response, or why there was none."""

    answer: Answer | None
    error: str
    milliseconds: int


class _Work(NamedTuple):
    """A push, the row that is there before it, and where it stands."""

    push: Push
    event: CloudEvent
    before: SendRow | None
    row: SendRow

    @property
    def name(self) -> str:
        return f"{self.event.attributes.delivery} to {self.push.subscription}"


async def push(message: Message, app: App) -> None:
    """Push one message. Raises StorageFault: the platform delivers it again."""
    try:
        item, event = Push.read(message.text)
    except ValueError as error:
        await _set_aside(message, str(error), app)
        return
    try:
        await _push(item, event, app)
    except Erased:
        await sends.forget(app.stores.tables, [item.subscription], event.attributes.delivery)
        _log.info("%s was erased: it is not pushed.", event.attributes.delivery)


async def _set_aside(message: Message, why: str, app: App) -> None:
    """Keep a message that another program wrote in quarantine, as the inbox does: it goes nowhere."""
    work = Work.foreign(message, PUSH_QUEUE, why)
    assert work.body is not None
    await inbox.put(app.stores, work.delivery(work.body.unpack()), refusal=work.refusal)


async def _push(item: Push, event: CloudEvent, app: App) -> None:
    tables, delivery = app.stores.tables, event.attributes.delivery
    before, _ = await asyncio.gather(
        sends.find(tables, item.subscription, delivery), write.refuse_erased(tables, delivery)
    )
    if before is not None and before.has_got(sends.digest(item.message)):
        await sends.record(tables, before, is_new=False)  # its copy may be left
        return
    now = app.timings.now()
    if item.first_at is None:
        item = item.model_copy(update={"first_at": now})
    work = _Work(item, event, before, _row(item, event, before, now))
    try:
        subscription = app.subscriptions.named(item.subscription)
    except SubscriptionsError:
        await _queue(item, _UNREADABLE, app)
        return
    except Missing as error:
        await _give_up(work, str(error), app)
        return
    if not isinstance(subscription, HttpsSubscription):
        await _give_up(
            work, f"{subscription.name} is not pushed to any more: it is a {subscription.kind}.", app
        )
        return
    pause = await app.pauses.of(item.subscription)
    if pause is not None and event.attributes.event != TEST_EVENT:
        await _record(work, app, state=SendState.PAUSED, next_at=None, error=pause.reason)
        return
    await _in_turn(work, subscription, app)


def _row(item: Push, event: CloudEvent, before: SendRow | None, now: datetime) -> SendRow:
    """Return the row as it is before this attempt; a message with another content begins anew."""
    if before is not None and before.digest == sends.digest(item.message):
        return before
    return sends.new_row(item.subscription, event.attributes, item.message, SendState.WAITING, now)


async def _in_turn(work: _Work, subscription: HttpsSubscription, app: App) -> None:
    """Make the attempt if the subscription's lane has a turn, and leave the trigger if it takes long."""
    lane = app.pushes.lane(subscription.name)
    if lane.rest and work.event.attributes.event != TEST_EVENT:
        error = work.row.error or "It was not tried: other requests to its endpoint fail."
        await _put_off(work, error, lane.rest, app)
        return
    form = await _form(work, subscription, app)
    if not await lane.take_turn(app.timings.push_place):
        await _queue(work.push, random.randint(*_BUSY), app)
        return
    attempt = asyncio.create_task(_attempt(work, subscription, form, lane, app))
    await asyncio.wait({attempt}, timeout=app.timings.push_place)
    if not attempt.done() and (held := await _held(work.push, app)) is not None:
        app.pushes.go_on(_finish(work, attempt, held, lane, app))
    else:
        await _settle(work, await attempt, app)


async def _form(work: _Work, subscription: HttpsSubscription, app: App) -> Form:
    """Return the request's headers and body, with data that is referred to if it is not large."""
    event = work.event
    whole = await _inlined(event, app)
    if subscription.mode == "binary":
        return whole.binary()
    if whole is event:
        return Form(event.structured().headers, work.push.message)
    return whole.structured()


async def _inlined(event: CloudEvent, app: App) -> CloudEvent:
    attributes = event.attributes
    if attributes.dataref is None:
        return event
    # the name is made here: no message can name a blob or an address to be read
    place = ContainerName.ARCHIVE, data_path(attributes.event, attributes.delivery)
    try:
        if (await app.stores.blobs.find(*place)).size > MAX_INLINE:
            return event
        return event.containing(await app.stores.blobs.get(*place))
    except NotFound:
        return event  # the archive's lifecycle rules have removed it


async def _attempt(
    work: _Work, subscription: HttpsSubscription, form: Form, lane: Lane, app: App
) -> _Attempt:
    begun, answer, error = monotonic(), None, ""
    try:
        answer = await app.pushes.client.post(subscription, work.event.push_id, form, app.timings.now())
    except DestinationFault as fault:
        error = str(fault)
    except Exception as bug:  # noqa: BLE001 - it is tried again; what a bug says may hold a secret
        error = f"The request failed ({type(bug).__name__})."
    finally:
        lane.leave(answer, app.timings.longest_delay)
    if answer is not None and not answer.is_success:
        error = answer.error
    return _Attempt(answer, error, round((monotonic() - begun) * 1000))


async def _held(item: Push, app: App) -> Sent | None:
    """Queue a copy that is hidden while the attempt goes on; None if that failed."""
    with suppress(StorageFault):
        return await _queue(item, round(app.timings.push) + _MARGIN, app)
    return None


async def _finish(work: _Work, attempt: Awaitable[_Attempt], held: Sent, lane: Lane, app: App) -> None:
    """Record an attempt that took long. If storage fails, the copy of the message is the next attempt."""
    with lane.slow():
        outcome = await attempt
    try:
        with suppress(Erased):
            await _settle(work, outcome, app)
        await app.stores.queues.take_back(PUSH_QUEUE, held)
    except StorageFault as fault:
        _log.warning("%s is pushed again in a minute: %s", work.name, fault)


async def _settle(work: _Work, attempt: _Attempt, app: App) -> None:
    """Record an attempt, and queue the next one if it failed."""
    answer, before = attempt.answer, work.row
    row = before.model_copy(
        update={
            "attempts": before.attempts + 1,
            "status": answer.status if answer else None,
            "answer": (answer.text or None) if answer else None,
            "latency_ms": attempt.milliseconds,
            "last_at": timestamp(app.timings.now()),
        }
    )
    work = work._replace(row=row)
    if answer is not None and answer.is_success:
        await _record(work, app, state=SendState.DELIVERED, next_at=None, error=None)
    elif answer is not None and answer.is_gone:
        await _stop(work, app)
    else:
        _log.warning("%s: attempt %d failed. %s", work.name, row.attempts, attempt.error)
        asked = answer.retry_after if answer is not None and answer.status in _ASKED else None
        delay = _delay(work.push.attempt, app.timings, asked=asked)
        await _queue_again(work, attempt.error, delay, app, attempt=work.push.attempt + 1)


async def _stop(work: _Work, app: App) -> None:
    """Pause a subscription whose endpoint wants no more events."""
    reason = "Its endpoint responded with 410 Gone: it wants no more events."
    name = work.push.subscription
    _log.error("%s is paused. %s", name, reason)
    telemetry.send(name, "stopped")
    await _record(work, app, state=SendState.PAUSED, next_at=None, error=reason)
    await app.pauses.pause(name, reason)


async def _put_off(work: _Work, error: str, rest: float, app: App) -> None:
    """Queue a push that was not tried until soon after its endpoint's rest; later if it has long waited.

    So a backlog that waits for days is not looked at every minute.
    """
    assert work.push.first_at is not None
    waited = (app.timings.now() - work.push.first_at).total_seconds()
    delay = max(rest, waited * _OF_WAIT) * random.uniform(1, 1 + _SPREAD)
    await _queue_again(work, error, delay, app, attempt=work.push.attempt)


async def _queue_again(work: _Work, error: str, delay: float, app: App, *, attempt: int) -> None:
    """Queue a push again, or give it up once it was tried for long enough."""
    now, item, seconds = app.timings.now(), work.push, round(min(delay, app.timings.longest_delay))
    assert item.first_at is not None
    if (now - item.first_at).total_seconds() >= app.timings.push_gives_up:
        await _give_up(work, error, app)
        return
    next_at = timestamp(now + timedelta(seconds=seconds))
    await _record(work, app, state=SendState.WAITING, next_at=next_at, error=error)
    await _queue(item.model_copy(update={"attempt": attempt}), seconds, app)


def _delay(attempt: int, timings: Timings, *, asked: float | None) -> float:
    """Return the seconds until the next attempt: those asked for, else more after each attempt; spread."""
    if asked is not None:
        return max(asked, 1) * random.uniform(1, 1 + _SPREAD)
    return timings.delay_after(attempt) * random.uniform(1 - _SPREAD, 1 + _SPREAD)


async def _give_up(work: _Work, error: str, app: App) -> None:
    """Record that a push is not tried any more: an operator may replay it."""
    _log.error("%s is given up. %s", work.name, error)
    telemetry.send(work.push.subscription, SendState.FAILED)
    await _record(work, app, state=SendState.FAILED, next_at=None, error=error)


async def _record(work: _Work, app: App, *, state: SendState, next_at: str | None, error: str | None) -> None:
    row = work.row.model_copy(update={"state": state, "next_at": next_at, "error": error})
    await sends.record(app.stores.tables, row, is_new=work.before is None)


async def _queue(item: Push, delay: int, app: App) -> Sent:
    return await app.stores.queues.send(PUSH_QUEUE, item.encode(), delay=delay)
