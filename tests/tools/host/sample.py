"""Starts the sample app for a test, feeds it, and reads what its functions wrote down."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueMessage, QueueServiceClient

from tools.host.testing import HostProcess, StartHost

SAMPLE_APP = Path(__file__).parent / "sample_app"
NEVER = "0 0 0 29 2 *"
# The script has a name of its own: type checkers know one module function_app, which is the project's.
SETTINGS = {"PYTHON_SCRIPT_FILE_NAME": "sample_functions.py", "TICK": NEVER}


class Sample:
    """The sample app on one test's storage account."""

    def __init__(self, start_host: StartHost, storage: str) -> None:
        self._start_host = start_host
        self._storage = storage
        self._seen: list[dict[str, Any]] = []
        self.queues = QueueServiceClient.from_connection_string(storage)
        self.blobs = BlobServiceClient.from_connection_string(storage)

    def start(
        self, *arguments: str, app: Path = SAMPLE_APP, settings: Mapping[str, str] | None = None
    ) -> HostProcess:
        """Start the app; its timer ticks only where the setting TICK says so."""
        own = {**SETTINGS, "DROPS": self._storage}
        return self._start_host(app, *arguments, settings={**own, **(settings or {})})

    def send(self, text: str, *, queue: str = "work") -> None:
        with contextlib.suppress(ResourceExistsError):
            self.queues.create_queue(queue)
        self.queues.get_queue_client(queue).send_message(text)

    def messages(self, queue: str) -> list[str]:
        """Take all messages out of a queue and return their texts."""
        return [message.content for message in self.taken(queue)]

    def taken(self, queue: str) -> list[QueueMessage]:
        """Take all messages out of a queue."""
        client = self.queues.get_queue_client(queue)
        taken = []
        try:
            for message in client.receive_messages(messages_per_page=32):
                taken.append(message)
                client.delete_message(message)
        except ResourceNotFoundError:
            pass  # nothing was ever put into it
        return taken

    def notes(self, by: str) -> list[dict[str, Any]]:
        """Return what the function of that name has written down so far, oldest first."""
        self._seen += [json.loads(text) for text in self.messages("seen")]
        return [note for note in self._seen if note["by"] == by]

    def drop(self, name: str, text: str) -> None:
        """Upload a blob into the container of the blob trigger."""
        with contextlib.suppress(ResourceExistsError):
            self.blobs.create_container("drops")
        self.blobs.get_blob_client("drops", name).upload_blob(text.encode(), overwrite=True)
