"""The hot folder as a print shop knows it, on real storage."""

import asyncio
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bench import Bench, Call
from shop import Shop, tell

from handlers.channels import hot_folder
from handlers.errors import NoCustody, StorageFault
from handlers.stores import ContainerName, Row, TableName
from handlers.timings import Timings
from tools.host.testing import StartHost

ROOT = Path(__file__).parents[3]
QUOTE = b'{"QuoteNo": "Q5218"}'
# Five minutes after the last change of every file.
LATER = Timings(patience=0, stable=0, unannounced=-3600)
# The sweep also takes what a notification could still announce, and what was changed just now.
AT_ONCE = Timings(unannounced=-3600, stable=0)


def test_a_file_leaves_the_folder_once_it_is_in_custody(storage: str) -> None:
    async def story(shop: Shop) -> None:
        await shop.drop("CreateQuote/quote 5218.json", QUOTE)
        assert await hot_folder.take("CreateQuote/quote 5218.json", shop.app)
        assert await shop.in_folder() == []
        await shop.work_off()
        row = await shop.row()
        assert (row["status"], row["channel"], row["subject"]) == ("sent", "hot-folder", "Q5218")
        assert row["file"] == "CreateQuote/quote 5218.json"
        assert await shop.blob(row["raw"]) == QUOTE

    tell(storage, story)


@pytest.mark.parametrize(
    "name",
    [
        "CreateQuote/with spaces  twice.json",
        "CreateQuote/Müller & Söhne.json",
        "CreateQuote/a#b?c%20d%.json",
        "CreateQuote/🖨️.json",
        "createquote/2026/11/24/deep/down/q.json",
        "CreateQuote/no extension",
        "/CreateQuote/leading slash.json",
        "printiq/uat/CreateQuote/parent folders.json",
        "CreateQuote/+&=;,'@!$().json",
    ],
)
def test_a_file_may_have_any_name(storage: str, name: str) -> None:
    async def story(shop: Shop) -> None:
        await shop.drop(name, QUOTE)
        assert await hot_folder.take(name, shop.app)
        assert await shop.in_folder() == []
        await shop.work_off()
        assert (await shop.row())["file"] == name

    tell(storage, story)


def test_temporary_names_are_left_alone(storage: str) -> None:
    names = ["CreateQuote/.q.json", "CreateQuote/q.json.PART", "CreateQuote/q.tmp", "CreateQuote/~q"]

    async def story(shop: Shop) -> None:
        for name in names:
            await shop.drop(name, QUOTE)
            assert not await hot_folder.take(name, shop.app)
        await hot_folder.sweep(shop.app)
        await shop.work_off()
        assert await shop.in_folder() == sorted(names)
        assert await shop.rows() == []

    tell(storage, story, AT_ONCE)


def test_a_file_that_grows_is_taken_when_it_is_complete(storage: str) -> None:
    async def story(shop: Shop) -> None:
        name = "CreateQuote/growing.json"
        await shop.begin(name)
        async with shop.blobs() as service:
            blob = service.get_blob_client(ContainerName.HOT_FOLDER, name)
            for part in (QUOTE[:7], QUOTE[7:12], QUOTE[12:-1]):
                await blob.append_block(part)
                await hot_folder.sweep(shop.app)
                assert await shop.in_folder() == [name]
            await blob.append_block(QUOTE[-1:])
        await hot_folder.sweep(shop.app)
        assert await shop.in_folder() == []
        await shop.work_off()
        assert await shop.blob((await shop.row())["raw"]) == QUOTE

    tell(storage, story, AT_ONCE)


def test_a_complete_file_that_was_changed_just_now_waits(storage: str) -> None:
    async def story(shop: Shop) -> None:
        await shop.begin("CreateQuote/q.json", QUOTE)
        assert not await hot_folder.take("CreateQuote/q.json", shop.app)

    tell(storage, story)


