"""The hot folder: a file under `{event}/` becomes a delivery, and leaves the folder once it is in custody.

A file that may still be being written is left until it is whole. Who commits a block blob commits all of it,
so one that does not read as a document is refused at once. An append blob, an empty file and what comes by
SFTP or Data Lake (accounts with a hierarchical namespace) can be seen half-written, and get five minutes.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from events import BodyTooLarge, Channel, Delivery, EmptyBody, EventError, EventType, UnknownEvent
from handlers.app import App
from handlers.channels.completeness import PATIENCE, STABLE, is_complete, is_temporary
from handlers.errors import Conflict, NoCustody, NotFound, StorageFault
from handlers.ids import derived_id, time_of
from handlers.ledger import query
from handlers.pipeline.receive import keep_refused, keep_unread, receive
from handlers.stores import ContainerName, Found, Opened

_log = logging.getLogger("printiq.hot_folder")

# A notification takes seconds; what lies longer was not announced, or was taken and could not be removed.
_UNANNOUNCED_AFTER = timedelta(seconds=30)
_AT_ONCE = 8
# The next sweep goes on; one that lasts longer would run into the function's time-out of ten minutes.
_SWEEP_SECONDS = 480
_PROGRESS_EVERY = 500


async def take(name: str, app: App) -> bool:
    """Take the file of this name into custody; tell whether it was taken.

    One that is gone was taken already, one that is not whole is left. Raises NoCustody, StorageFault.
    """
    if is_temporary(name):
        return False
    drops = app.stores.drops
    try:
        opened = await drops.open(ContainerName.HOT_FOLDER, name)
        if opened.found.folder or not await _receive(opened, app):
            return False
    except NotFound:
        return False
    except Conflict:
        return False  # replaced while it was read: the new file has its own notification, and the sweep
    if not await drops.delete(ContainerName.HOT_FOLDER, name, etag=opened.found.etag):
        _log.warning("%s was taken but not removed: it is gone, replaced by a newer file, or leased", name)
    return True


async def _receive(opened: Opened, app: App) -> bool:
    """Take custody of the file, unless it may still be being written.

    Raises NotFound, Conflict, NoCustody, StorageFault.
    """
    found = opened.found
    unchanged_for = datetime.now(UTC) - found.modified
    growing = (not found.atomic or not found.size) and unchanged_for < PATIENCE
    too_large = found.size > app.settings.max_body_bytes
    if growing and (unchanged_for < STABLE or too_large or not found.size):
        return False
    delivery = _delivery(found)
    if unchanged_for > _UNANNOUNCED_AFTER and await query.exists(app.stores.tables, delivery.id):
        return True  # taken before, though it could not be removed then
    try:
        if "/" not in found.name:
            raise UnknownEvent(_AT_THE_ROOT)
        if too_large:
            EventType.named(delivery.event)
            raise BodyTooLarge.of(found.size, app.settings.max_body_bytes)
    except EventError as error:
        await keep_unread(delivery, opened.chunks(), error, app)
        _refused(delivery, error)
        return True
    body = await opened.read()
    if growing and not await is_complete(body):
        return False
    delivery = replace(delivery, body=body)
    try:
        await receive(delivery, app)
    except EmptyBody as error:
        await keep_refused(delivery, error, app)
        _refused(delivery, error)
    except EventError as error:
        _refused(delivery, error)
    return True


def delivery_id(name: str, etag: str, modified: datetime) -> str:
    """Return the id of a file's delivery: a second notification of the same file is the same delivery."""
    return derived_id(modified, ContainerName.HOT_FOLDER, name, etag)


def _delivery(found: Found) -> Delivery:
    its_id = delivery_id(found.name, found.etag, found.modified)
    return Delivery(
        id=its_id,
        event=found.name.partition("/")[0] if "/" in found.name else "",
        body=b"",
        channel=Channel.HOT_FOLDER,
        received_at=time_of(its_id),
        file=found.name,
    )


_AT_THE_ROOT = (
    "The file lies in no event's folder, so nobody can tell what it is. Drop it into the folder of its event "
    f"instead, for example {ContainerName.HOT_FOLDER}/{EventType.CREATE_JOB}/."
)


def _refused(delivery: Delivery, error: EventError) -> None:
    _log.warning(
        "%s was refused and set aside in quarantine as %s: %s", delivery.file, delivery.id, error.title
    )


async def sweep(app: App) -> None:
    """Take what lies in the folder and was not announced, or was not whole when it was."""
    until, deadline = datetime.now(UTC) - _UNANNOUNCED_AFTER, time.monotonic() + _SWEEP_SECONDS
    taken = failed = 0
    async for batch in _waiting(until, app):
        outcomes = await asyncio.gather(*(take(name, app) for name in batch), return_exceptions=True)
        for name, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, NoCustody):
                _log.error("The sweep of the hot folder stopped: %s. It goes on in a minute.", outcome)
                return
            if isinstance(outcome, BaseException):
                failed += 1
                _report(name, outcome)
            else:
                before, taken = taken, taken + outcome
                if before // _PROGRESS_EVERY != taken // _PROGRESS_EVERY:
                    _log.info("The sweep of the hot folder has taken %d files and goes on", taken)
        if time.monotonic() > deadline:
            _log.info("The sweep of the hot folder pauses: there are more files. It goes on in a minute.")
            break
    if taken or failed:
        _log.info("The sweep of the hot folder took %d files; %d could not be taken", taken, failed)


async def _waiting(until: datetime, app: App) -> AsyncIterator[list[str]]:
    """Yield the names of files that were last changed before `until`, a few at a time."""
    batch: list[str] = []
    async for found in app.stores.drops.list(ContainerName.HOT_FOLDER):
        if found.modified < until and not found.folder and not is_temporary(found.name):
            batch.append(found.name)
            if len(batch) == _AT_ONCE:
                yield batch
                batch = []
    if batch:
        yield batch


def _report(name: str, error: BaseException) -> None:
    if not isinstance(error, Exception):
        raise error
    trace = None if isinstance(error, StorageFault) else error
    _log.error(
        "%s could not be taken; the sweep tries again in a minute: %s",
        name,
        f"{type(error).__name__}: {error}",
        exc_info=trace,
    )
