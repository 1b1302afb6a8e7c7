"""Storage that is down, slow, throttling, or cut off in the middle: what each does to a delivery."""

from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count

import pytest
from aiohttp import web
from azure.data.tables.aio import TableServiceClient
from bench import delivery, quote, settings
from crashing import AT_ONCE
from faulty import FaultyStorage, answering
from looking import look, work_off

from handlers.app import App
from handlers.channels.webhook import webhook
from handlers.errors import StorageFault
from handlers.operations import erasure, reconcile
from handlers.operations.replay import Options, replay
from handlers.pipeline.process import process
from handlers.pipeline.receive import receive
from handlers.stores import INBOX_QUEUE, TableName
from handlers.work import Message, Work
from tools.host.azurite import Azurite, connection_string
from tools.host.testing import free_port

pytestmark = pytest.mark.anyio


@pytest.fixture
async def storage_and_app(
    azurite: Azurite, unused_accounts: Iterator[str]
) -> AsyncIterator[tuple[FaultyStorage, App]]:
    """Yield an account that can be made to misbehave, and the app on it."""
    account_name = next(unused_accounts)
    ports = range(first := free_port(3), first + 3)
    faulty = await FaultyStorage(account_name).start(ports, azurite.port)
    app = App.start(settings(connection_string(first, account_name, azurite.accounts[account_name])), AT_ONCE)
    yield faulty, app
    await app.close()
    await faulty.stop()


def message(work: Work) -> Message:
    return Message("m", work.received_at, work.encode().decode())


async def post(body: bytes, app: App) -> tuple[int, str | None]:
    answer = await webhook("CreateQuote", body, {"Content-Type": "application/json"}, app)
    return answer.status, answer.headers.get("Retry-After")


async def test_a_sender_is_told_to_come_again_while_storage_refuses(
    storage_and_app: tuple[FaultyStorage, App],
) -> None:
    storage, app = storage_and_app
    storage.fault = answering(503, "ServerBusy", retry_after=1)
    assert await post(quote("Q1"), app) == (503, "30")
    storage.fault = None
    assert (await post(quote("Q1"), app))[0] == 202


async def test_a_sender_has_its_answer_within_ten_seconds_when_storage_hangs(
    storage_and_app: tuple[FaultyStorage, App],
) -> None:
    storage, app = storage_and_app
    storage.delay = 60
    assert await post(quote("Q1"), app) == (503, "30")
    # two time-outs of five seconds each lie before a third try
    assert storage.seen <= 2


async def test_a_body_that_would_be_refused_is_not_confirmed_either_while_storage_is_down(
    storage_and_app: tuple[FaultyStorage, App],
) -> None:
    storage, app = storage_and_app
    storage.fault = answering(500, "InternalError")
    assert await post(b'{"QuoteNo": ', app) == (503, "30")


async def test_a_write_whose_answer_was_lost_is_one_delivery(
    storage_and_app: tuple[FaultyStorage, App],
) -> None:
    storage, app = storage_and_app
    await app.stores.queues.ensure(INBOX_QUEUE)
    arriving = delivery(quote("Q1"))

    def lose_the_first_answer(_: object) -> None:
        storage.cut = storage.seen == first

    first = storage.seen + 1
    storage.fault = lose_the_first_answer
    await receive(arriving, app)
    storage.fault, storage.cut = None, False

    assert await app.stores.queues.depth(INBOX_QUEUE) == 2  # the SDK sent it again: nobody can know
    await work_off(app)
    seen = await look(app)
    assert len(seen.ledger) == 1
    assert {each["id"] for each in seen.messages["printiq-events"]} == {arriving.id}
    assert (await reconcile.reconcile(app)).balanced


async def test_the_record_of_an_erasure_is_one_row_though_the_answer_was_lost(
    storage_and_app: tuple[FaultyStorage, App],
) -> None:
    storage, app = storage_and_app
    await erasure.record(["a"], "asked for", app)

    def lose_the_first_answer(_: object) -> None:
        storage.cut = storage.seen == first

    first = storage.seen + 1
    storage.fault = lose_the_first_answer
    await erasure.record(["b"], "asked for", app)
    assert storage.seen == first + 1
    rows = [row async for row in app.stores.tables.query(TableName.ERASURES, "PartitionKey ne ''")]
    assert sorted(row["ids"] for row in rows) == ['["a"]', '["b"]']


