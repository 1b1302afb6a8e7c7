"""Whether the app can do its work, which is whether storage responds."""

import asyncio

from handlers.app import App
from handlers.errors import StorageFault
from handlers.responses import Response, json_response
from handlers.stores import INBOX_QUEUE

_SECONDS = 5


async def health(app: App) -> Response:
    """Respond with 200, or raise StorageFault; no details, since anyone may call this."""
    try:
        async with asyncio.timeout(_SECONDS):
            await app.stores.queues.ensure(INBOX_QUEUE)
    except TimeoutError as error:
        raise StorageFault(f"The inbox queue did not respond within {_SECONDS} s.") from error
    return json_response(200, {"status": "ok"})
