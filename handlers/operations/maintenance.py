"""Maintenance: every five minutes, write what the alerts read, and recover what crashed.

Azure's own metrics of a queue are hourly and have no age.
"""

import base64
import binascii
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from handlers import telemetry
from handlers.app import App
from handlers.errors import NotFound, StorageFault
from handlers.operations.backlog import backlogs
from handlers.pipeline.retry import recover_poison
from handlers.stores import DROPS_POISON_QUEUE, ContainerName, Received

_log = logging.getLogger("printiq.maintenance")


async def maintain(app: App) -> None:
    """Log how the app runs, how full its queues are and which events are silent; recover what crashed.

    A step that fails does not keep the others from running.
    """
    telemetry.heartbeat()
    telemetry.bytecode()
    for step in (_log_queues, _log_events, recover_poison, forget_drops):
        await _try(step, app)


async def _try(step: Callable[[App], Awaitable[object]], app: App) -> None:
    try:
        await step(app)
    except StorageFault as fault:
        _log.error("Maintenance is incomplete: %s. It tries again in five minutes.", fault)
    except Exception:  # noqa: BLE001 - the other steps go on
        _log.exception("Maintenance is incomplete because of a bug.")


async def _log_queues(app: App) -> None:
    for each in await backlogs(app):
        telemetry.queue(each.queue, each.role, depth=each.messages, oldest_seconds=each.oldest_seconds or 0)


async def _log_events(app: App) -> None:
    now = datetime.now(UTC)
    for event, received_at in sorted((await app.last_seen.all()).items()):
        silence = now - received_at
        telemetry.event(event, silent_hours=max(silence.total_seconds(), 0) / 3600)


async def forget_drops(app: App) -> None:
    """Delete the platform's messages about files that have left the hot folder: the sweep took them."""
    queues = app.stores.drop_queues
    async for batch in queues.receive(DROPS_POISON_QUEUE):
        for received in batch:
            if await _is_gone(received, app):
                await queues.delete(DROPS_POISON_QUEUE, received)


async def _is_gone(received: Received, app: App) -> bool:
    try:
        await app.stores.drops.find(ContainerName.HOT_FOLDER, _blob_name(received.text))
    except NotFound:
        return True
    except ValueError:
        _log.warning("A message in %s does not name a file: %s", DROPS_POISON_QUEUE, received.id)
    return False


def _blob_name(text: str) -> str:
    """Return the file that one of the platform's messages is about. Raises ValueError."""
    with contextlib.suppress(binascii.Error, UnicodeDecodeError):
        text = base64.b64decode(text, validate=True).decode()  # the encoding that queues.messageEncoding sets
    match json.loads(text):
        case {"BlobName": str(name)}:
            return name
    raise ValueError("not a message of the Blob trigger")
