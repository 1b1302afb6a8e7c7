"""Stories of the app in one process: its own handlers, on the storage of a test."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import settings

from events import Channel, Delivery, EventError
from handlers.app import App
from handlers.ids import new_id, time_of
from handlers.pipeline.parsing import parse_delivery
from handlers.pipeline.process import process
from handlers.problems import ProblemDetails
from handlers.work import Message, Work

CORPUS = Path(__file__).parents[2] / "corpus"


def run_story(storage: str, story: Callable[[App], Awaitable[None]], **more: str) -> None:
    """Run a story with an app on this storage."""

    async def shown() -> None:
        app = App.start(settings(storage, **more))
        try:
            await story(app)
        finally:
            await app.close()

    asyncio.run(shown())


async def deliver(app: App, event: str, body: bytes, *, moment: datetime | None = None, **more: Any) -> str:
    """Let a delivery come by webhook, or as a `file`, and be worked off; return its id."""
    delivery_id = new_id(moment or datetime.now(UTC))
    delivery = Delivery(
        id=delivery_id,
        event=event,
        body=body,
        received_at=time_of(delivery_id),
        channel=Channel.HOT_FOLDER if "file" in more else Channel.WEBHOOK,
        **{"content_type": "application/json", **more},
    )
    refusal = None
    try:
        await parse_delivery(delivery, app.settings)
    except EventError as error:
        refusal = ProblemDetails.of(error)
    # settled: an apparent duplicate does not ask to be looked at once more
    work = Work.of(delivery, refusal=refusal).model_copy(update={"settled": True})
    await process(Message("", delivery.received_at, work.encode().decode()), app)
    return delivery_id


def sample(event: str, variant: str = "typical.json") -> bytes:
    return (CORPUS / event / variant).read_bytes()
