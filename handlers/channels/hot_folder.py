"""The hot folder: a file under `{event}/` becomes a delivery, and leaves the folder once it is in custody.

A file that may still be being written is left until it is complete. A block blob is committed as a whole, so
one that does not read as a document is refused at once. An append blob, an empty file and what arrives by
SFTP or Data Lake (accounts with a hierarchical namespace) can be seen half-written, and get five minutes.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

from events import BodyTooLarge, Channel, Delivery, EmptyBody, EventError, EventType, UnknownEvent
from handlers.app import App
from handlers.channels.completeness import is_complete
from handlers.channels.names import event_of, flaw_of, is_ignored, printable
from handlers.errors import Conflict, NoCustody, NotFound, StorageFault
from handlers.ids import derived_id, time_of
from handlers.ledger import query
from handlers.pipeline.receive import keep_refused, keep_unread, receive
from handlers.stores import ContainerName, Found, Opened

_log = logging.getLogger("printiq.hot_folder")

_AT_ONCE = 8
_PROGRESS_EVERY = 500
# If more folders than this cannot be listed, the cause is not a name in one of them.
_UNLISTED_FOLDERS = 2


class UnreadableDrop(EventError):
    """A file that cannot be opened as it is; it stays where it lies."""

    status = 422
    title = "Unreadable drop"


async def take(name: str, app: App) -> bool:
    """Take the file of this name into custody; return whether it was taken.

    One that is gone was taken already, one that is incomplete is left. Raises NoCustody, StorageFault.
    """
    if is_ignored(name) or flaw_of(name):  # the sweep refuses the latter: a URL could lead to another file
        return False
    drops = app.stores.drops
    try:
        opened = await drops.open(ContainerName.HOT_FOLDER, name)
        if opened.found.folder or not await _receive(opened, app):
            return False
    except NotFound:
        return False
    except Conflict:
        return False  # replaced while it was read, or archived: the sweep deals with it
    if not await drops.delete(ContainerName.HOT_FOLDER, name, etag=opened.found.etag):
        _log.warning("%s was taken but not removed: it is gone, replaced by a newer file, or leased", name)
    return True


async def _receive(opened: Opened, app: App) -> bool:
    """Take custody of the file, unless it may still be being written.

    Raises NotFound, Conflict, NoCustody, StorageFault.
    """
    found, timings = opened.found, app.timings
    unchanged_for = (timings.now() - found.modified).total_seconds()
    growing = (not found.atomic or not found.size) and unchanged_for < timings.patience
    too_large = found.size > app.settings.max_body_bytes
    if growing and (unchanged_for < timings.stable or too_large or not found.size):
        return False
    delivery = _delivery(found, delivery_id(found.name, found.etag, found.modified))
    if unchanged_for > timings.unannounced and await query.exists(app.stores.tables, delivery.id):
        return True  # already taken, but not removed then
    try:
        if not delivery.event:
            raise UnknownEvent(_AT_THE_ROOT)
        if too_large:
            EventType.named(delivery.event)
            raise BodyTooLarge.of(found.size, app.settings.max_body_bytes)
    except EventError as error:
        await keep_unread(delivery, opened.chunks(), error, app)
        _log_refusal(delivery, error)
        return True
    body = await opened.read()
    if growing and not await is_complete(body, app.settings):
        return False
    delivery = replace(delivery, body=body)
    try:
        await receive(delivery, app)
    except EmptyBody as error:
        await keep_refused(delivery, error, app)
        _log_refusal(delivery, error)
    except EventError as error:
        _log_refusal(delivery, error)
    return True


def delivery_id(name: str, etag: str, modified: datetime) -> str:
    """Return the id of a file's delivery: a second notification of the same file is the same delivery."""
    return derived_id(modified, ContainerName.HOT_FOLDER, name, etag)


def _delivery(found: Found, its_id: str) -> Delivery:
    return Delivery(
        id=its_id,
        event=event_of(found.name),
        body=b"",
        channel=Channel.HOT_FOLDER,
        received_at=time_of(its_id),
        file=printable(found.name),
    )


