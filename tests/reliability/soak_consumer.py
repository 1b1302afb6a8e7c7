"""A consumer of the soak's result queues, which remembers what it got of each delivery."""

import asyncio
import base64
import json
from collections import defaultdict
from typing import NamedTuple

from azure.core.exceptions import AzureError

from handlers.app import App

ALL, FIRST = "printiq-events", "printiq-first"
QUEUES = (ALL, FIRST)
SUBSCRIPTIONS = f"""
[queues.{ALL}]
events = ["*"]

[queues.{FIRST}]
events = ["*"]
duplicates = "drop"
"""


class Got(NamedTuple):
    """A message: its CloudEvents id, its subject, and whether it was marked as a duplicate."""

    id: str
    subject: str
    marked: bool


class Consumer:
    """Takes every message as it comes; `got` is by queue and delivery."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.got: dict[str, dict[str, list[Got]]] = {queue: defaultdict(list) for queue in QUEUES}
        self.messages = 0

    async def consume(self) -> None:
        async with asyncio.TaskGroup() as group:
            for queue in QUEUES:
                group.create_task(self._consume(queue))

    async def _consume(self, name: str) -> None:
        queue = self._app.stores.queues._service.get_queue_client(name)
        while True:
            try:
                batch = [
                    each async for each in queue.receive_messages(max_messages=32, visibility_timeout=30)
                ]
                for message in batch:
                    self._note(name, json.loads(base64.b64decode(message.content)))
                    await queue.delete_message(message)
            except AzureError:
                batch = []
            if not batch:
                await asyncio.sleep(0.3)

    def _note(self, queue: str, event: dict[str, str]) -> None:
        self.messages += 1
        got = Got(event["id"], event["subject"], "duplicateof" in event)
        self.got[queue][event["delivery"]].append(got)
