"""Whether the app can do its work: storage answers."""

import asyncio

from handlers.app import App
from handlers.errors import StorageFault
from handlers.responses import Response, json_response
from handlers.stores import INBOX_QUEUE

_SECONDS = 5


async def health(app: App) -> Response:
    """Respond with 200, or raise StorageFault; nothing more, since anybody may ask."""
    try:
        async with asyncio.timeout(_SECONDS):
            await app.stores.queues.ensure(INBOX_QUEUE)
    except TimeoutError as error:
        raise StorageFault(f"The inbox queue did not answer within {_SECONDS} s.") from error
    return json_response(200, {"status": "ok"})