SERVICES = {
    "tables": answering(503, "ServerBusy", only="("),
    "the archive": answering(503, "ServerBusy", only="/archive/"),
    "the result queue": answering(503, "ServerBusy", only="/printiq-events/"),
    "the record alone": answering(500, "InternalError", only="/records"),
}


@pytest.mark.parametrize("fault", SERVICES.values(), ids=SERVICES)
async def test_a_delivery_waits_out_a_fault_and_then_arrives_whole(
    storage_and_app: tuple[FaultyStorage, App], fault: Callable[[object], None]
) -> None:
    storage, app = storage_and_app
    work = Work.of(delivery(quote("Q1")))
    storage.fault = fault
    await process(message(work), app)
    assert await app.stores.queues.depth(INBOX_QUEUE) == 1

    storage.fault = None
    await work_off(app)
    seen = await look(app)
    assert [(row["status"], row["error"]) for row in seen.ledger] == [("sent", "")]
    assert {each["id"] for each in seen.messages["printiq-events"]} == {work.id}
    assert (await reconcile.reconcile(app)).balanced


async def test_an_outage_is_waited_out_however_many_tries_it_takes(
    storage_and_app: tuple[FaultyStorage, App],
) -> None:
    storage, app = storage_and_app
    work = Work.of(delivery(quote("Q1")))
    # a role that is missing: the SDK itself does not try that again
    storage.fault = answering(403, "AuthorizationPermissionMismatch", only="/printiq-events/")
    waiting = message(work)
    for _ in range(app.timings.max_errors + 2):
        await process(waiting, app)
        async for (received,) in app.stores.queues.receive(INBOX_QUEUE):
            waiting = Message(received.id, received.inserted_at, received.text)
            await app.stores.queues.delete(INBOX_QUEUE, received)
            break

    storage.fault = None
    await process(waiting, app)
    assert [row["status"] for row in (await look(app)).ledger] == ["sent"]


@pytest.mark.parametrize(("again", "replays"), [("AcceptQuote", 1), ("RejectQuote", 2)])
async def test_an_interrupted_replay_goes_on_but_not_as_another_event(
    storage_and_app: tuple[FaultyStorage, App], again: str, replays: int
) -> None:
    storage, app = storage_and_app
    original = Work.of(delivery(quote("Q1")))
    await process(message(original), app)
    changes = count()

    def once(request: web.Request) -> web.Response | None:
        changing = request.method == "PUT" and "/deliveries(" in request.path
        return web.Response(status=503) if changing and next(changes) else None

    storage.fault = once
    with pytest.raises(StorageFault):
        await replay(original.id, app, Options(event="AcceptQuote"))
    storage.fault = None
    await replay(original.id, app, Options(event=again))
    await work_off(app)
    replayed = [row["event"] for row in (await look(app)).ledger if row.get("replayOf")]
    assert sorted(replayed) == ["AcceptQuote", "RejectQuote"][:replays]
    assert (await reconcile.reconcile(app)).balanced


async def test_a_failed_try_tells_its_error_on_the_ledger(
    storage_and_app: tuple[FaultyStorage, App],
) -> None:
    storage, app = storage_and_app
    work = Work.of(delivery(quote("Q1")))
    storage.fault = answering(503, "ServerBusy", only="/printiq-events/")
    await process(message(work), app)
    (row,) = (await look(app)).ledger
    assert row["status"] == "failing"
    assert row["error"] == "could not send to queue printiq-events: storage answered 503 ServerBusy"


async def test_a_message_waits_for_its_consumer_for_ever(storage_and_app: tuple[FaultyStorage, App]) -> None:
    _, app = storage_and_app
    await receive(delivery(quote("Q1")), app)
    for name in (INBOX_QUEUE, "printiq-events"):
        queue = app.stores.queues._service.get_queue_client(name)
        (peeked,) = await queue.peek_messages()
        assert peeked.expires_on is not None
        assert peeked.expires_on.year == 9999
        await work_off(app)


async def test_tables_and_containers_deleted_under_us_are_made_again(
    storage_and_app: tuple[FaultyStorage, App],
) -> None:
    _, app = storage_and_app
    await process(message(Work.of(delivery(quote("Q1")))), app)
    async with TableServiceClient.from_connection_string(app.settings.storage.connection_string) as tables:
        for table in TableName:
            await tables.delete_table(table)
    await app.stores.blobs._service.delete_container("archive")
    work = Work.of(delivery(quote("Q2")))
    await process(message(work), app)
    await work_off(app)
    seen = await look(app)
    assert len(seen.ledger) == 1
    assert (await reconcile.reconcile(app)).balanced
