"""The heartbeat: every five minutes the alerts are told what they ask for, and what crashed is brought back.

Azure's own metrics of a queue are hourly and know no age. A message that its trigger fails on five times in a
poison queue is never handed out again, since that queue has no poison queue itself: a timer can always try.
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

_log = logging.getLogger("printiq.heartbeat")


async def beat(app: App) -> None:
    """Tell that the app runs, how full its queues are and which events are silent; bring back what crashed.

    A step that fails is no hindrance to the others.
    """
    telemetry.heartbeat()
    for step in (_tell_queues, _tell_events, recover_poison, forget_drops):
        await _tried(step, app)


async def _tried(step: Callable[[App], Awaitable[object]], app: App) -> None:
    try:
        await step(app)
    except StorageFault as fault:
        _log.error("The heartbeat could not do all: %s. It tries again in five minutes.", fault)
    except Exception:  # noqa: BLE001 - the other steps go on
        _log.exception("The heartbeat could not do all, by an error of the app itself.")


async def _tell_queues(app: App) -> None:
    for each in await backlogs(app):
        telemetry.queue(each.queue, each.role, depth=each.messages, oldest_seconds=each.oldest_seconds or 0)


async def _tell_events(app: App) -> None:
    now = datetime.now(UTC)
    for event, received_at in sorted((await app.last_seen.all()).items()):
        silence = now - received_at
        telemetry.event(event, silent_hours=max(silence.total_seconds(), 0) / 3600)


async def forget_drops(app: App) -> None:
    """Remove what the platform wrote of files that are gone from the hot folder: the sweep has taken them."""
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
        _log.warning("A message in %s names no file: %s", DROPS_POISON_QUEUE, received.id)
    return False


def _blob_name(text: str) -> str:
    """Read which file a message of the platform's is about. Raises ValueError."""
    with contextlib.suppress(binascii.Error, UnicodeDecodeError):
        text = base64.b64decode(text, validate=True).decode()  # that depends on queues.messageEncoding
    match json.loads(text):
        case {"BlobName": str(name)}:
            return name
    raise ValueError("no message of the Blob trigger")
