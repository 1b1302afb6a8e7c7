"""What operators do: reconcile, replay, keep nothing too long, erase a person."""

import contextlib
import json
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.queue.aio import QueueClient
from bench import Bench, Call, delivery, quote, without
from endpoints import https
from looking import look, work_off

from events import Channel, EventError, Kind, Subject
from handlers.app import App
from handlers.errors import NoCustody, NotReplayable
from handlers.http import endpoints
from handlers.ids import newest_first
from handlers.ledger.query import Filter
from handlers.ledger.rows import OPEN, day
from handlers.operations import control, erasure, reconcile, retention
from handlers.operations import replay as replaying
from handlers.operations.erasure import Person
from handlers.operations.replay import Options, dismiss, replay, replay_many
from handlers.pipeline import results
from handlers.pipeline.process import process
from handlers.pipeline.receive import receive
from handlers.stores import INBOX_QUEUE, MAX_OPERATIONS, BlobRef, ContainerName, Row, TableName
from handlers.work import Message, Work

pytestmark = pytest.mark.anyio

BROKEN = b'{"QuoteNo": "Q7", '


async def arrived(bench: Bench, *bodies: bytes, event: str = "CreateQuote") -> list[str]:
    """Have bodies received and worked off; return their ids."""
    ids = []
    for body in bodies:
        each = delivery(body, event)
        with contextlib.suppress(EventError):  # refused: it is in custody all the same
            await receive(each, bench.app)
        ids.append(each.id)
    await work_off(bench.app)
    return ids


async def findings(bench: Bench) -> list[tuple[str, str]]:
    return [(finding.id, finding.what) for finding in (await reconcile.reconcile(bench.app)).findings]


# reconciliation


async def test_good_and_bad_deliveries_add_up(bench: Bench) -> None:
    await arrived(bench, quote("Q1"), BROKEN, quote("Q2"))
    checked = await reconcile.reconcile(bench.app)
    assert checked.balanced
    assert dict(checked.by_status) == {"sent": 2, "quarantined": 1}
    assert (checked.open, checked.waiting, checked.poison) == (1, 0, 0)


async def test_messages_that_wait_are_counted(bench: Bench) -> None:
    await receive(delivery(quote("Q1")), bench.app)
    assert (await reconcile.reconcile(bench.app)).waiting == 1


async def test_a_delivery_that_is_retried_adds_up_while_its_message_waits(bench: Bench) -> None:
    sent = delivery(quote("Q1"))
    await receive(sent, bench.app)
    await bench.work_off(bench.start(without(bench.storage, "Blob")))
    checked = await reconcile.reconcile(bench.app)
    assert (checked.balanced, checked.waiting) == (True, 1)
    async with QueueClient.from_connection_string(bench.storage, INBOX_QUEUE) as inbox:
        await inbox.clear_messages()
    assert await findings(bench) == [(sent.id, "it is to be retried, but the inbox has no message of it")]


async def test_bytes_that_went_missing_are_named(bench: Bench) -> None:
    (lost,) = await arrived(bench, quote("Q1"))
    raw = str((await bench.row(lost))["raw"])
    await bench.app.stores.blobs.delete(ContainerName.ARCHIVE, raw.partition("/")[2])
    assert await findings(bench) == [(lost, f"its bytes are not at {raw}")]


async def test_a_row_that_went_missing_is_named_and_its_bytes_can_be_handed_on_again(bench: Bench) -> None:
    (lost,) = await arrived(bench, quote("Q1"))
    await bench.app.stores.tables.delete(TableName.DELIVERIES, day(lost), newest_first(lost))
    (finding,) = (await reconcile.reconcile(bench.app)).findings
    assert finding.id == lost
    assert isinstance(finding.repairable, BlobRef)
    await reconcile.adopt(bench.app, finding.repairable)
    await work_off(bench.app)
    assert await findings(bench) == []
    assert (await bench.row(lost))["status"] == "sent"


async def test_a_missing_row_of_the_timeline_is_named(bench: Bench) -> None:
    (each,) = await arrived(bench, quote("Q1"))
    await bench.app.stores.tables.delete(TableName.TIMELINE, "quote|Q1", newest_first(each))
    assert await findings(bench) == [(each, "the timeline of quote Q1 lacks it")]