def test_an_empty_file_waits_for_its_content(storage: str) -> None:
    async def story(shop: Shop) -> None:
        await shop.drop("CreateQuote/q.json", b"")
        assert not await hot_folder.take("CreateQuote/q.json", shop.app)
        await shop.drop("CreateQuote/q.json", QUOTE)
        assert await hot_folder.take("CreateQuote/q.json", shop.app)
        await shop.work_off()
        assert (await shop.row())["status"] == "sent"

    tell(storage, story)


@pytest.mark.parametrize(
    ("body", "message"),
    [(b"", "empty"), (QUOTE[:-3], "ends"), (b"<Job><JobNumber>J1</JobNumber>", "line 1")],
)
def test_what_is_incomplete_after_five_minutes_is_set_aside(
    storage: str,
    body: bytes,
    message: str,
) -> None:
    async def story(shop: Shop) -> None:
        await shop.begin("CreateQuote/q.json", body)
        assert await hot_folder.take("CreateQuote/q.json", shop.app)
        assert await shop.in_folder() == []
        await shop.work_off()
        row = await shop.row()
        assert row["status"] == "quarantined"
        assert message in row["error"]
        if body:
            assert await shop.blob(row["raw"]) == body
            assert (await shop.problem(row))["file"] == "CreateQuote/q.json"

    tell(storage, story, LATER)


def test_a_block_blob_was_written_in_one_step_and_is_refused_at_once(storage: str) -> None:
    async def story(shop: Shop) -> None:
        await shop.drop("CreateQuote/cut off.json", QUOTE[:-3])
        assert await hot_folder.take("CreateQuote/cut off.json", shop.app)
        assert await shop.in_folder() == []
        await shop.work_off()
        row = await shop.row()
        assert row["status"] == "quarantined"
        assert await shop.blob(row["raw"]) == QUOTE[:-3]
        assert (await shop.problem(row))["status"] == 422

    tell(storage, story)


def test_the_problem_of_a_file_at_the_root_says_where_it_belongs(storage: str) -> None:
    async def story(shop: Shop) -> None:
        await shop.drop("J29328.xml", b"<Job><JobNumber>J29328</JobNumber></Job>")
        assert await hot_folder.take("J29328.xml", shop.app)
        await shop.work_off()
        problem = await shop.problem(await shop.row())
        assert problem["file"] == "J29328.xml"
        assert "is in no event's folder" in problem["detail"]
        assert "hot-folder/CreateJob/" in problem["detail"]

    tell(storage, story)


def test_the_problem_of_an_unknown_folder_names_the_nearest_event(storage: str) -> None:
    async def story(shop: Shop) -> None:
        await shop.drop("CreateJobb/J1.json", b'{"JobNo": "J1"}')
        assert await hot_folder.take("CreateJobb/J1.json", shop.app)
        await shop.work_off()
        row = await shop.row()
        assert row["raw"].startswith("quarantine/_unknown/")
        assert "Did you mean CreateJob" in row["error"]

    tell(storage, story)


async def once_in_ledger(shop: Shop, name: str) -> Row:
    """Sweep more than once; return the one row, with the file still in the folder."""
    for _ in range(3):
        await hot_folder.sweep(shop.app)
        await shop.work_off()
    assert await shop.in_folder() == [name]
    return await shop.row()


def test_a_file_in_the_archive_tier_has_a_row_and_is_taken_once_it_can_be_read(storage: str) -> None:
    async def story(shop: Shop) -> None:
        name = "CreateQuote/q.json"
        await shop.drop(name, QUOTE)
        async with shop.blobs() as service:
            blob = service.get_blob_client(ContainerName.HOT_FOLDER, name)
            await blob.set_standard_blob_tier("Archive")
            row = await once_in_ledger(shop, name)
            assert (row["status"], row["event"], row["file"]) == ("quarantined", "CreateQuote", name)
            assert "archive tier" in row["error"]
            await blob.set_standard_blob_tier("Hot")
        await hot_folder.sweep(shop.app)
        assert await shop.in_folder() == []
        await shop.work_off()
        assert sorted(row["status"] for row in await shop.rows()) == ["quarantined", "sent"]

    tell(storage, story, AT_ONCE)


