"""Queues and tables that are deleted under the app come back, and what it holds survives its end."""

from pathlib import Path

import pytest
from azure.storage.queue import QueueServiceClient
from bench import delivery
from receiver import Receiver, StartReceiver, marked, sample

from handlers.stores import INBOX_POISON_QUEUE, INBOX_QUEUE, TableName
from handlers.work import Work
from tools.host.testing import StartHost, wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def own(start_receiver: StartReceiver) -> Receiver:
    return start_receiver({})


def _arrives(receiver: Receiver, mark: str) -> None:
    row = receiver.row(receiver.accepted("CreateQuote", marked(sample("CreateQuote"), mark)))
    assert receiver.messages(row["id"])


def test_what_is_deleted_under_the_app_is_created_again(own: Receiver) -> None:
    _arrives(own, "before")
    for queue in ("printiq-events", "printiq-inbox"):
        own.queues.delete_queue(queue)
    _arrives(own, "queues gone")
    for table in TableName:
        own.tables.delete_table(table)
    _arrives(own, "tables gone")
    own.blobs.delete_container("archive")
    _arrives(own, "archive gone")


def test_what_was_received_before_the_app_died_is_worked_off_by_the_next(
    start_host: StartHost, storage: str
) -> None:
    first = Receiver(start_host(ROOT, "--lease=2"), storage)
    _arrives(first, "before")
    sent = [
        first.accepted("CreateQuote", marked(sample("CreateQuote"), f"number {number}"))
        for number in range(8)
    ]
    first.host.kill()
    first.drop("CreateQuote/meanwhile", marked(sample("CreateQuote"), "dropped meanwhile"))
    second = Receiver(start_host(ROOT, "--lease=2"), storage)
    for delivery_id in sent:
        second.row(delivery_id)
        assert second.messages(delivery_id)
    second.row_of_drop("dropped meanwhile")


def test_a_message_that_was_delivered_many_times_stays_the_apps_own(
    start_host: StartHost, storage: str
) -> None:
    """The host would move it to the poison queue, where it would expire after seven days."""
    sent = delivery(sample("CreateQuote"))
    with QueueServiceClient.from_connection_string(storage) as service:
        inbox = service.create_queue(INBOX_QUEUE)
        inbox.send_message(Work.of(sent).encode().decode(), time_to_live=-1)
        for _ in range(10):
            (message,) = wait_until(lambda: list(inbox.receive_messages()))
            inbox.update_message(message, visibility_timeout=0)
        row = Receiver(start_host(ROOT), storage).row(sent.id, "failing")
        assert row["error"] == "CrashedError: The process ended while working on this."
        wait_until(lambda: inbox.get_queue_properties().approximate_message_count == 1)
        assert INBOX_POISON_QUEUE not in {queue.name for queue in service.list_queues()}
