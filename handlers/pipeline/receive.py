"""Custody: a delivery is checked and lies in the inbox before anybody is told that it arrived."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

from events import Delivery, EmptyBody, EventError, Problem, Subject
from handlers.app import App
from handlers.errors import NoCustody, StorageFault
from handlers.pipeline import inbox
from handlers.pipeline.parsing import parse_delivery
from handlers.problems import ProblemDetails

# The whole of it, so that a sender has an answer within ten seconds.
_CUSTODY_SECONDS = 8


class Receipt(NamedTuple):
    """Confirm that a delivery is in custody and understood."""

    delivery: Delivery
    event: str
    subject: Subject | None
    warnings: tuple[Problem, ...]


async def receive(delivery: Delivery, app: App) -> Receipt:
    """Check a delivery and take custody of it, also of one that is refused.

    Raises EventError if it is refused (its bytes are kept, if there were any), NoCustody if storage fails.
    """
    try:
        event = await parse_delivery(delivery, app.settings)
    except EmptyBody:
        raise
    except EventError as error:
        await keep_refused(delivery, error, app)
        raise
    await _take(delivery, None, app)
    return Receipt(delivery, event.type, event.subject, event.warnings)


async def keep_refused(delivery: Delivery, error: EventError, app: App) -> None:
    """Take custody of what is refused. Raises NoCustody."""
    await _take(delivery, ProblemDetails.of(error), app)


async def keep_unread(
    delivery: Delivery, content: AsyncIterator[bytes], size: int, error: EventError, app: App
) -> None:
    """Take custody of what is refused without being read: `content` flows to quarantine. Raises NoCustody."""
    try:
        await inbox.put_unread(app.stores, delivery, content, size, refusal=ProblemDetails.of(error))
    except StorageFault as fault:
        raise NoCustody(str(fault)) from fault


async def _take(delivery: Delivery, refusal: ProblemDetails | None, app: App) -> None:
    try:
        async with asyncio.timeout(_CUSTODY_SECONDS):
            await inbox.put(app.stores, delivery, refusal=refusal)
    except (StorageFault, TimeoutError) as error:
        raise NoCustody(str(error) or "storage did not answer in time") from error
