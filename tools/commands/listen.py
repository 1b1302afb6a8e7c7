"""`dev.py listen`: push the messages of a result queue to a web handler, as an https subscription does."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import typer
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueMessage, QueueServiceClient
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from events import TYPE_PREFIX
from handlers.errors import DestinationFault
from handlers.problems import in_words
from handlers.push.client import Client
from handlers.pushes import CloudEvent, Form
from handlers.subscriptions import HttpsSubscription
from tools.commands._api import Json, UnreachableError
from tools.commands._exit import ExitCode
from tools.commands._ports import DEFAULT_STORAGE_PORT, DEFAULT_URL
from tools.commands._target import (
    StoragePortOption,
    Target,
    UrlOption,
    address,
    message_bytes,
    read_message,
    storage_answers,
)

_INTERVAL = 0.5
# As Functions hosts do.
_MAX_TRIES = 5
# A handler at a breakpoint has this long.
_ANSWER_SECONDS = 300
# Longer than a handler has; then another consumer of the queue may get the message.
_LEASE_SECONDS = _ANSWER_SECONDS + 30


def main(
    *,
    to: Annotated[str, typer.Option("--to", callback=address, help="Your handler's address.")],
    queue: Annotated[str, typer.Option(help="The queue to read.")] = "printiq-events",
    event: Annotated[
        str | None, typer.Option(help="Only events of this name or pattern, such as '*Quote*'.")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="Only this job, quote, customer, …")] = None,
    secret_setting: Annotated[
        str | None, typer.Option(help="Sign each push with the secret in this setting.")
    ] = None,
    mode: Annotated[
        Literal["structured", "binary"], typer.Option(help="As in a subscription's `mode`.")
    ] = "structured",
    url: UrlOption = DEFAULT_URL,
    storage_port: StoragePortOption = DEFAULT_STORAGE_PORT,
) -> None:
    """Push each message of a result queue to a web handler, until Ctrl-C.

    This lets you write a consumer as a web handler first. It gets the very requests that an https
    subscription would send it (docs/push.md), with the number of the try in the header `X-Try`. A 2xx takes
    the message off the queue. Anything else, or no response, is retried after 1, 2, 4 and 8 seconds; after
    five tries the message goes to the queue's `-poison`. A handler at a breakpoint has five minutes. Messages
    that --event and --subject exclude are taken off the queue, too, as a consumer does with those it does
    not want.

    Exit codes: 0 after Ctrl-C; 2 the command line is wrong; 3 the storage does not respond.
    """
    console = Console(highlight=False)
    target = Target.of(url, None, storage_port)
    if target.storage is None:
        raise typer.BadParameter("messages are taken only from an app on this machine", param_hint="--url")
    auth = {"auth": "signature", "secret_setting": secret_setting} if secret_setting else {"auth": "none"}
    try:
        subscription = HttpsSubscription.model_validate(
            {"events": ["*"], "url": to, "mode": mode, "allow_private": True, **auth}
        )
    except ValidationError as error:
        raise typer.BadParameter(in_words(error), param_hint="--to") from error
    console.print(f"Posting the messages of {queue} to {to}. Ctrl-C ends it.", markup=False, soft_wrap=True)
    try:
        with storage_answers(target.storage):
            source = _Source(target.storage, queue)
            asyncio.run(_listen(source, subscription, event, subject, console))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    except UnreachableError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(ExitCode.UNREACHABLE) from None


async def _listen(
    source: "_Source",
    subscription: HttpsSubscription,
    event: str | None,
    subject: str | None,
    console: Console,
) -> None:
    client = Client("", is_local=True, seconds=_ANSWER_SECONDS)
    try:
        async for message in source.messages():
            found = read_message(message.content)
            if "type" not in found:
                outcome = Text(f"no event, {source.set_aside(message)}", style="red")
            elif _is_wanted(found, event, subject):
                outcome = await _push(message, subscription, client, source)
            else:
                source.take_off(message)
                continue
            console.print(_line(found, outcome), soft_wrap=True)
    finally:
        await client.close()


class _Source:
    """A result queue, and the poison queue beside it."""

    def __init__(self, storage: str, name: str) -> None:
        service = QueueServiceClient.from_connection_string(storage)
        self._queue, self._poison = (service.get_queue_client(each) for each in (name, f"{name}-poison"))

    async def messages(self) -> AsyncIterator[QueueMessage]:
        """Yield messages as they come, one at a time: a lease must not end behind a slow one."""
        while True:
            try:
                message = self._queue.receive_message(visibility_timeout=_LEASE_SECONDS)
            except ResourceNotFoundError:  # the app makes the queue with the first event
                message = None
            if message is None:
                await asyncio.sleep(_INTERVAL)
            else:
                yield message

    def take_off(self, message: QueueMessage) -> None:
        self._queue.delete_message(message)

    def put_back(self, message: QueueMessage) -> str:
        """Hide a message for a while, or move it to the poison queue after the last try; return which."""
        tries = message.dequeue_count or 1
        if tries >= _MAX_TRIES:
            return f"try {tries} of {_MAX_TRIES}, {self.set_aside(message)}"
        delay = 2 ** (tries - 1)
        self._queue.update_message(message, visibility_timeout=delay)
        return f"try {tries} of {_MAX_TRIES}, again in {delay} s"

    def set_aside(self, message: QueueMessage) -> str:
        with contextlib.suppress(ResourceExistsError):
            self._poison.create_queue()
        self._poison.send_message(message.content, time_to_live=-1)
        self.take_off(message)
        return f"moved to {self._poison.queue_name}"


def _is_wanted(message: Json, event: str | None, subject: str | None) -> bool:
    name = message["type"].removeprefix(TYPE_PREFIX).lower()
    return (event is None or fnmatchcase(name, event.lower())) and subject in {None, message.get("subject")}


async def _push(
    message: QueueMessage, subscription: HttpsSubscription, client: Client, source: _Source
) -> Text:
    """Push a message, and take it off the queue or put it back; return the outcome."""
    body = message_bytes(message.content)
    try:
        event = CloudEvent.read(body)
    except ValueError:
        return Text(f"no event of this app's, {source.set_aside(message)}", style="red")
    form = event.binary() if subscription.mode == "binary" else Form(event.structured().headers, body)
    form = Form({**form.headers, "X-Try": str(message.dequeue_count)}, form.body)
    started = time.monotonic()
    try:
        answer = await client.post(subscription, event.push_id, form, datetime.now(UTC))
    except DestinationFault as fault:
        return Text(f"no answer: {fault}", style="red").append(f" {source.put_back(message)}")
    outcome = Text(f"{answer.status}", style="green" if answer.is_success else "red")
    outcome.append(f" in {(time.monotonic() - started) * 1000:.0f} ms")
    if answer.is_success:
        source.take_off(message)
        return outcome
    return outcome.append(f"; {source.put_back(message)}")


def _line(event: Json, outcome: Text) -> Text:
    line = Text(f"{datetime.now().astimezone():%H:%M:%S}  ")
    if "type" not in event:
        return line.append_text(outcome)
    line.append(f"{event['type'].removeprefix(TYPE_PREFIX):<28}")
    line.append(f"{event['kind']} {event['subject']}" if "subject" in event else "no subject")
    for mark in ("duplicateof", "replayof"):
        if mark in event:
            line.append(f"  {mark} {event[mark]}", style="yellow")
    return line.append("  ").append_text(outcome)
