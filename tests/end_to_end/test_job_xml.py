"""Job XML at the sizes of real drops, and far beyond, arrives whole and typed by either channel."""

import base64
from collections.abc import Callable

import pytest
from receiver import Json, Receiver, marked, sample

from tools.host.testing import wait_until

type By = Callable[[Receiver, str, bytes], Json]

LARGE = 20 * 1024 * 1024


def _webhook(receiver: Receiver, mark: str, body: bytes) -> Json:
    return receiver.row(receiver.accepted("CreateJobXml", marked(body, mark)))


def _hot_folder(receiver: Receiver, mark: str, body: bytes) -> Json:
    receiver.drop(f"CreateJobXml/{mark}.xml", marked(body, mark))
    return receiver.row_of_drop(mark)


def _with_thumbnail(body: bytes, size: int) -> bytes:
    """Return the document with a thumbnail of about `size` bytes of base64."""
    head, start, rest = body.partition(b"<ArtworkThumbnail>")
    _, end, tail = rest.partition(b"</ArtworkThumbnail>")
    assert end
    return head + start + base64.b64encode(bytes(size // 4 * 3)) + end + tail


@pytest.mark.parametrize("by", [_webhook, _hot_folder])
@pytest.mark.parametrize("size", ["88 KB", "20 MB"])
def test_a_job_document_arrives_whole_and_typed(receiver: Receiver, by: By, size: str) -> None:
    body = sample("CreateJobXml", "job-88kb-annual-report")
    if size == "20 MB":
        body = _with_thumbnail(body, LARGE)
    mark = f"{size} by{by.__name__}"
    row = by(receiver, mark, body)
    assert receiver.blob(row["raw"]) == marked(body, mark)
    (message,) = receiver.messages(row["id"])
    assert (message["subject"], message["kind"]) == ("J29514-01", "job")
    day = row["receivedAt"][:10].replace("-", "/")
    assert message["dataref"].endswith(f"/archive/CreateJobXml/{day}/{row['id']}.data.json")
    data = receiver.referred(message)
    assert data["SentAs"] == mark
    assert data["JobNumber"] == "J29514-01"
    assert isinstance(data["IsPriority"], bool)
    assert isinstance(data["Sections"], list)
    assert len(data["Product"]["ArtworkThumbnail"]) >= (LARGE if size == "20 MB" else 10_000)
    (record,) = receiver.written("records", PartitionKey="job", RowKey="J29514-01")
    assert record["dataRef"]
    wait_until(lambda: not [name for name in receiver.drops() if mark in name])
