"""Every path, ended at every one of its storage calls and run again: the outcome is the same."""

import asyncio
import contextlib
import os
import random
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from crashing import AT_ONCE, Crash, Step, calls_of, crash, crashes_of
from endpoints import Endpoint, https
from looking import Seen, look, work_off

from events import Channel, Delivery, EventError, Kind, Subject
from handlers.app import App
from handlers.channels import hot_folder
from handlers.ids import derived_id, newest_first, time_of
from handlers.operations import erasure, reconcile, retention
from handlers.operations.replay import dismiss, replay
from handlers.paths import raw_path
from handlers.pipeline.process import process
from handlers.pipeline.push import push
from handlers.pipeline.receive import receive
from handlers.settings import Settings
from handlers.stores import PUSH_QUEUE, BlobRef, ContainerName
from handlers.work import Message, Replay, Work

# The forks run one step and end: a lock that a thread of the parent holds does not matter to them.
pytestmark = [
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
    pytest.mark.slow,
]

CORPUS = Path(__file__).parents[1] / "corpus"
MORNING = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)

type NewSettings = Callable[..., Settings]


def delivery(event: str, sample: str, number: int = 1) -> Delivery:
    delivery_id = derived_id(MORNING.replace(second=number), str(number))
    return Delivery(
        id=delivery_id,
        event=event,
        body=(CORPUS / event / sample).read_bytes(),
        channel=Channel.WEBHOOK,
        received_at=time_of(delivery_id),
    )


def processing(work: Work, *, dequeue_count: int = 1) -> Step:
    """Return the step that the inbox trigger runs for a message."""
    message = Message("message", MORNING, work.encode().decode(), dequeue_count)

    async def step(app: App) -> None:
        await process(message, app)

    return step


def run[T](step: Callable[[App], Awaitable[T]], settings: Settings) -> T:
    async def running() -> T:
        app = App.start(settings, AT_ONCE)
        try:
            return await step(app)
        finally:
            await app.close()

    return asyncio.run(running())


async def outcome(app: App) -> Seen:
    """Work off what waits, and look at what lies there."""
    await work_off(app)
    return (await look(app)).without_duplicates()


def named_alike(seen: Seen, ids: Iterable[str]) -> str:
    """Write it all as a text in which storage accounts have one name, and so have the deliveries of `ids`."""
    text = re.sub(r"127\.0\.0\.1:\d+/t\d{4}/", "storage/", repr(seen))
    for each in ids:
        text = text.replace(each, "an id").replace(newest_first(each), "a key")
    return text


def interrupted_everywhere(  # noqa: PLR0913 - what is ended, where, and what may differ
    step: Step,
    new_settings: NewSettings,
    *,
    after: Step | None = None,
    again: Step | None = None,
    findings: int = 0,
    alike: Iterable[str] = (),
    crashes: Callable[[list[str]], list[Crash]] = crashes_of,
) -> None:
    """End a step at each of its calls, run it again, and compare with an undisturbed run.

    `after` is what happened before, `again` what runs the second time, if not the step itself. The account of
    the undisturbed run has `findings` findings. The ids `alike` are interchangeable. `crashes` selects the
    calls at which the step is ended.
    """

    def prepared() -> Settings:
        settings = new_settings()
        if after is not None:
            run(after, settings)
        return settings

    undisturbed = prepared()
    calls = calls_of(step, undisturbed)
    assert calls
    expected = run(outcome, undisturbed)
    checked = run(reconcile.reconcile, undisturbed)
    assert len(checked.findings) == findings, checked.findings
    assert checked.waiting == checked.poison == 0
    for each in crashes(calls):
        settings = prepared()
        crash(step, settings, each)
        run(again or step, settings)
        seen = run(outcome, settings)
        assert named_alike(seen, alike) == named_alike(expected, alike), (
            f"crashed {each.moment} {calls[each.call]}"
        )


def broken(body: bytes) -> Delivery:
    delivery_id = derived_id(MORNING, "broken")
    return Delivery(
        id=delivery_id,
        event="CreateQuote",
        body=body,
        channel=Channel.WEBHOOK,
        received_at=time_of(delivery_id),
    )


INVOICE = delivery("ExportInvoice", "typical.json")
# what is in its bytes, and in no row
PHONE = "+61 2 5550 0142"

PROCESSED = {
    "an acceptance with several subjects": Work.of(delivery("CreateJob", "several-jobs.json")),
    "a Job XML too large for a message": Work.of(delivery("CreateJobXml", "job-88kb-annual-report.xml")),
    "what is no JSON": Work.of(broken(b'{"QuoteNo": '), refusal=None),
    "a replay": Work.of(INVOICE).model_copy(
        update={"replay": Replay(of=derived_id(MORNING, "old"), origin=derived_id(MORNING, "old"))}
    ),
}