_AT_THE_ROOT = (
    "The file is in no event's folder, so its event is unknown. Drop it into the folder of its event, for "
    f"example {ContainerName.HOT_FOLDER}/{EventType.CREATE_JOB}/."
)


def _log_refusal(delivery: Delivery, error: EventError) -> None:
    _log.warning(
        "%s was refused and set aside in quarantine as %s: %s", delivery.file, delivery.id, error.title
    )


async def sweep(app: App) -> None:
    """Take the files that were not announced, or were incomplete when they were."""
    until = app.timings.now() - timedelta(seconds=app.timings.unannounced)
    deadline = time.monotonic() + app.timings.sweep
    taken = failed = 0
    async for batch in _waiting(until, app):
        outcomes = await asyncio.gather(*(_sweep_up(each, app) for each in batch), return_exceptions=True)
        for found, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, NoCustody):
                _log.error("The sweep of the hot folder stopped: %s. It goes on in a minute.", outcome)
                return
            if isinstance(outcome, BaseException):
                failed += 1
                _log_failure(found.name, outcome)
            else:
                before, taken = taken, taken + outcome
                if before // _PROGRESS_EVERY != taken // _PROGRESS_EVERY:
                    _log.info("The sweep of the hot folder has taken %d files and goes on", taken)
        if time.monotonic() > deadline:
            _log.info("The sweep of the hot folder pauses: there are more files. It goes on in a minute.")
            break
    if taken or failed:
        _log.info("The sweep of the hot folder took %d files; %d could not be taken", taken, failed)


async def _sweep_up(found: Found, app: App) -> bool:
    """Take a file, or record once that it cannot be read; return whether it was taken."""
    if flaw := flaw_of(found.name):
        message = (
            f"Its name has {flaw}, so it cannot be read. Drop the file under another name, and remove it."
        )
        await _refuse_unreadable(found, "name", UnreadableDrop(message), app)
        return False
    if found.archived:
        message = "The file is in the archive tier, where it cannot be read. Move it to another tier."
        await _refuse_unreadable(found, "tier", UnreadableDrop(message), app)
        return False
    return await take(found.name, app)


async def _refuse_unreadable(found: Found, why: str, error: UnreadableDrop, app: App) -> None:
    # Not the id of its delivery: the file was not taken, and gets that id once it can be read.
    its_id = derived_id(found.modified, ContainerName.HOT_FOLDER, found.name, found.etag, why)
    if not await query.exists(app.stores.tables, its_id):
        delivery = _delivery(found, its_id)
        await keep_refused(delivery, error, app)
        _log.warning("%s stays in the hot folder; the row %s has the reason", delivery.file, delivery.id)


async def _waiting(until: datetime, app: App) -> AsyncIterator[list[Found]]:
    """Yield the files that were last changed before `until`, a few at a time."""
    batch: list[Found] = []
    async for found in _listed(app):
        if found.modified < until and not found.folder and not is_ignored(found.name):
            batch.append(found)
            if len(batch) == _AT_ONCE:
                yield batch
                batch = []
    if batch:
        yield batch


async def _listed(app: App) -> AsyncIterator[Found]:
    """Yield every file, event by event if the whole folder cannot be listed. Raises StorageFault.

    Azurite answers 500 where a name has a control character; that must not hide the other folders.
    """
    drops = app.stores.drops
    try:
        async for found in drops.list(ContainerName.HOT_FOLDER):
            yield found
    except StorageFault as fault:
        unlisted = 0
        for event in EventType:
            try:
                async for found in drops.list(ContainerName.HOT_FOLDER, f"{event}/"):
                    yield found
            except StorageFault as error:
                unlisted += 1
                if unlisted > _UNLISTED_FOLDERS:
                    raise fault from error
                _log.error(
                    "%s/ in the hot folder cannot be swept: %s. Remove any file with a control character in "
                    "its name.",
                    event,
                    error,
                )


def _log_failure(name: str, error: BaseException) -> None:
    if not isinstance(error, Exception):
        raise error
    trace = None if isinstance(error, StorageFault) else error
    _log.error(
        "%s could not be taken; the sweep tries again in a minute: %s",
        printable(name),
        f"{type(error).__name__}: {error}",
        exc_info=trace,
    )