async def test_a_missing_record_is_named_with_what_is_left_in_the_index(bench: Bench) -> None:
    (each,) = await arrived(bench, quote("Q1"))
    await bench.app.stores.tables.delete(TableName.RECORDS, "quote", "Q1")
    assert await findings(bench) == [
        (each, "there is no record of quote Q1"),
        ("", "there is no record of quote Q1, but the search index has rows of it"),
    ]


async def test_a_subject_that_a_search_would_not_find_is_named_and_found_again(bench: Bench) -> None:
    await arrived(bench, quote("Q1", CustomerName="Kowhai Seeds"), quote("Q2"))
    before = await bench.rows("search")
    lost = next(row for row in before if row["RowKey"].startswith("seeds"))
    await bench.app.stores.tables.delete(TableName.SEARCH, "quote", lost["RowKey"])
    checked = await reconcile.reconcile(bench.app)
    assert [str(each.what) for each in checked.findings] == ["the search index lacks rows of quote Q1"]
    assert (await reconcile.repair(bench.app, checked)).indexed == [Subject(Kind.QUOTE, "Q1")]
    assert await bench.rows("search") == before
    assert await findings(bench) == []


async def test_what_a_search_would_find_though_it_is_gone_is_named_and_removed(bench: Bench) -> None:
    await arrived(bench, quote("Q1"), quote("Q2"))
    stray = {"subject": "Q9", "fact": "key", "value": "Q9", "PartitionKey": "quote"}
    for number in range(MAX_OPERATIONS + 1):
        await bench.app.stores.tables.put(TableName.SEARCH, {**stray, "RowKey": f"{number}  Q9"})
    checked = await reconcile.reconcile(bench.app)
    what = "there is no record of quote Q9, but the search index has rows of it"
    assert [each.what for each in checked.findings] == [what]
    await reconcile.repair(bench.app, checked)
    assert {row["subject"] for row in await bench.rows("search")} == {"Q1", "Q2"}
    assert await findings(bench) == []


async def test_what_is_neither_open_nor_dealt_with_is_named(bench: Bench) -> None:
    (each,) = await arrived(bench, BROKEN)
    await bench.app.stores.tables.delete(TableName.DELIVERIES, OPEN, newest_first(each))
    assert await findings(bench) == [(each, "it was neither replayed nor dismissed, but is not open")]


async def unconfirmed(bench: Bench, channel: Channel, file: str | None) -> str:
    """Have a large body arrive whose message could not be written; return its id."""
    app = bench.start(without(bench.storage, "Queue"))
    large = replace(delivery(quote("Q1", Noise=secrets.token_hex(60_000))), channel=channel, file=file)
    with pytest.raises(NoCustody):
        await receive(large, app)
    return large.id


@pytest.mark.parametrize(
    ("channel", "file"),
    [
        (Channel.WEBHOOK, None),
        (Channel.HOT_FOLDER, "CreateQuote/Größe 7.json"),
        (Channel.FTP, "/out/a b.xml"),
    ],
)
async def test_bytes_without_a_row_are_adopted_with_their_channel_and_file(
    bench: Bench, channel: Channel, file: str | None
) -> None:
    lost = await unconfirmed(bench, channel, file)
    found = await reconcile.reconcile(bench.app)
    assert [finding.id for finding in found.findings] == [lost]
    await reconcile.repair(bench.app, found)
    await work_off(bench.app)
    row = await bench.row(lost)
    assert (row["status"], row["channel"], row.get("file")) == ("sent", channel, file)
    assert await findings(bench) == []


async def test_nothing_is_adopted_while_messages_wait(bench: Bench) -> None:
    lost = await unconfirmed(bench, Channel.WEBHOOK, None)
    await receive(delivery(quote("Q2")), bench.app)
    done = await reconcile.repair(bench.app, await reconcile.reconcile(bench.app))
    assert (len(done.left), done.adopted) == (1, [])
    assert await bench.depth(INBOX_QUEUE) == 1
    await work_off(bench.app)
    done = await reconcile.repair(bench.app, await reconcile.reconcile(bench.app))
    assert (done.left, len(done.adopted)) == ([], 1)
    await work_off(bench.app)
    assert (await bench.row(lost))["status"] == "sent"


