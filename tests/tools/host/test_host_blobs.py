"""Blob triggers find new and changed blobs once, and give up as the platform's do."""

import json

from sample import Sample

from tools.host.testing import StartHost, wait_until


def test_a_blob_that_the_path_names_is_handled_once_until_it_changes(
    start_host: StartHost, storage: str
) -> None:
    sample = Sample(start_host, storage)
    first = sample.start()
    sample.drop("orders/a b é.xml", "not asked for")
    sample.drop("orders/a b é.txt", "one")
    note = wait_until(lambda: sample.notes("drop"))[0]
    assert note == {"by": "drop", "name": "drops/orders/a b é.txt", "text": "one", "length": 3}
    first.stop()
    sample.start()
    sample.drop("orders/b.txt", "two")
    wait_until(lambda: len(sample.notes("drop")) > 1)
    sample.drop("orders/a b é.txt", "three")
    wait_until(lambda: len(sample.notes("drop")) > 2)
    assert [note["text"] for note in sample.notes("drop")] == ["one", "two", "three"]


def test_a_blob_that_fails_five_times_is_named_in_the_poison_queue(
    start_host: StartHost, storage: str
) -> None:
    sample = Sample(start_host, storage)
    first = sample.start()
    sample.drop("orders/a.txt", "please fail")
    message = json.loads(wait_until(lambda: sample.messages("webjobs-blobtrigger-poison"))[0])
    assert (message["ContainerName"], message["BlobName"]) == ("drops", "orders/a.txt")
    assert len(sample.notes("drop")) == 5
    first.stop()
    sample.start()
    sample.drop("orders/b.txt", "fine")
    wait_until(lambda: len(sample.notes("drop")) > 5)
    assert sample.notes("drop")[-1]["text"] == "fine"
