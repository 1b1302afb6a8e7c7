"""Runs queue triggers with the platform's leases, retries and poison queues."""

import asyncio
import base64
import binascii
import contextlib
import json
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from tools.host.faults import Faults, Outage, first_line
from tools.host.runtime import Function, Result, TypedData, Worker
from tools.host.settings import QueueOptions, connection_string, resolve

POISON = "-poison"
_FIRST_DELAY = 0.1
_LAST_INSTANT = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_log = logging.getLogger("host")

type Handler = Callable[[QueueMessage], Awaitable[bool]]
"""Process one message; return whether that succeeded."""


class UndecodableError(ValueError):
    """The text of a message is not in the encoding that host.json names."""


def queue_client(connection: str, queue: str) -> QueueClient:
    """Return a client that neither encodes nor decodes the text of messages, and tries each call once."""
    return QueueClient.from_connection_string(connection, queue, retry_total=0)


@dataclass(slots=True)
class QueueListener:
    """A listener that hands the messages of a queue to a handler, several at once.

    As on the platform: a fetch takes `batch_size` messages, and the next fetch waits until no more than
    `new_batch_threshold` are still running. Each message is invisible for `lease` seconds, which is renewed
    while the handler runs. A failed message is tried again until `max_dequeue_count`, then moved to the
    poison queue. Without a poison queue a failure sends no request: the message comes back when its lease
    ends, for ever.
    """

    queue: QueueClient
    poison_of: Callable[[QueueMessage], QueueClient | None]
    handler: Handler
    options: QueueOptions
    lease: float
    faults: Faults
    _running: set[asyncio.Task[None]] = field(default_factory=set)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False

    def wake(self) -> None:
        """Poll now: a message has just been put into the queue."""
        self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Poll until stopped, then wait for what runs. Raises StorageLostError."""
        try:
            await self._poll()
            while self._running:
                await self._until_one_ends()
        finally:
            for task in self._running:
                task.cancel()
            await self.queue.close()

    async def _poll(self) -> None:
        longest = self.options.max_polling_interval.total_seconds()
        delay, outage = _FIRST_DELAY, Outage(self.faults, f"Queue {self.queue.queue_name} cannot be read")
        while not self._stopping:
            while len(self._running) > self.options.new_batch_threshold:
                await self._until_one_ends()
            self._wake.clear()
            found = 0
            try:
                found = await self._fetch()
                outage.over()
            except ResourceNotFoundError:
                outage.over()  # the queue does not exist yet: as good as empty
            except AzureError as exc:
                outage.goes_on(exc)
            if found:
                delay = _FIRST_DELAY
                continue
            await self._pause(delay)
            delay = min(delay * random.uniform(1.5, 2.5), longest)

    async def _pause(self, seconds: float) -> None:
        """Wait this long or until woken. Raises StorageLostError if a message that ends meanwhile does."""
        waking = asyncio.create_task(self._wake.wait())
        until = time.monotonic() + seconds
        try:
            while not waking.done() and (left := until - time.monotonic()) > 0:
                done, _ = await asyncio.wait(
                    (waking, *self._running), timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
                self._end(done - {waking})
        finally:
            waking.cancel()

    async def _until_one_ends(self) -> None:
        done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        self._end(done)

    def _end(self, done: set[asyncio.Task[Any]]) -> None:
        """Forget tasks that have ended. Raises what one of them raised: StorageLostError."""
        self._running -= done
        for task in done:
            task.result()

    async def _fetch(self) -> int:
        found = 0
        messages = self.queue.receive_messages(
            messages_per_page=self.options.batch_size,
            max_messages=self.options.batch_size,
            visibility_timeout=max(1, round(self.lease)),
        )
        async for message in messages:
            found += 1
            self._running.add(asyncio.create_task(self._process(message)))
        return found

    async def _process(self, message: QueueMessage) -> None:
        poison = self.poison_of(message)
        try:
            if poison is not None and (message.dequeue_count or 0) > self.options.max_dequeue_count:
                await self._give_up(message, poison)
                return
            try:
                async with self._leased(message):
                    succeeded = await self.handler(message)
            except UndecodableError as exc:
                _log.warning("%s: %s", self._named(message), exc)
                if poison is not None:
                    await self._give_up(message, poison)
            else:
                await self._complete(message, poison, succeeded=succeeded)
        except ResourceNotFoundError:
            _log.warning(
                "%s: its lease ended and it was taken again, or it was deleted", self._named(message)
            )
        except AzureError as exc:
            _log.warning("%s: %s", self._named(message), first_line(exc))

    async def _complete(self, message: QueueMessage, poison: QueueClient | None, *, succeeded: bool) -> None:
        if succeeded:
            await self.faults.insist(
                f"{self._named(message)} cannot be deleted", lambda: self.queue.delete_message(message)
            )
        elif poison is None:
            return
        elif (message.dequeue_count or 0) >= self.options.max_dequeue_count:
            await self._give_up(message, poison)
        else:
            seconds = round(self.options.visibility_timeout.total_seconds())
            await self.faults.insist(
                f"{self._named(message)} cannot be put back",
                lambda: self.queue.update_message(message, visibility_timeout=seconds),
            )

    async def _give_up(self, message: QueueMessage, poison: QueueClient) -> None:
        name, times = self._named(message), message.dequeue_count
        _log.warning("%s failed %d times: moved to %s", name, times, poison.queue_name)
        await self.faults.insist(f"{name} cannot be given up", lambda: send(poison, message.content))
        await self.faults.insist(f"{name} cannot be deleted", lambda: self.queue.delete_message(message))

    @contextlib.asynccontextmanager
    async def _leased(self, message: QueueMessage) -> AsyncIterator[None]:
        """Keep the message invisible while the body runs. Raises StorageLostError."""
        done = asyncio.Event()
        renewal = asyncio.create_task(self._renew(message, done))
        try:
            yield
        finally:
            # Not cancelled: a renewal under way changes the receipt that the message is deleted with.
            done.set()
            await renewal

    async def _renew(self, message: QueueMessage, done: asyncio.Event) -> None:
        seconds = max(1, round(self.lease))
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), self.lease / 2)
                return
            try:
                renewed = await self.faults.insist(
                    f"The lease of {self._named(message)} cannot be renewed",
                    lambda: self.queue.update_message(message, visibility_timeout=seconds),
                )
            except AzureError as exc:
                _log.warning(
                    "The lease of %s could not be renewed: %s", self._named(message), first_line(exc)
                )
                if isinstance(exc, ResourceNotFoundError):
                    return
            else:
                message.pop_receipt = renewed.pop_receipt

    def _named(self, message: QueueMessage) -> str:
        return f"Message {message.id} of queue {self.queue.queue_name}"


async def send(queue: QueueClient, content: str) -> None:
    """Put a message into a queue of the host's own, which is made where it is missing.

    As on the platform, it lives for the service's seven days.
    """
    try:
        await queue.send_message(content)
    except ResourceNotFoundError:
        with contextlib.suppress(ResourceExistsError):
            await queue.create_queue()
        await queue.send_message(content)


def queue_trigger(
    worker: Worker, function: Function, options: QueueOptions, lease: float, faults: Faults
) -> QueueListener:
    """Return the listener for a function's queue trigger."""
    name = resolve(str(function.trigger["queueName"])).lower()
    connection = connection_string(function.trigger.get("connection"))
    binary = str(function.trigger.get("dataType") or "").upper() == "BINARY"

    async def handle(message: QueueMessage) -> bool:
        body = _decode(message.content, options)
        try:
            text = body.decode()
        except UnicodeDecodeError:
            if not binary:
                _log.error("Message %s of queue %s is no UTF-8: it cannot be bound", message.id, name)
                return False
            text = body.decode(errors="replace")
        result: Result = await worker.invoke(
            function,
            TypedData(bytes=body) if binary else TypedData(string=text),
            _metadata(message, text),
            reason=f"message {message.id} of queue {name}, try {message.dequeue_count}",
        )
        return result.succeeded

    # The platform gives a poison queue no poison queue of its own.
    poison = None if name.endswith(POISON) else queue_client(connection, name + POISON)
    return QueueListener(
        queue=queue_client(connection, name),
        poison_of=lambda _: poison,
        handler=handle,
        options=options,
        lease=lease,
        faults=faults,
    )