async def test_bytes_that_vanish_before_they_are_adopted_are_passed_over(bench: Bench) -> None:
    gone, lost = [await unconfirmed(bench, Channel.WEBHOOK, None) for _ in range(2)]
    found = await reconcile.reconcile(bench.app)
    (place,) = [str(each.repairable) for each in found.findings if each.id == gone]
    await bench.app.stores.blobs.delete(ContainerName.ARCHIVE, place.partition("/")[2])
    done = await reconcile.repair(bench.app, found)
    assert [gone in str(each) for each in done.adopted] == [False]
    await work_off(bench.app)
    assert (await bench.row(lost))["status"] == "sent"


async def test_bytes_that_outlive_their_row_by_retention_are_not_adopted(bench: Bench) -> None:
    await aged(bench, quote("Q1"))
    await retention.retain(bench.app)
    assert len(await bench.blobs()) == 1, "the lifecycle rule has yet to remove it"
    assert await findings(bench) == []


@pytest.mark.parametrize(
    "name",
    [
        "CreateQuote/readme.txt",
        "CreateQuote/2026/11/27/notes.json",
        "CreateQuote/2026/11/26/01a21be1-cffa-7021-8404-c3388e74bf75.json",
        "CreateQuote/2026/11/27/01a21be1-cffa-7021-8404-c3388e74bf75.json.bak",
    ],
)
async def test_a_blob_that_is_not_ours_is_passed_over_and_named(bench: Bench, name: str) -> None:
    await arrived(bench, quote("Q1"))
    await bench.app.stores.blobs.put(ContainerName.ARCHIVE, name, b"hello", "text/plain")
    found = await reconcile.reconcile(bench.app)
    assert (found.balanced, [place.name for place in found.foreign]) == (True, [name])


# replay


async def test_a_replay_keeps_the_id_of_its_message_and_names_what_it_repeats(bench: Bench) -> None:
    (first,) = await arrived(bench, quote("Q1"))
    again = await replay(first, bench.app)
    await work_off(bench.app)
    one, two = await bench.sent()
    assert one["id"] == two["id"] == first
    assert (one["delivery"], two["delivery"]) == (first, again.id)
    assert (two["replayof"], two["time"]) == (first, one["time"])
    assert "duplicateof" not in two
    assert (await bench.row(first))["replayedBy"] == again.id
    assert (await bench.row(again.id))["status"] == "sent"


async def test_a_replay_of_a_replay_still_keeps_the_first_id(bench: Bench) -> None:
    (first,) = await arrived(bench, quote("Q1"))
    again = await replay(first, bench.app)
    await work_off(bench.app)
    await replay(again.id, bench.app)
    await work_off(bench.app)
    assert {message["id"] for message in await bench.sent()} == {first}


async def test_an_old_state_that_is_replayed_does_not_become_the_latest(bench: Bench) -> None:
    first, second = await arrived(bench, quote("Q1", 1), quote("Q1", 2))
    await replay(first, bench.app)
    await work_off(bench.app)
    (record,) = await bench.rows("records")
    assert record["order"] == second


async def test_a_replay_goes_only_to_the_queues_that_are_named(bench: Bench) -> None:
    two_queues = '[queues.one-queue]\nevents = ["*"]\n[queues.two-queue]\nevents = ["*"]'
    app = bench.start(SUBSCRIPTIONS=two_queues)
    each = delivery(quote("Q1"))
    await receive(each, app)
    await work_off(app)
    await replay(each.id, app, Options(queues=("two-queue",)))
    await work_off(app)
    assert (len(await bench.sent("one-queue")), len(await bench.sent("two-queue"))) == (1, 2)


async def test_a_replay_to_a_queue_that_nobody_subscribed_is_refused_with_the_choice(bench: Bench) -> None:
    (each,) = await arrived(bench, quote("Q1"))
    with pytest.raises(NotReplayable, match="It goes to printiq-events"):
        await replay(each, bench.app, Options(queues=("printiq-evnts",)))


async def test_what_was_quarantined_is_replayed_as_the_event_that_it_is(bench: Bench) -> None:
    (each,) = await arrived(bench, quote("Q1"), event="CreateQuotes")
    with pytest.raises(NotReplayable, match="replay as"):
        await replay(each, bench.app)
    await replay(each, bench.app, Options(event="CreateQuote"))
    await work_off(bench.app)
    (message,) = await bench.sent()
    assert (message["type"], message["id"]) == ("com.printiq.CreateQuote", each)
    assert not await bench.is_open(each)