@pytest.mark.parametrize("work", PROCESSED.values(), ids=PROCESSED)
@pytest.mark.parametrize("dequeue_count", [1, 2], ids=["sent twice", "delivered again"])
def test_processing_has_one_outcome_wherever_it_ends(
    work: Work, dequeue_count: int, new_settings: NewSettings
) -> None:
    again = processing(work, dequeue_count=dequeue_count)
    interrupted_everywhere(processing(work), new_settings, again=again)


def test_a_failed_try_and_giving_up_have_one_outcome_wherever_they_end(new_settings: NewSettings) -> None:
    sent = delivery("CreateQuote", "typical.json")
    gone = BlobRef(ContainerName.ARCHIVE, raw_path("CreateQuote", sent.id, "json"))
    work = Work.of(sent, blob=gone)
    # four attempts fail and are requeued, the fifth gives up; the bytes stay gone, and `verify` reports it
    interrupted_everywhere(processing(work), new_settings, findings=1)


def test_a_duplicate_has_one_outcome_wherever_its_processing_ends(new_settings: NewSettings) -> None:
    first, second = INVOICE, delivery("ExportInvoice", "typical.json", 2)
    interrupted_everywhere(processing(Work.of(second)), new_settings, after=processing(Work.of(first)))


def test_a_late_delivery_frees_the_duplicate_behind_it_wherever_its_processing_ends(
    new_settings: NewSettings,
) -> None:
    first, third = INVOICE, delivery("ExportInvoice", "typical.json", 3)
    between = delivery("ExportInvoice", "typical.json", 2)
    between = replace(between, body=between.body.replace(b'"INVAmountPaid": ', b'"INVAmountPaid": 1'))

    async def first_and_third(app: App) -> None:
        for each in (first, third):
            await processing(Work.of(each))(app)
        await work_off(app)

    interrupted_everywhere(processing(Work.of(between)), new_settings, after=first_and_third)


def test_a_dropped_file_is_taken_once_wherever_taking_it_ends(new_settings: NewSettings) -> None:
    async def dropped(app: App) -> None:
        body = (CORPUS / "CreateQuote" / "typical.json").read_bytes()
        await app.stores.drops.put(ContainerName.HOT_FOLDER, "CreateQuote/q.json", body, "application/json")

    def taken(settings: Settings, at: Crash | None) -> None:
        if at is None:
            run(lambda app: hot_folder.take("CreateQuote/q.json", app), settings)
        else:
            crash(lambda app: hot_folder.take("CreateQuote/q.json", app), settings, at)

    undisturbed = new_settings()
    run(dropped, undisturbed)
    calls = calls_of(lambda app: hot_folder.take("CreateQuote/q.json", app), undisturbed)
    for each in crashes_of(calls):
        settings = new_settings()
        run(dropped, settings)
        taken(settings, each)
        taken(settings, None)
        seen = run(outcome, settings)
        assert len(seen.ledger) == 1
        assert len(seen.messages["printiq-events"]) == 1
        assert not [blob for blob in seen.blobs if blob.startswith("hot-folder/")]
        assert run(reconcile.reconcile, settings).balanced


RECEIVED = {
    "a small body": INVOICE,
    "a large body": delivery("CreateJobXml", "job-88kb-annual-report.xml"),
    "a small body that is refused": broken(b'{"QuoteNo": '),
    "a large body that is refused": broken(
        b'{"QuoteNo": "' + random.Random(7).randbytes(90_000).hex().encode()
    ),
}


@pytest.mark.parametrize("arriving", RECEIVED.values(), ids=RECEIVED)
def test_what_is_sent_again_after_a_crash_arrives_and_the_account_can_be_balanced(
    arriving: Delivery, new_settings: NewSettings
) -> None:
    again = replace(arriving, id=derived_id(MORNING.replace(second=9), "again"))

    def receiving(each: Delivery) -> Step:
        async def step(app: App) -> None:
            with contextlib.suppress(EventError):
                await receive(each, app)

        return step

    def adopting(place: BlobRef) -> Step:
        async def step(app: App) -> None:
            await reconcile.adopt(app, place)

        return step

    for each in crashes_of(calls_of(receiving(arriving), new_settings())):
        settings = new_settings()
        crash(receiving(arriving), settings, each)
        run(receiving(again), settings)
        seen = run(outcome, settings)
        assert any(again.id in row for row in map(str, seen.rows.values()))
        for finding in run(reconcile.reconcile, settings).findings:
            # a large body that was not confirmed: its bytes are kept, and can still be handed on
            assert isinstance(finding.repairable, BlobRef)
            run(adopting(finding.repairable), settings)
        run(outcome, settings)
        assert run(reconcile.reconcile, settings).balanced


