"""Queues and messages. A message lives until it is handled (time-to-live -1; the default is seven days)."""

import base64
import contextlib
import re
import time
from collections.abc import AsyncIterator
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import quote
from xml.sax.saxutils import escape

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from handlers.errors import NotFound
from handlers.stores.account import Account
from handlers.stores.faults import storage_call, storage_write

if TYPE_CHECKING:
    from azure.storage.queue import QueueMessage
    from azure.storage.queue.aio import QueueClient, QueueServiceClient

INBOX_QUEUE = "printiq-inbox"
INBOX_POISON_QUEUE = "printiq-inbox-poison"
# What is to be pushed to https subscriptions.
PUSH_QUEUE = "printiq-push"
PUSH_POISON_QUEUE = "printiq-push-poison"
# In the hot folder's account: the platform lists here the files on which its Blob trigger failed five times.
DROPS_POISON_QUEUE = "webjobs-blobtrigger-poison"
# In the host's account, followed by the host's id: the notifications that its Blob trigger has yet to handle.
NOTIFICATION_QUEUES = "azure-webjobs-blobtrigger-"

# The service's limit for a message's text, in bytes of UTF-8.
MAX_MESSAGE_BYTES = 64 * 1024


type Encoding = Literal["base64", "none"]


def fits(size: int, encoding: Encoding) -> bool:
    """Return whether a message can hold this many bytes."""
    return (size if encoding == "none" else (size + 2) // 3 * 4) <= MAX_MESSAGE_BYTES


LEASE_SECONDS = 60
_XML = {"Content-Type": "application/xml"}
_BATCH = 32


class Received(NamedTuple):
    """A message that was received; it is deleted with its `receipt`."""

    id: str
    inserted_at: datetime
    text: str
    receipt: str


class Sent:
    """A message that was sent."""

    def __init__(self, response: bytes) -> None:
        self._response = response

    @property
    def id(self) -> str:
        return self._member("MessageId")

    @property
    def receipt(self) -> str:
        """What deletes it until it is visible."""
        return self._member("PopReceipt")

    def _member(self, name: str) -> str:
        found = re.search(f"<{name}>([^<]+)</{name}>".encode(), self._response)
        if found is None:
            raise ValueError(f"the response has no {name}")
        return found[1].decode()


def _received(message: "QueueMessage") -> Received:
    assert message.inserted_on is not None
    assert message.pop_receipt is not None
    return Received(message.id, message.inserted_on, message.content, message.pop_receipt)


class Queues:
    """The app's queues; a send that finds its queue missing creates it."""

    def __init__(self, account: Account) -> None:
        self._wire = account.wire("queue")
        self._account = account
        self._clients: dict[str, QueueClient] = {}

    @cached_property
    def _service(self) -> "QueueServiceClient":
        return self._account.sdk.queues()

    def _client(self, queue: str) -> "QueueClient":
        client = self._clients.get(queue)
        if client is None:
            client = self._clients[queue] = self._service.get_queue_client(queue)
        return client

    async def send(self, queue: str, body: bytes, *, encoding: Encoding = "none", delay: int = 0) -> Sent:
        """Send a message, visible after `delay` seconds."""
        # https://learn.microsoft.com/rest/api/storageservices/put-message
        text = escape(body.decode()) if encoding == "none" else base64.b64encode(body).decode()
        message = f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>".encode()
        path = f"/{queue}/messages?messagettl=-1&visibilitytimeout={delay}"
        async with storage_write(f"send to queue {queue}"):
            try:
                response = await self._wire.call("POST", path, headers=_XML, body=message)
            except ResourceNotFoundError:
                await self._create(self._client(queue))
                response = await self._wire.call("POST", path, headers=_XML, body=message)
        return Sent(response.body())

    async def take_back(self, queue: str, sent: Sent) -> None:
        """Delete a message that was sent with a delay and is not visible yet; a visible one may stay."""
        # https://learn.microsoft.com/rest/api/storageservices/delete-message2
        with contextlib.suppress(NotFound):
            async with storage_call(f"delete a message of {queue}"):
                path = f"/{queue}/messages/{quote(sent.id)}?popreceipt={quote(sent.receipt, safe='')}"
                await self._wire.call("DELETE", path, headers={})

    async def _create(self, client: "QueueClient") -> None:
        with contextlib.suppress(ResourceExistsError):  # another instance was first
            await client.create_queue()

    async def ensure(self, queue: str) -> None:
        """Create the queue if it is missing."""
        async with storage_call(f"create queue {queue}"):
            await self._create(self._client(queue))

    async def receive(self, queue: str) -> AsyncIterator[list[Received]]:
        """Yield the visible messages, each once, some at a time.

        Each is hidden for LEASE_SECONDS. This ends before one that is not deleted is visible again, even if
        there are more.
        """
        client = self._client(queue)
        end = time.monotonic() + LEASE_SECONDS
        while time.monotonic() < end:
            try:
                async with storage_call(f"receive from queue {queue}"):
                    found = client.receive_messages(
                        messages_per_page=_BATCH, max_messages=_BATCH, visibility_timeout=LEASE_SECONDS
                    )
                    batch = [_received(each) async for each in found]
            except NotFound:
                return
            if not batch:
                return
            yield batch

    async def delete(self, queue: str, received: Received) -> None:
        """Delete a message, unless its lease ended and it was received again."""
        with contextlib.suppress(NotFound):
            async with storage_call(f"delete a message of {queue}"):
                await self._client(queue).delete_message(received.id, received.receipt)

    async def starting_with(self, prefix: str) -> list[str]:
        """Return the names of the queues that begin with a prefix."""
        async with storage_call(f"list the queues {prefix}*"):
            return [str(found.name) async for found in self._service.list_queues(name_starts_with=prefix)]

    async def depth(self, queue: str) -> int:
        """Return about how many messages wait, including those in process; 0 if there is no queue."""
        try:
            async with storage_call(f"read queue {queue}"):
                properties = await self._client(queue).get_queue_properties()
        except NotFound:
            return 0
        return properties.approximate_message_count or 0

    async def oldest(self, queue: str) -> datetime | None:
        """Return when the oldest visible message was sent, None if there is none."""
        try:
            async with storage_call(f"read queue {queue}"):
                peeked = await self._client(queue).peek_messages(1)
        except NotFound:
            return None
        return peeked[0].inserted_on if peeked else None