async def test_a_filter_is_counted_first_and_replayed_once(bench: Bench) -> None:
    await arrived(bench, quote("Q1"), quote("Q2"), BROKEN)
    sent = Filter(event=frozenset({"CreateQuote"}), end=datetime.now(UTC) + timedelta(hours=1))
    counted = await replay_many(sent, bench.app, dry_run=True)
    assert (counted.matched, counted.replayed) == (3, ())
    done = await replay_many(sent, bench.app)
    await work_off(bench.app)
    again = await replay_many(sent, bench.app)
    # what was replayed is passed over; the broken one failed again, and its replay is a replay
    assert (len(done.replayed), again.matched) == (3, 0)
    assert await findings(bench) == []


async def test_a_replay_that_came_to_nothing_is_replayed_with_what_is_open(bench: Bench) -> None:
    (first,) = await arrived(bench, BROKEN)
    for _ in range(2):
        done = await replay_many(Filter(open=True), bench.app)
        assert (done.matched, done.skipped) == (1, 0)
        await work_off(bench.app)
    # of whatever day: it may have become tomorrow since the first came
    rows = [row for row in await bench.rows("deliveries") if row["PartitionKey"] != OPEN]
    assert len(rows) == 3
    assert {row.get("origin") for row in rows} == {None, first}


async def test_a_call_that_takes_long_stops_and_its_cursor_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await arrived(bench, quote("Q1"), quote("Q2"))
    with monkeypatch.context() as slow:
        slow.setattr(replaying, "_PAGE", 1)
        slow.setattr(replaying, "monotonic", iter([0.0, 0.0, 151.0]).__next__)
        first = await replay_many(Filter(), bench.app)
    rest = await replay_many(Filter(), bench.app, cursor=first.cursor)
    assert (first.matched, rest.matched, rest.cursor) == (1, 1, None)


async def test_a_dry_run_passes_over_what_cannot_be_replayed(bench: Bench) -> None:
    await arrived(bench, quote("Q1"), quote("Q2"))
    elsewhere = bench.start(SUBSCRIPTIONS='[queues.printiq-invoices]\nevents = ["ExportInvoice"]')
    invoices = Options(queues=("printiq-invoices",))
    for dry_run in (True, False):
        counted = await replay_many(Filter(), elsewhere, invoices, dry_run=dry_run)
        assert (counted.matched, counted.skipped) == (0, 2)


async def test_a_misspelt_queue_is_an_error_that_lists_the_queues(bench: Bench) -> None:
    with pytest.raises(NotReplayable, match=r"no-such-queue\. The subscriptions are printiq-events\."):
        await replay_many(Filter(), bench.app, Options(queues=("no-such-queue",)))


async def test_a_dry_run_writes_nothing(bench: Bench, calls: list[Call]) -> None:
    await arrived(bench, quote("Q1"), quote("Q2"))
    await replay_many(Filter(), bench.app, limit=1)
    calls.clear()
    counted = await replay_many(Filter(), bench.app, dry_run=True)
    assert (counted.matched, counted.skipped) == (1, 1)
    assert {call.method for call in calls} <= {"GET", "HEAD"}


async def test_a_dismissal_needs_a_reason_and_closes(bench: Bench) -> None:
    (each,) = await arrived(bench, BROKEN)
    with pytest.raises(NotReplayable, match="reason"):
        await dismiss(each, " ", bench.app)
    await dismiss(each, "sent by hand", bench.app)
    assert (await bench.row(each))["dismissed"] == "sent by hand"
    assert not await bench.is_open(each)
    assert await findings(bench) == []


async def replayed_but_open(bench: Bench) -> str:
    """Return a delivery that was replayed by a process that ended before it was off the open ones."""
    (each,) = await arrived(bench, BROKEN)
    (copy,) = await bench.rows(TableName.DELIVERIES, PartitionKey=OPEN)
    await replay(each, bench.app)
    await bench.app.stores.tables.put(TableName.DELIVERIES, copy)
    assert await bench.is_open(each)
    return each


async def test_what_was_dealt_with_and_is_still_open_is_named_and_taken_off(bench: Bench) -> None:
    each = await replayed_but_open(bench)
    await work_off(bench.app)
    checked = await reconcile.reconcile(bench.app)
    (found,) = checked.findings
    assert (found.id, found.what) == (each, "it is dealt with, but still open")
    assert (await reconcile.repair(bench.app, checked)).closed == [each]
    assert not await bench.is_open(each)
    assert await findings(bench) == []