@pytest.fixture
def replay_ids(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give replays of the same moment one id in the process that crashes and another one in the next."""
    ids, here = [derived_id(MORNING, "crashes"), derived_id(MORNING, "comes after")], os.getpid()
    monkeypatch.setattr("handlers.operations.replay.new_id", lambda _: ids[os.getpid() == here])
    return ids


def until_it_is_noted(calls: list[str]) -> list[Crash]:
    """Return the crashes after which nobody can tell that a replay is done: later, to ask is to ask anew."""
    noted = max(
        number for number, call in enumerate(calls) if call.startswith("PUT") and "/deliveries(" in call
    )
    return [each for each in crashes_of(calls) if each.call < noted or each == Crash(noted, "before")]


@pytest.mark.parametrize("original", [INVOICE, broken(b'{"QuoteNo": ')], ids=["sent", "quarantined"])
def test_a_replay_is_one_wherever_it_ends(
    original: Delivery, new_settings: NewSettings, replay_ids: list[str]
) -> None:
    async def replaying(app: App) -> None:
        await replay(original.id, app)

    interrupted_everywhere(
        replaying,
        new_settings,
        after=processing(Work.of(original)),
        alike=replay_ids,
        crashes=until_it_is_noted,
    )


def test_a_dismissal_has_one_outcome_wherever_it_ends(new_settings: NewSettings) -> None:
    original = broken(b'{"QuoteNo": ')

    async def dismissing(app: App) -> None:
        await dismiss(original.id, "a test of the sender's", app)

    interrupted_everywhere(dismissing, new_settings, after=processing(Work.of(original)))


def test_retention_has_one_outcome_wherever_it_ends(new_settings: NewSettings) -> None:
    async def some_of_each(app: App) -> None:
        await processing(Work.of(INVOICE))(app)
        duplicate = Work.of(delivery("ExportInvoice", "typical.json", 2))
        await processing(duplicate.model_copy(update={"settled": True}))(app)
        await processing(Work.of(broken(b'{"QuoteNo": ')))(app)

    async def retaining(app: App) -> None:
        await retention.retain(replace(app, settings=app.settings.model_copy(update={"retention_days": 1})))

    # the archive's blobs go by a lifecycle rule, which Azurite has not: the account misses their rows
    interrupted_everywhere(retaining, new_settings, after=some_of_each, findings=2)


@pytest.mark.parametrize(
    "person",
    [
        erasure.Person(subject=Subject(Kind.CUSTOMER, "KOWSEED")),
        erasure.Person(text=PHONE),
        erasure.Person(subject=Subject(Kind.CUSTOMER, "KOWSEED"), text=PHONE),
    ],
    ids=["by subject", "by text", "by both"],
)
def test_an_erasure_has_one_outcome_wherever_it_ends(
    person: erasure.Person, new_settings: NewSettings
) -> None:
    async def erasing(app: App) -> None:
        async for row in erasure.deliveries_of(person, app):
            await erasure.erase(row, "asked for", person, app)

    interrupted_everywhere(erasing, new_settings, after=processing(Work.of(INVOICE)))


async def taken_to_be_pushed(app: App) -> list[str]:
    """Let an event come as far as the push queue, and take it from there, as the platform does."""
    await processing(Work.of(INVOICE))(app)
    texts = []
    async for batch in app.stores.queues.receive(PUSH_QUEUE):
        for received in batch:
            texts.append(received.text)
            await app.stores.queues.delete(PUSH_QUEUE, received)
    return texts


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("path", ["/ok", "/status/500", "/status/410"])
@pytest.mark.parametrize("place", [5, 0], ids=["in its place", "outside of its place"])
def test_a_push_has_one_outcome_wherever_it_ends(
    path: str, place: int, serving: Endpoint, new_settings: NewSettings
) -> None:
    def pushing_settings(**more: str) -> Settings:
        return new_settings(SUBSCRIPTIONS=https("crm", serving.url(path)), **more)

    serving.received.clear()
    (text,) = run(taken_to_be_pushed, pushing_settings())

    async def pushing(app: App) -> None:
        app = replace(app, timings=replace(app.timings, push_place=place))
        before = len(asyncio.all_tasks())
        await push(Message("message", MORNING, text), app)
        while len(asyncio.all_tasks()) > before:  # it went on outside of its place
            await asyncio.sleep(0.01)

    interrupted_everywhere(pushing, pushing_settings, after=taken_to_be_pushed)
    # each attempt was the same to the letter, for a receiver that drops what it knows
    assert len({each.body for each in serving.received}) == 1


@pytest.mark.usefixtures("trusting")
def test_nothing_waits_once_an_event_was_pushed_wherever_a_failed_attempt_ended(
    serving: Endpoint, new_settings: NewSettings
) -> None:
    def prepared() -> tuple[Settings, Step]:
        settings = new_settings(SUBSCRIPTIONS=https("crm", serving.url()))
        (text,) = run(taken_to_be_pushed, settings)
        serving.statuses[:] = [500]
        return settings, lambda app: push(Message("message", MORNING, text), app)

    settings, pushing = prepared()
    calls = calls_of(pushing, settings)
    for each in crashes_of(calls):
        settings, pushing = prepared()
        crash(pushing, settings, each)
        serving.statuses.clear()
        run(pushing, settings)
        rows = run(outcome, settings).rows.items()
        states = [row["state"] for key, row in rows if key.startswith("sends:")]
        assert states == ["delivered"], f"crashed {each.moment} {calls[each.call]}"
