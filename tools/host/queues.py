"""Runs queue triggers with the platform's leases, retries and poison queues."""

import asyncio
import base64
import binascii
import contextlib
import json
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

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
    """Return a client that neither encodes nor decodes the text of messages."""
    # The SDK's own pauses, 15 s and more, are for a cloud; Azurite is back within seconds.
    return QueueClient.from_connection_string(connection, queue, initial_backoff=1, increment_base=1)


@dataclass(slots=True)
class QueueListener:
    """Poll a queue and hand its messages to a handler, several at once.

    As on the platform: a fetch takes `batch_size` messages, and the next fetch waits until no more than
    `new_batch_threshold` are still running. Each message is invisible for `lease` seconds, which is renewed
    while the handler runs. A failed message is tried again until `max_dequeue_count`, then moved to the
    poison queue. Without a poison queue it stays invisible until its lease ends, and is not handled any more
    after `max_dequeue_count`.
    """

    queue: QueueClient
    poison: QueueClient | None
    handler: Handler
    options: QueueOptions
    lease: float
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
        try:
            await self._poll()
            while self._running:
                await asyncio.wait(self._running)
        finally:
            for task in self._running:
                task.cancel()
            await self.queue.close()
            if self.poison is not None:
                await self.poison.close()

    async def _poll(self) -> None:
        longest = max(self.options.max_polling_interval.total_seconds(), _FIRST_DELAY)
        delay, failing = _FIRST_DELAY, False
        while not self._stopping:
            await self._wait_for_room()
            self._wake.clear()
            found = 0
            try:
                found = await self._fetch()
                failing = False
            except ResourceNotFoundError:
                failing = False  # the queue does not exist yet: as good as empty
            except AzureError as exc:
                if not failing:
                    name, why = self.queue.queue_name, first_line(exc)
                    _log.warning("Queue %s cannot be read; trying until it can: %s", name, why)
                failing = True
            if found:
                delay = _FIRST_DELAY
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), delay)
            delay = min(delay * random.uniform(1.5, 2.5), longest)

    async def _wait_for_room(self) -> None:
        while len(self._running) > self.options.new_batch_threshold:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    async def _fetch(self) -> int:
        found = 0
        messages = self.queue.receive_messages(
            messages_per_page=self.options.batch_size,
            max_messages=self.options.batch_size,
            visibility_timeout=max(1, round(self.lease)),
        )
        async for message in messages:
            found += 1
            task = asyncio.create_task(self._process(message))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return found

    async def _process(self, message: QueueMessage) -> None:
        try:
            if (message.dequeue_count or 0) > self.options.max_dequeue_count:
                await self._give_up(message)
                return
            try:
                async with self._leased(message):
                    succeeded = await self.handler(message)
            except UndecodableError as exc:
                _log.warning("Message %s of queue %s: %s", message.id, self.queue.queue_name, exc)
                await self._give_up(message)
            else:
                await self._complete(message, succeeded=succeeded)
        except ResourceNotFoundError:
            _log.warning(
                "Message %s of queue %s: its lease ended and it was taken again, or it was deleted.",
                message.id,
                self.queue.queue_name,
            )
        except AzureError as exc:
            _log.warning("Message %s of queue %s: %s", message.id, self.queue.queue_name, first_line(exc))

    async def _complete(self, message: QueueMessage, *, succeeded: bool) -> None:
        if succeeded:
            await self.queue.delete_message(message)
        elif (message.dequeue_count or 0) >= self.options.max_dequeue_count:
            await self._give_up(message)
        elif self.poison is not None:
            seconds = round(self.options.visibility_timeout.total_seconds())
            await self.queue.update_message(message, visibility_timeout=seconds)

    async def _give_up(self, message: QueueMessage) -> None:
        if self.poison is None:
            return
        _log.warning(
            "Message %s of queue %s failed %d times: moved to %s",
            message.id,
            self.queue.queue_name,
            message.dequeue_count,
            self.poison.queue_name,
        )
        await send(self.poison, message.content)
        await self.queue.delete_message(message)

    @contextlib.asynccontextmanager
    async def _leased(self, message: QueueMessage) -> AsyncIterator[None]:
        """Keep the message invisible while the body runs."""
        done = asyncio.Event()
        renewal = asyncio.create_task(self._renew(message, done))
        try:
            yield
        finally:
            # Not cancelled: a renewal under way changes the receipt that the message is deleted with.
            done.set()
            await renewal

    async def _renew(self, message: QueueMessage, done: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), self.lease / 2)
                return
            try:
                renewed = await self.queue.update_message(
                    message, visibility_timeout=max(1, round(self.lease))
                )
            except AzureError as exc:
                _log.warning("The lease of message %s could not be renewed: %s", message.id, first_line(exc))
                if isinstance(exc, ResourceNotFoundError):
                    return
            else:
                message.pop_receipt = renewed.pop_receipt


async def send(queue: QueueClient, content: str) -> None:
    """Put a message that never expires into a queue, which is made where it is missing."""
    try:
        await queue.send_message(content, time_to_live=-1)
    except ResourceNotFoundError:
        with contextlib.suppress(ResourceExistsError):
            await queue.create_queue()
        await queue.send_message(content, time_to_live=-1)


def queue_trigger(worker: Worker, function: Function, options: QueueOptions, lease: float) -> QueueListener:
    """Return the listener for a function's queue trigger."""
    name = resolve(str(function.trigger["queueName"])).lower()
    connection = connection_string(function.trigger.get("connection"))
    binary = str(function.trigger.get("dataType") or "").upper() == "BINARY"

    async def handle(message: QueueMessage) -> bool:
        body = _decode(message.content, options)
        text = body.decode(errors="replace")
        result: Result = await worker.invoke(
            function,
            TypedData(bytes=body) if binary else TypedData(string=text),
            _metadata(message, text),
            reason=f"message {message.id} of queue {name}, try {message.dequeue_count}",
        )
        return result.succeeded

    return QueueListener(
        queue=queue_client(connection, name),
        # The platform gives a poison queue no poison queue of its own.
        poison=None if name.endswith(POISON) else queue_client(connection, name + POISON),
        handler=handle,
        options=options,
        lease=lease,
    )


def _decode(content: str, options: QueueOptions) -> bytes:
    if not options.base64:
        return content.encode()
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error as exc:
        raise UndecodableError(
            "it is not base64, which is what host.json's queues.messageEncoding says."
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


def first_line(exc: BaseException) -> str:
    """Return what an SDK's error says before it goes into details."""
    return str(exc).partition("\n")[0]