async def test_a_dismissal_of_what_was_replayed_is_refused_and_takes_it_off_the_open_ones(
    bench: Bench,
) -> None:
    each = await replayed_but_open(bench)
    with pytest.raises(NotReplayable, match="replayed already"):
        await dismiss(each, "sent by hand", bench.app)
    assert not await bench.is_open(each)


# retention


async def aged(bench: Bench, *bodies: bytes, event: str = "CreateQuote") -> list[str]:
    """Have bodies arrive that were received two years ago."""
    long_ago = datetime.now(UTC) - timedelta(days=730)
    ids = []
    for number, body in enumerate(bodies):
        each = delivery(body, event, at=long_ago + timedelta(seconds=number))
        with contextlib.suppress(EventError):
            await receive(each, bench.app)
        ids.append(each.id)
    await work_off(bench.app)
    return ids


async def test_what_is_past_its_time_is_removed_from_every_table(bench: Bench) -> None:
    bench.app = bench.start(SUBSCRIPTIONS=https("crm", "https://example.com/hook"))
    await control.pause("crm", "it moves", bench.app)  # so that a row is held of each event that it misses
    past = [*await aged(bench, quote("Quote-1"), quote("Quote-2")), "Quote-1", "Quote-2"]
    (kept,) = await arrived(bench, quote("Quote-3"))
    assert await retention.retain(bench.app) == 2
    for table in TableName:
        everything = str(await bench.rows(table)).lower()
        assert not [name for name in past if name.lower() in everything]
    for table in (TableName.DELIVERIES, TableName.TIMELINE, TableName.RECORDS):
        (row,) = await bench.rows(table)
        assert kept in row.values()
    for table in (TableName.SEARCH, TableName.SENDS, TableName.DUPLICATES):
        assert "Quote-3" in str(await bench.rows(table))


async def test_what_is_open_stays_with_its_bytes_however_old_it_is(bench: Bench) -> None:
    (each,) = await aged(bench, BROKEN)
    assert await retention.retain(bench.app) == 0
    assert await bench.blob(str((await bench.row(each))["raw"])) == BROKEN


async def test_retention_removes_some_at_once_until_nothing_is_past_its_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine, now, most = retention.remove, 0, 0

    async def counted(app: App, row: Row) -> bool:
        nonlocal now, most
        now += 1
        most = max(most, now)
        removed = await genuine(app, row)
        now -= 1
        return removed

    monkeypatch.setattr(retention, "remove", counted)
    monkeypatch.setattr(retention, "_AT_ONCE", 3)
    ids = await aged(bench, quote("Q1"), quote("Q2"), BROKEN, *(quote(f"Q{each}") for each in range(3, 9)))
    assert await retention.retain(bench.app) == 8
    assert most == 3
    assert [row["id"] for row in await bench.rows("deliveries", PartitionKey=day(ids[2]))] == [ids[2]]
    assert await bench.rows("timeline") == await bench.rows("records") == []


async def test_what_was_dismissed_goes_with_its_bytes_when_its_time_has_come(bench: Bench) -> None:
    (each,) = await aged(bench, BROKEN)
    await dismiss(each, "no longer wanted", bench.app)
    assert await retention.retain(bench.app) == 1
    assert await bench.rows("deliveries") == []
    assert await bench.blobs() == []


async def test_a_newer_state_of_an_old_subject_stays(bench: Bench) -> None:
    await aged(bench, quote("Q1"))
    (newer,) = await arrived(bench, quote("Q1", 2))
    await retention.retain(bench.app)
    (record,) = await bench.rows("records")
    assert record["delivery"] == newer


# erasure


async def erased(bench: Bench, person: Person) -> list[str]:
    ids = []
    async for row in erasure.deliveries_of(person, bench.app):
        await erasure.erase(row, "asked for on the phone", person, bench.app)
        ids.append(row.id)
    await erasure.record(ids, "asked for on the phone", bench.app)
    return ids


# As long as no digits are that an id or a digest may hold by chance.
CONTACT_KEY = "104277001904421"
CONTACT = (
    b'{"ContactKey": %s, "FirstName": "Hemi", "Email": "hemi@example.com", "CustomerCode": "KOWSEED"}'
    % CONTACT_KEY.encode()
)


