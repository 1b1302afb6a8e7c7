"""The same object in another format, encoding or by another channel is the same event."""

import pytest
from receiver import Json, Receiver, marked, sample

from tools.host.testing import wait_until

TWINS = [
    ("CreateJob", "one-of-each"),
    ("ExportInvoice", "one-line"),
    ("CreateCustomer", "unicode"),
    ("SalesItemUpdated", "one-category"),
    ("CreateQuote", "repeated-elements"),
]


@pytest.fixture(scope="module")
def first(receiver: Receiver) -> dict[str, str]:
    """Send each as JSON by webhook, and then the three other ways; return the ids of the first."""
    ids = {event: receiver.accepted(event, _twin(event, variant, "json")) for event, variant in TWINS}
    for delivery_id in ids.values():
        receiver.row(delivery_id)
    for event, variant in TWINS:
        receiver.accepted(event, _twin(event, variant, "xml"))
        for form in ("json", "xml"):
            receiver.drop(f"{event}/twin.{form}", _twin(event, variant, form))
    return ids


def _twin(event: str, variant: str, form: str) -> bytes:
    return marked(sample(event, f"{variant}.{form}"), f"twin of {variant}")


@pytest.mark.parametrize(("event", "variant"), TWINS)
def test_json_and_xml_by_either_channel_give_the_same_data(
    receiver: Receiver, first: dict[str, str], event: str, variant: str
) -> None:
    (original,) = receiver.messages(first[event])
    assert original["data"]["SentAs"] == f"twin of {variant}"
    others = wait_until(lambda: _repeats(receiver, first[event]))
    for other in others:
        assert other["data"] == original["data"]
        assert (other["subject"], other["type"]) == (original["subject"], original["type"])
    assert sorted(other["channel"] for other in others) == ["hot-folder", "hot-folder", "webhook"]


def _repeats(receiver: Receiver, delivery_id: str) -> list[Json]:
    found = [event for event in receiver.taken() if event.get("duplicateof") == delivery_id]
    return found if len(found) == 3 else []


@pytest.mark.parametrize(
    "variant", ["utf16-be.xml", "utf16-le.xml", "declaration-contradicts-utf16-bytes.xml"]
)
def test_utf16_arrives_as_what_it_says_and_its_bytes_as_they_came(receiver: Receiver, variant: str) -> None:
    body = sample("AcceptanceCreated", variant)
    row = receiver.row(receiver.accepted("AcceptanceCreated", body), "sent", "duplicate")
    assert receiver.blob(row["raw"]) == body
    (message,) = receiver.messages(row["id"])
    assert message["data"]["Products"]
