"""Subscriptions decide who gets what, and what equal deliveries are taken for."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from receiver import Json, Receiver, StartReceiver, marked, sample

from tools.host.testing import wait_until

SUBSCRIPTIONS = """
[queues.everything]
events = ["*"]
[queues.fresh]
events = ["*"]
duplicates = "drop"
[queues.creations]
events = ["create*"]
encoding = "none"
[queues.invoices]
events = ["ExportInvoice"]
"""


@pytest.fixture(scope="module")
def relay(start_receiver: StartReceiver) -> Receiver:
    """Return an app with four result queues, which confirms refused events too."""
    return start_receiver(
        {"SUBSCRIPTIONS": SUBSCRIPTIONS, "QUARANTINE_STATUS": "202", "PRINTIQ_SITE": "uat.example"}
    )


def quote(number: str, price: int = 100) -> bytes:
    return f'{{"QuoteNo": "{number}", "Products": [{{"Quantities": [{{"Price": {price}}}]}}]}}'.encode()


def ids(events: list[Json], *, marked: bool) -> list[str]:
    return [event["id"] for event in events if ("duplicateof" in event) == marked]


def test_each_queue_gets_what_it_subscribes_to(relay: Receiver) -> None:
    created = relay.row(relay.accepted("CreateQuote", quote("Q1")))
    invoiced = relay.row(relay.accepted("ExportInvoice", sample("ExportInvoice")))
    rejected = relay.row(relay.accepted("RejectQuote", quote("Q1")))
    assert json.loads(created["queues"]) == ["everything", "fresh", "creations"]
    assert json.loads(invoiced["queues"]) == ["everything", "fresh", "invoices"]
    assert json.loads(rejected["queues"]) == ["everything", "fresh"]
    (whole,) = relay.messages(created["id"], "everything")
    assert whole == relay.messages(created["id"], "creations", encoding="none")[0]
    assert whole["source"] == "/printiq/uat.example"
    assert {event["id"] for event in relay.taken("invoices")} == {invoiced["id"]}


def test_a_large_event_goes_whole_to_a_queue_without_encoding_and_by_reference_to_one_in_base64(
    relay: Receiver,
) -> None:
    row = relay.row(relay.accepted("CreateQuote", marked(quote("Q2"), "x" * 55_000)))
    (whole,) = relay.messages(row["id"], "creations", encoding="none")
    (referring,) = relay.messages(row["id"], "everything")
    assert relay.referred(referring) == whole["data"]


def test_the_second_of_two_equal_events_is_marked_and_dropped_where_a_queue_wants_that(
    relay: Receiver,
) -> None:
    first = relay.row(relay.accepted("CreateQuote", quote("Q3")))
    second = relay.row(relay.accepted("CreateQuote", quote("Q3")), "duplicate")
    assert second["duplicateOf"] == first["id"]
    assert json.loads(second["queues"]) == ["everything", "creations"]
    (message,) = relay.messages(second["id"], "everything")
    assert message["duplicateof"] == first["id"]
    assert relay.messages(first["id"], "fresh")
    assert second["id"] not in ids(relay.taken("fresh"), marked=True)


@pytest.mark.parametrize("at_once", [False, True])
def test_a_b_a_sent_back_to_back_is_three_events(relay: Receiver, at_once: bool) -> None:
    number = f"Q4-{at_once}"
    bodies = [quote(number, price) for price in (1, 2, 1)]
    if at_once:
        # on three connections: whatever order they arrive in, at most two equal ones are neighbours
        with ThreadPoolExecutor(3) as pool:
            sent = list(pool.map(lambda body: relay.accepted("CreateQuote", body), bodies))
        rows = [relay.row(each, "sent", "duplicate") for each in sent]
        assert [row["status"] for row in rows].count("sent") >= 2
        order = sorted(range(3), key=lambda number: sent[number])
        if order[1] == 1:  # the last may be taken for a repeat until the one between has been seen
            assert [relay.row(each)["status"] for each in sent] == ["sent"] * 3
    else:
        sent = [relay.accepted("CreateQuote", body) for body in bodies]
        assert [relay.row(each)["status"] for each in sent] == ["sent"] * 3
        assert [each for each in sent if relay.messages(each, "fresh")] == sent


def test_of_thirty_equal_events_at_once_exactly_one_is_unmarked(relay: Receiver) -> None:
    with ThreadPoolExecutor(30) as pool:
        sent = list(pool.map(lambda _: relay.accepted("CreateQuote", quote("Q5")), range(30)))
    for each in sent:
        relay.row(each, "sent", "duplicate")
        assert relay.messages(each, "everything")
    assert len(set(sent) & set(ids(relay.taken("everything"), marked=False))) == 1
    assert len(set(sent) & set(ids(relay.taken("fresh"), marked=False))) == 1
    assert not set(sent) & set(ids(relay.taken("fresh"), marked=True))


def test_two_states_of_one_subject_at_once_leave_the_later_one_as_its_record(relay: Receiver) -> None:
    with ThreadPoolExecutor(12) as pool:
        sent = list(pool.map(lambda price: relay.accepted("CreateQuote", quote("Q6", price)), range(12)))
    for each in sent:
        relay.row(each)
    latest = {"PartitionKey": "quote", "RowKey": "Q6", "delivery": max(sent)}
    assert relay.written("records", **latest)
    wait_until(lambda: len(relay.rows("timeline", PartitionKey="quote|Q6")) == 12)


def test_a_refused_event_is_confirmed_where_the_settings_say_so(relay: Receiver) -> None:
    response = relay.post("CreateQuote", b'{"QuoteNo": ')
    assert response.status_code == 202
    answer = response.json()
    assert (answer["status"], answer["event"]) == ("quarantined", "CreateQuote")
    assert answer["detail"] == answer["errors"][0]["message"]
    assert relay.row(answer["id"], "quarantined")["error"] == answer["detail"]


def test_what_did_not_arrive_is_not_confirmed(relay: Receiver, start_receiver: StartReceiver) -> None:
    without_streams = start_receiver({"QUARANTINE_STATUS": "202", "HTTP_STREAMS": "false"})
    assert without_streams.post("CreateQuote", iter([quote("Q7")])).status_code == 411
    assert relay.post("CreateQuote", b"").status_code == 400