async def test_a_persons_deliveries_are_erased_and_a_record_of_it_is_kept(bench: Bench) -> None:
    (theirs,) = await arrived(bench, CONTACT, event="CreateCustomerContact")
    (other,) = await arrived(bench, quote("Q1"))
    assert await erased(bench, Person(subject=Subject(Kind.CONTACT, CONTACT_KEY))) == [theirs]
    seen = await look(bench.app)
    everything = repr(seen.rows) + repr(seen.blobs)
    assert "hemi" not in everything.lower()
    assert CONTACT_KEY not in everything
    assert other in everything
    row = await bench.row(theirs)
    assert row["erasedBecause"] == "asked for on the phone"
    assert (row["event"], "subject" in row) == ("CreateCustomerContact", False)
    shown = json.loads((await endpoints.delivery(theirs, {}, bench.app)).body)
    assert shown["erased"] == row["erased"]
    assert shown["erasedBecause"] == "asked for on the phone"
    (noted,) = await bench.rows("erasures")
    assert noted["deliveries"] == 1
    assert await findings(bench) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
async def test_a_person_is_found_by_a_text_in_any_body(bench: Bench, encoding: str) -> None:
    mention = quote("Q1", ContactEmail="Hemi@Example.com").decode().encode(encoding)
    (theirs, _) = await arrived(bench, mention, quote("Q2"))
    assert await erased(bench, Person(text="hemi@example.com")) == [theirs]


@pytest.mark.parametrize("text", ["", " ", "ab", " ab "])
def test_a_text_that_is_in_everything_names_nobody(text: str) -> None:
    with pytest.raises(ValueError, match="at least 3 characters"):
        Person(text=text)


def test_a_person_has_to_be_named() -> None:
    with pytest.raises(ValueError, match="Name the person"):
        Person()
    with pytest.raises(ValueError, match="needs its key"):
        Person(subject=Subject(Kind.CONTACT, " "))


async def test_a_person_is_found_in_what_is_too_large_to_be_read(bench: Bench) -> None:
    app = bench.start(MAX_BODY_BYTES="1000")
    large = delivery(quote("Q1", Noise="x" * 9_000_000, Name="Aroha Tāmihana"))
    with contextlib.suppress(EventError):
        await receive(large, app)
    await work_off(app)
    person = Person(text="aroha")
    assert [row.id async for row in erasure.deliveries_of(person, app)] == [large.id]


async def test_of_what_failed_no_bytes_are_left_anywhere(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send(*_: object) -> None:
        raise KeyError("a bug")

    with monkeypatch.context() as broken:
        broken.setattr(results, "send", send)
        failed = delivery(quote("Q1"))
        work = Work.of(failed).model_copy(update={"attempt": 5, "errors": 4})
        await process(Message("", failed.received_at, work.encode().decode()), bench.app)
    assert len(await bench.blobs()) == 2
    person = Person(subject=Subject(Kind.QUOTE, "Q1"))
    async for row in erasure.deliveries_of(person, bench.app):
        await erasure.erase(row, "asked", person, bench.app)
    assert await bench.blobs() == []


async def test_what_is_quarantined_is_erased_too(bench: Bench) -> None:
    (theirs,) = await arrived(bench, b'{"Email": "hemi@example.com", ')
    assert await erased(bench, Person(text="hemi@example.com")) == [theirs]
    assert await bench.blobs() == []
    assert not await bench.is_open(theirs)


async def test_the_record_of_an_erasure_outlives_the_last_delivery_and_harms_nobody(bench: Bench) -> None:
    await aged(bench, CONTACT, event="CreateCustomerContact")
    person = Person(text="hemi@example.com")
    assert len(await erased(bench, person)) == 1
    assert await retention.retain(bench.app) == 1
    assert await bench.rows("deliveries") == []
    assert len(await bench.rows("erasures")) == 1

    listed = await endpoints.deliveries({}, bench.app)
    assert (listed.status, json.loads(listed.body)) == (200, {"deliveries": []})
    replays = await endpoints.replay_many(b'{"filter": {}}', bench.app)
    assert (replays.status, json.loads(replays.body)["matched"]) == (202, 0)
    assert await erased(bench, person) == []
    assert (await reconcile.reconcile(bench.app)).balanced