def _decode(content: str, options: QueueOptions) -> bytes:
    if not options.base64:
        return content.encode()
    try:
        return base64.b64decode("".join(content.split()), validate=True)  # .NET accepts blanks inside
    except binascii.Error as exc:
        raise UndecodableError(
            "it is not base64, which host.json's queues.messageEncoding asks for."
        ) from exc


def _metadata(message: QueueMessage, text: str) -> dict[str, TypedData]:
    metadata = {
        "QueueTrigger": TypedData(string=text),
        "DequeueCount": TypedData(json=json.dumps(message.dequeue_count)),
        "Id": TypedData(string=message.id),
        "InsertionTime": _instant(message.inserted_on),
        "ExpirationTime": _instant(message.expires_on),
        "NextVisibleTime": _instant(message.next_visible_on),
        "PopReceipt": TypedData(string=message.pop_receipt),
    }
    known = {name.lower(): name for name in metadata}
    for name, value in _top_level(text).items():
        metadata[known.get(name.lower(), name)] = value
    return metadata


def _top_level(text: str) -> dict[str, TypedData]:
    """Return the members of a message that is a JSON object: the platform copies them over the metadata."""
    stripped = text.strip()
    if not (stripped.startswith("{") and stripped.endswith("}")):
        return {}
    try:
        members = json.loads(stripped)
    except ValueError:
        return {}
    return {
        name: TypedData(json=json.dumps(value)) if isinstance(value, dict) else TypedData(string=str(value))
        for name, value in members.items()
        if value is not None and not isinstance(value, list)
    }


def _instant(value: datetime | None) -> TypedData:
    instant = (value or _LAST_INSTANT).astimezone(UTC).replace(microsecond=0)
    return TypedData(json=json.dumps(instant.isoformat()))
