"""The hot folder: a file under `{event}/` becomes a delivery, and leaves the folder once it is in custody."""

import logging
from datetime import UTC, datetime, timedelta

from events import Channel, Delivery, EmptyBody, EventError
from handlers.app import App
from handlers.ids import derived_id, time_of
from handlers.receive import NoCustody, keep_refused, receive
from handlers.stores import ContainerName, NotFound
from handlers.stores.faults import Conflict

_log = logging.getLogger("printiq.hot_folder")

# A notification takes seconds; what lies longer was not announced.
_UNANNOUNCED_AFTER = timedelta(seconds=30)


async def take(name: str, app: App) -> None:
    """Take the file of this name into custody. One that is gone was taken already."""
    drops = app.stores.drops
    try:
        found = await drops.find(ContainerName.HOT_FOLDER, name)
        body = await drops.get_unchanged(ContainerName.HOT_FOLDER, name, etag=found.etag)
    except NotFound:
        return
    except Conflict:
        return  # replaced while it was read: the new file has its own notification, and the sweep
    delivery_id = derived_id(found.modified, ContainerName.HOT_FOLDER, name, found.etag)
    delivery = Delivery(
        id=delivery_id,
        event=name.partition("/")[0] if "/" in name else "",
        body=body,
        channel=Channel.HOT_FOLDER,
        received_at=time_of(delivery_id),
    )
    try:
        await receive(delivery, app)
    except EmptyBody as error:
        await keep_refused(delivery, error, app)
    except EventError as error:
        _log.warning("%s was refused and set aside in quarantine as %s: %s", name, delivery.id, error.title)
    if not await drops.delete(ContainerName.HOT_FOLDER, name, etag=found.etag):
        _log.info("%s was replaced by a newer file while it was taken; that one is taken next", name)


async def sweep(app: App) -> None:
    """Take what lies in the folder and was not announced."""
    until = datetime.now(UTC) - _UNANNOUNCED_AFTER
    waiting = [
        found async for found in app.stores.drops.list(ContainerName.HOT_FOLDER) if found.modified < until
    ]
    for found in waiting:
        try:
            await take(found.name, app)
        except NoCustody as error:
            _log.error("The sweep of the hot folder stopped: %s. It goes on in a minute.", error)
            return
