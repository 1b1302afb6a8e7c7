"""Storage faults that last end the host, as they end the genuine one; each test quotes a fact."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import web
from faulty import FaultyStorage
from sample import Sample

from tools.host.azurite import Azurite, connection_string
from tools.host.faults import StorageLostError
from tools.host.testing import StartHost, free_port, wait_until

pytestmark = pytest.mark.slow

STOP = "--stop-on-storage-faults"
LOST = StorageLostError.exit_code
PATIENCE = 120


@pytest.fixture
def front() -> int:
    """Return the first of three ports before Azurite's."""
    return free_port(3)


@pytest.fixture
async def faulty(azurite: Azurite, front: int) -> AsyncIterator[FaultyStorage]:
    """Yield a storage that can be made to misbehave, before Azurite."""
    storage = await FaultyStorage("any").start(range(front, front + 3), azurite.port)
    yield storage
    await storage.stop()


@pytest.fixture
def account(unused_accounts: Iterator[str]) -> str:
    return next(unused_accounts)


def test_a_storage_that_is_unreachable_ends_the_host_within_half_a_minute(
    start_host: StartHost, storage: str
) -> None:
    """Quote: "20 s are survived. After 6 tries, 27 s, unhandled: **the host stops**"."""
    sample = Sample(start_host, storage)
    nowhere = {"AzureWebJobsStorage": connection_string(free_port(3))}
    stopping, outliving = sample.start(STOP, settings=nowhere), sample.start(settings=nowhere)
    assert stopping.process.wait(PATIENCE) == LOST
    assert "Host is shutting down" in stopping.log()
    assert outliving.process.poll() is None


def test_a_storage_that_refuses_access_ends_the_host_at_once(start_host: StartHost, storage: str) -> None:
    """Quote: 403 on a poll: "the host stops within 2 s"."""
    sample = Sample(start_host, storage)
    refused = storage.replace("AccountKey=", "AccountKey=d3Jv")
    host = sample.start(STOP, settings={"AzureWebJobsStorage": refused})
    assert host.process.wait(PATIENCE) == LOST


async def test_a_delete_that_fails_for_good_ends_the_host_and_the_message_is_run_again(
    start_host: StartHost, azurite: Azurite, account: str, front: int, faulty: FaultyStorage
) -> None:
    """Quote: "6 tries in 25 s, the host stops; after 600 s the message is **run again**"."""

    def undeletable(request: web.Request) -> web.Response | None:
        refused = request.method == "DELETE" and "work" in request.path.split("/")
        return web.Response(status=500) if refused else None

    def until_it_ends() -> None:
        host = sample.start(STOP, "--lease=40", settings=through_faulty)
        sample.send("hello")
        assert host.process.wait(PATIENCE) == LOST
        assert "cannot be deleted" in host.log()

    sample = Sample(start_host, connection_string(azurite.port, account, azurite.accounts[account]))
    through_faulty = {"AzureWebJobsStorage": connection_string(front, account, azurite.accounts[account])}
    faulty.fault = undeletable
    await asyncio.to_thread(until_it_ends)
    faulty.fault = None
    await asyncio.to_thread(sample.start, STOP, "--lease=40", settings=through_faulty)
    await asyncio.to_thread(wait_until, lambda: len(sample.notes("work")) == 2)
    assert [note["tries"] for note in sample.notes("work")] == [1, 2]


async def test_a_busy_storage_is_polled_for_ever(
    start_host: StartHost, azurite: Azurite, account: str, front: int, faulty: FaultyStorage
) -> None:
    """Quote: 503 on a poll: "the poll backs off and goes on for ever"."""

    def busy(request: web.Request) -> web.Response | None:
        return web.Response(status=503) if "work" in request.path.split("/") else None

    sample = Sample(start_host, connection_string(azurite.port, account, azurite.accounts[account]))
    through_faulty = {"AzureWebJobsStorage": connection_string(front, account, azurite.accounts[account])}
    faulty.fault = busy
    host = await asyncio.to_thread(sample.start, STOP, settings=through_faulty)
    sample.send("hello")
    await asyncio.sleep(27)
    assert host.process.poll() is None
    faulty.fault = None
    await asyncio.to_thread(wait_until, lambda: sample.notes("work"))
