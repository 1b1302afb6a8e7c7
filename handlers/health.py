"""Whether the app can do its work: storage answers."""

import asyncio

from events import Problem
from handlers import inbox
from handlers.answers import Answer, answer, problem
from handlers.app import App
from handlers.problems import Refusal
from handlers.stores import StorageFault

_SECONDS = 5


async def health(app: App) -> Answer:
    """Answer 200 or 503, and no more: anybody may ask."""
    try:
        async with asyncio.timeout(_SECONDS):
            await app.stores.queues.ensure(inbox.QUEUE)
    except (StorageFault, TimeoutError):
        trouble = Problem("", "Storage does not answer. Events are refused with 503 until it does.")
        return problem(Refusal(status=503, title="Storage unavailable", errors=(trouble,)), retry_after=30)
    return answer(200, {"status": "ok"})
