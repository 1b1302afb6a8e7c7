"""Custody: a delivery is parsed and in the inbox before its sender gets a confirmation."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

from events import Delivery, EmptyBody, EventError, Problem, Subject
from handlers.app import App
from handlers.errors import NoCustody, StorageFault
from handlers.pipeline import inbox
from handlers.pipeline.parsing import parse_delivery
from handlers.problems import ProblemDetails


class Receipt(NamedTuple):
    """Confirmation that a delivery is in custody and can be parsed."""

    delivery: Delivery
    event: str
    subject: Subject | None
    warnings: tuple[Problem, ...]


async def receive(delivery: Delivery, app: App) -> Receipt:
    """Check a delivery and take custody of it, even if it is refused.

    Raises EventError if it is refused (its bytes are kept, if it has any), NoCustody if storage fails.
    """
    try:
        receipt = await _checked(delivery, app)
    except EmptyBody:
        raise
    except EventError as error:
        await keep_refused(delivery, error, app)
        raise
    await _take_custody(delivery, None, app)
    return receipt


async def _checked(delivery: Delivery, app: App) -> Receipt:
    # The event ends with this call. Kept while storage is written, the events of all webhooks under way would
    # be walked by each garbage collection, and their memory would not be used again for the next parse.
    event = await parse_delivery(delivery, app.settings)
    return Receipt(delivery, event.type, event.subject, event.warnings)


async def keep_refused(delivery: Delivery, error: EventError, app: App) -> None:
    """Take custody of a refused delivery. Raises NoCustody."""
    await _take_custody(delivery, ProblemDetails.of(error), app)


async def keep_unread(delivery: Delivery, content: AsyncIterator[bytes], error: EventError, app: App) -> None:
    """Take custody of a delivery refused before it was read: `content` streams to quarantine.

    Raises NoCustody.
    """
    try:
        await inbox.put_unread(app.stores, delivery, content, refusal=ProblemDetails.of(error))
    except StorageFault as fault:
        raise NoCustody(str(fault)) from fault


async def _take_custody(delivery: Delivery, refusal: ProblemDetails | None, app: App) -> None:
    try:
        async with asyncio.timeout(app.timings.custody):
            await inbox.put(app.stores, delivery, refusal=refusal)
    except (StorageFault, TimeoutError) as error:
        raise NoCustody(str(error) or "storage did not respond in time") from error
