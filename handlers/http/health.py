"""Whether the app can do its work: storage answers."""

import asyncio

from events import Problem
from handlers.app import App
from handlers.errors import StorageFault
from handlers.problems import ProblemDetails
from handlers.responses import Answer, answer, problem
from handlers.stores import INBOX_QUEUE

_SECONDS = 5


async def health(app: App) -> Answer:
    """Answer 200 or 503, and no more: anybody may ask."""
    try:
        async with asyncio.timeout(_SECONDS):
            await app.stores.queues.ensure(INBOX_QUEUE)
    except (StorageFault, TimeoutError):
        trouble = Problem("", "Storage does not answer. Events are refused with 503 until it does.")
        return problem(
            ProblemDetails(status=503, title="Storage unavailable", errors=(trouble,)), retry_after=30
        )
    return answer(200, {"status": "ok"})