def test_a_name_with_an_empty_segment_is_refused_with_a_row(storage: str) -> None:
    async def story(shop: Shop) -> None:
        name = "CreateQuote//q.json"
        await shop.drop(name, QUOTE)
        assert not await hot_folder.take(name, shop.app)
        row = await once_in_ledger(shop, name)
        assert (row["status"], row["event"], row["file"]) == ("quarantined", "CreateQuote", name)
        assert "empty segment" in row["error"]

    tell(storage, story, AT_ONCE)


def test_dot_segments_in_a_name_lead_to_no_other_container(storage: str) -> None:
    async def story(shop: Shop) -> None:
        await shop.app.stores.drops.ensure(ContainerName.HOT_FOLDER)
        await shop.app.stores.blobs.put(ContainerName.ARCHIVE, "x.json", QUOTE, "application/json")
        assert not await hot_folder.take("CreateQuote/../../archive/x.json", shop.app)
        assert await shop.blob("archive/x.json") == QUOTE
        await shop.work_off()
        assert await shop.rows() == []

    tell(storage, story)


def test_a_name_that_storage_cannot_list_hides_only_its_own_folder(
    storage: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(shop: Shop) -> None:
        await shop.drop("CreateQuote/a\x01b.json", QUOTE)
        await shop.drop("CreateJob/j.json", b'{"JobNo": "J1"}')
        await hot_folder.sweep(shop.app)
        await shop.work_off()
        assert (await shop.row())["subject"] == "J1"
        async with shop.blobs() as service:  # which makes the folder listable again
            await service.get_blob_client(ContainerName.HOT_FOLDER, "CreateQuote/a\x01b.json").delete_blob()
        assert await shop.in_folder() == []

    tell(storage, story, AT_ONCE)
    assert "CreateQuote/ in the hot folder cannot be swept" in caplog.text


@pytest.mark.parametrize("name", ["Thumbs.db", "desktop.ini", ".DS_Store", "._q.json"])
def test_what_operating_systems_lay_into_folders_is_left_alone(storage: str, name: str) -> None:
    async def story(shop: Shop) -> None:
        await shop.drop(f"CreateQuote/{name}", b"\0")
        await hot_folder.sweep(shop.app)
        await shop.work_off()
        assert await shop.rows() == []

    tell(storage, story, AT_ONCE)


@pytest.mark.parametrize(("event", "status"), [("CreateQuote", 413), ("CreateQuotes", 404)])
def test_a_file_that_is_too_large_is_kept_unread(storage: str, event: str, status: int) -> None:
    body = json.dumps({"QuoteNo": "Q1", "Notes": "ä" * 9_000_000}, ensure_ascii=False).encode()

    async def story(shop: Shop) -> None:
        await shop.drop(f"{event}/large.json", body)
        assert await hot_folder.take(f"{event}/large.json", shop.app)
        assert await shop.in_folder() == []
        await shop.work_off()
        row = await shop.row()
        assert (row["status"], row["size"]) == ("quarantined", len(body))
        assert row["raw"].endswith(".json")
        assert await shop.blob(row["raw"]) == body
        assert (await shop.problem(row))["status"] == status

    tell(storage, story, MAX_BODY_BYTES=1_000_000)


def test_two_notifications_of_one_file_are_one_delivery(storage: str) -> None:
    async def story(shop: Shop) -> None:
        await shop.drop("CreateQuote/q.json", QUOTE)
        await asyncio.gather(*(hot_folder.take("CreateQuote/q.json", shop.app) for _ in range(5)))
        await shop.work_off()
        await shop.row()
        assert len({each["id"] for each in await shop.results()}) == 1

    tell(storage, story)


def test_a_notification_of_a_file_that_is_gone_is_nothing(storage: str) -> None:
    async def story(shop: Shop) -> None:
        assert not await hot_folder.take("CreateQuote/gone.json", shop.app)
        await shop.work_off()
        assert await shop.rows() == []

    tell(storage, story)


@dataclass(frozen=True)
class Replaced:
    """A file that is replaced once, just before or just after a step of the app's own storage client."""

    step: str
    after: bool

    def arrange(self, monkeypatch: pytest.MonkeyPatch, shop: Shop, name: str, body: bytes) -> None:
        genuine = getattr(shop.app.stores.drops, self.step)

        async def replaced(*arguments: Any, **named: Any) -> Any:
            monkeypatch.undo()
            if not self.after:
                await shop.drop(name, body)
                return await genuine(*arguments, **named)
            outcome = await genuine(*arguments, **named)
            await shop.drop(name, body)
            return outcome

        monkeypatch.setattr(shop.app.stores.drops, self.step, replaced)


@pytest.mark.parametrize(
    ("replaced", "expected"),
    [
        (Replaced("find", after=False), ["Q2"]),
        (Replaced("find", after=True), ["Q2"]),
        (Replaced("open", after=False), ["Q2"]),
        (Replaced("open", after=True), ["Q1", "Q2"]),
        (Replaced("delete", after=False), ["Q1", "Q2"]),
        (Replaced("delete", after=True), ["Q1", "Q2"]),
    ],
    ids=str,
)
def test_a_file_replaced_while_it_is_taken_is_taken_too(
    storage: str, monkeypatch: pytest.MonkeyPatch, replaced: Replaced, expected: list[str]
) -> None:
    async def story(shop: Shop) -> None:
        name = "CreateQuote/q.json"
        await shop.drop(name, b'{"QuoteNo": "Q1"}')
        replaced.arrange(monkeypatch, shop, name, b'{"QuoteNo": "Q2"}')
        await hot_folder.take(name, shop.app)
        await hot_folder.take(name, shop.app)
        assert await shop.in_folder() == []
        await shop.work_off()
        assert sorted(row["subject"] for row in await shop.rows()) == expected

    tell(storage, story)


def test_a_large_file_replaced_between_two_reads_of_it_is_left_and_the_new_one_taken(
    storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(shop: Shop) -> None:
        name = "CreateQuote/q.json"
        # more than the first read brings, and than is read of any event
        await shop.drop(name, b" " * (33 * 1024 * 1024))
        Replaced("open", after=True).arrange(monkeypatch, shop, name, QUOTE)
        assert not await hot_folder.take(name, shop.app)
        assert await shop.in_folder() == [name]
        assert await hot_folder.take(name, shop.app)
        await shop.work_off()
        row = await shop.row()
        assert (row["status"], row["subject"]) == ("sent", "Q5218")

    tell(storage, story)


def test_what_stands_for_a_folder_is_no_file(storage: str) -> None:
    async def story(shop: Shop) -> None:
        await shop.drop("CreateQuote", b"", metadata={"hdi_isfolder": "true"})
        await shop.drop("CreateJob/", b"")
        for name in ("CreateQuote", "CreateJob/"):
            assert not await hot_folder.take(name, shop.app)
        await hot_folder.sweep(shop.app)
        await shop.work_off()
        assert await shop.rows() == []

    tell(storage, story, LATER)


def test_the_sweep_takes_what_was_not_announced(storage: str) -> None:
    async def story(shop: Shop) -> None:
        for number in range(30):
            await shop.drop(f"CreateQuote/{number}.json", b'{"QuoteNo": "Q%d"}' % number)
        await hot_folder.sweep(shop.app)
        assert await shop.in_folder() == []
        await shop.work_off()
        assert {row["subject"] for row in await shop.rows()} == {f"Q{number}" for number in range(30)}

    tell(storage, story, AT_ONCE)


def test_the_sweep_leaves_a_file_of_this_moment_to_its_notification(storage: str) -> None:
    async def story(shop: Shop) -> None:
        await shop.drop("CreateQuote/q.json", QUOTE)
        await hot_folder.sweep(shop.app)
        assert await shop.in_folder() == ["CreateQuote/q.json"]

    tell(storage, story)


def test_the_sweep_goes_on_when_one_file_fails(
    storage: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(shop: Shop) -> None:
        for number in range(20):
            await shop.drop(f"CreateQuote/{number}.json", QUOTE)
        genuine = hot_folder.take

        async def take(name: str, app: Any) -> bool:
            if name == "CreateQuote/3.json":
                raise StorageFault("could not look at it: storage answered 500")
            return await genuine(name, app)

        monkeypatch.setattr(hot_folder, "take", take)
        await hot_folder.sweep(shop.app)
        assert await shop.in_folder() == ["CreateQuote/3.json"]

    with caplog.at_level(logging.INFO):
        tell(storage, story, AT_ONCE)
    assert "CreateQuote/3.json could not be taken" in caplog.text
    assert "took 19 files; 1 could not be taken" in caplog.text


def test_the_sweep_stops_when_nothing_can_be_taken_into_custody(
    storage: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries: list[str] = []

    async def story(shop: Shop) -> None:
        for number in range(20):
            await shop.drop(f"CreateQuote/{number:02}.json", QUOTE)

        async def receive(*_: Any) -> None:
            tries.append("")
            raise NoCustody("could not send to queue printiq-inbox: storage answered 503")

        monkeypatch.setattr(hot_folder, "receive", receive)
        await hot_folder.sweep(shop.app)
        assert len(await shop.in_folder()) == 20

    tell(storage, story, AT_ONCE)
    assert len(tries) < 20
    assert "The sweep of the hot folder stopped" in caplog.text


def test_a_file_that_cannot_be_removed_is_received_once(storage: str) -> None:
    async def story(shop: Shop) -> None:
        await shop.drop("CreateQuote/q.json", QUOTE)
        async with shop.blobs() as service:
            lease = await service.get_blob_client(
                ContainerName.HOT_FOLDER, "CreateQuote/q.json"
            ).acquire_lease()
            for _ in range(4):
                await hot_folder.sweep(shop.app)
                await shop.work_off()
            await lease.release()
        assert await shop.in_folder() == ["CreateQuote/q.json"]
        assert len(await shop.results()) == 1
        await hot_folder.sweep(shop.app)
        assert await shop.in_folder() == []
        await shop.work_off()
        assert len(await shop.results()) == 1

    tell(storage, story, AT_ONCE)


async def test_a_file_of_this_moment_is_taken_without_asking_the_ledger(
    bench: Bench, calls: list[Call]
) -> None:
    await Shop(bench.app, bench.storage).drop("CreateQuote/q.json", QUOTE)
    calls.clear()
    assert await hot_folder.take("CreateQuote/q.json", bench.app)
    assert not [call for call in calls if call.path.startswith(TableName.DELIVERIES)]


def test_the_running_app_takes_what_is_dropped(storage: str, start_host: StartHost) -> None:
    names = ["CreateQuote/a b#c?d%20e.json", "CreateQuote/Übergrößen/🖨️.json", "UpdateJobStatus_Xml/J1.json"]
    bodies = [b'{"QuoteNo": "Q1"}', b'{"QuoteNo": "Q2"}', b"<Job><JobNumber>J1</JobNumber></Job>"]

    async def story(shop: Shop) -> None:
        for name, body in zip(names, bodies, strict=True):
            await shop.drop(name, body)
        rows = await shop.rows_in_time(len(names))
        assert {row["file"]: row["status"] for row in rows} == dict.fromkeys(names, "sent")
        await shop.emptied_in_time()

    start_host(ROOT)
    tell(storage, story)
