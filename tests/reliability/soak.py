"""The soak: mixed events by both channels while everything around the app fails, and then the account.

`python3 dev.py test --soak N` runs it. A sender keeps a journal of what was confirmed to it, sends again what
was not, and in the end compares: with the ledger, with what a consumer found in the result queue, and with
the account of archive and quarantine. Meanwhile the host is killed, Azurite is frozen and restarted, calls to
storage fail, and storage is away for so long that the host ends. (Azurite loses what it acknowledged when it
is itself killed: it is ended gently.)
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import httpx
from aiohttp import web
from azure.core.exceptions import AzureError
from faulty import FaultyStorage
from rich.console import Console
from rich.table import Table

from events import Channel
from handlers.app import App
from handlers.errors import StorageFault, UnknownDelivery
from handlers.ledger.query import find
from handlers.operations import reconcile
from handlers.operations.reconcile import Reconciliation
from handlers.settings import Settings
from handlers.stores import INBOX_POISON_QUEUE, INBOX_QUEUE, ContainerName
from tools.host.azurite import ACCOUNT, KEY, Azurite, connection_string, install
from tools.host.faults import StorageLostError
from tools.host.testing import HostProcess, free_port, wait_until

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "tests" / "corpus"
RESULTS = "printiq-events"
# As a sender may: for as long as it takes.
_SENDING_SECONDS = 300
# Events, and the field that is the subject's key.
_KEYED = (("CreateQuote", "QuoteNo"), ("ExportInvoice", "INVInvoiceNumber"), ("CreateCustomer", "Code"))
_SETTLING_SECONDS = 1200
_LOOK_EVERY = 25
_MOST_WAITING = 300


@dataclass(frozen=True)
class Sent:
    """One event of the sender's; its `mark` is its subject's key, and so found again everywhere."""

    event: str
    mark: str
    body: bytes
    channel: Channel
    refused: bool = False


@dataclass
class Journal:
    """What was confirmed to the sender: ids by webhook, files by hot folder."""

    webhooks: dict[str, Sent] = field(default_factory=dict)
    drops: list[Sent] = field(default_factory=list)
    unconfirmed: int = 0

    def __len__(self) -> int:
        return len(self.webhooks) + len(self.drops)


@dataclass
class Consumed:
    """What a consumer found: the CloudEvents ids by subject, and whether each was marked."""

    by_mark: dict[str, dict[str, bool]] = field(default_factory=lambda: defaultdict(dict))
    channels: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    messages: int = 0


class Soak:
    """One soak; harm is done after a number of events between the two bounds."""

    def __init__(
        self, count: int, seed: int, folder: Path, console: Console, *, harm: tuple[int, int] = (40, 160)
    ) -> None:
        self.harm = harm
        self.count = count
        self.random = random.Random(seed)
        self.folder = folder
        self.console = console
        self.journal = Journal()
        self.consumed = Consumed()
        self.chaos: Counter[str] = Counter()
        self.problems: list[str] = []
        self.recent: list[Sent] = []
        self.sending = True
        self.starting = asyncio.Lock()

    async def run(self) -> bool:
        """Send, break, settle and compare; tell whether all adds up."""
        program = install(ROOT / ".local" / "azurite", self.console.print)
        backend, front = free_port(3), free_port(3)
        with Azurite(program, backend, self.folder / "azurite") as self.azurite:
            self.faulty = await FaultyStorage("soak").start(range(front, front + 3), backend)
            direct = connection_string(backend, ACCOUNT, KEY)
            self.app = App.start(Settings.read({"AzureWebJobsStorage": direct, "HOT_FOLDER": direct}))
            self.storage = connection_string(front, ACCOUNT, KEY)
            await self._make_ready()
            self.host = await asyncio.to_thread(self._start_host)
            platform = asyncio.create_task(self._start_again())
            try:
                await self._send_and_break()
                await self._settle()
                found = await self._balance()
                await self._compare(found)
            finally:
                platform.cancel()
                self.host.stop()
                await self.app.close()
                await self.faulty.stop()
        return not self.problems

    async def _make_ready(self) -> None:
        await self.app.stores.queues.ensure(RESULTS)
        await self.app.stores.queues.ensure(INBOX_QUEUE)
        await self.app.stores.drops.ensure(ContainerName.HOT_FOLDER)

    def _start_host(self) -> HostProcess:
        settings = {"AzureWebJobsStorage": self.storage, "HOT_FOLDER": self.storage}
        return HostProcess.start(
            ROOT, self.folder, "--lease=5", "--stop-on-storage-faults", settings=settings
        )

    async def _start_again(self) -> None:
        """Do what the platform does: start the host again where a storage fault has ended it."""
        while True:
            await asyncio.sleep(0.2)
            async with self.starting:
                if self.host.process.poll() == StorageLostError.exit_code:
                    self.host = await asyncio.to_thread(self._start_host)

    # what is sent, and what a consumer takes

    async def _send_and_break(self) -> None:
        work: asyncio.Queue[Sent] = asyncio.Queue(64)
        started = monotonic()
        async with httpx.AsyncClient(timeout=20) as client, asyncio.TaskGroup() as group:
            breaking = group.create_task(self._break())
            consuming = group.create_task(self._consume())
            senders = [group.create_task(self._sender(work, client)) for _ in range(12)]
            for number in range(self.count):
                await work.put(self._event(number))
                if number % _LOOK_EVERY == 0:
                    await self._not_too_fast()
                if number % max(self.count // 20, 1) == 0:
                    self._say(f"{number:,} of {self.count:,} sent, {dict(self.chaos)}")
            await work.join()
            self.sending = False
            for task in senders:
                task.cancel()
            await breaking  # what it has begun it ends: a host that it killed is started again
            self._say(
                f"all {self.count:,} sent in {monotonic() - started:.0f} s; waiting for the app to finish"
            )
            consuming.cancel()

    async def _not_too_fast(self) -> None:
        """Wait while much is waiting: Azurite slows with the length of its queues, and so would the soak."""
        while True:
            try:
                if await self.app.stores.queues.depth(INBOX_QUEUE) < _MOST_WAITING:
                    return
            except StorageFault:  # it is being frozen or restarted
                pass
            await asyncio.sleep(0.5)

    def _event(self, number: int) -> Sent:
        mark = f"S{number:07}"
        channel = Channel.WEBHOOK if self.random.random() < 0.7 else Channel.HOT_FOLDER
        kind = self.random.random()
        if kind < 0.05 and self.recent:
            return self.random.choice(self.recent)  # the same again
        if kind < 0.12:
            return Sent(
                "CreateQuote", mark, f'{{"QuoteNo": "{mark}", '.encode(), Channel.WEBHOOK, refused=True
            )
        sent = self._valid(kind, mark, channel)
        self.recent = [*self.recent[-40:], sent]
        return sent

    def _valid(self, kind: float, mark: str, channel: Channel) -> Sent:
        if kind < 0.2:
            name = "job-88kb-annual-report.xml" if kind < 0.15 else "job-24kb-leaflets.xml"
            body = (CORPUS / "CreateJobXml" / name).read_bytes()
            head, _, rest = body.partition(b"<JobNumber>")
            number = b"<JobNumber>" + mark.encode() + rest[rest.index(b"</JobNumber>") :]
            return Sent("CreateJobXml", mark, head + number, channel)
        event, name = _KEYED[int(kind * 1000) % len(_KEYED)]
        document = json.loads((CORPUS / event / "typical.json").read_text())
        return Sent(event, mark, json.dumps({**document, name: mark}).encode(), channel)

    async def _sender(self, work: "asyncio.Queue[Sent]", client: httpx.AsyncClient) -> None:
        while True:
            sent = await work.get()
            deadline = monotonic() + _SENDING_SECONDS
            while not await self._confirmed(sent, client):
                self.journal.unconfirmed += 1
                if monotonic() > deadline:
                    self.problems.append(f"{sent.mark} was not confirmed within {_SENDING_SECONDS} s")
                    break
                await asyncio.sleep(0.2 + 0.6 * self.random.random())
            work.task_done()

    async def _confirmed(self, sent: Sent, client: httpx.AsyncClient) -> bool:
        if sent.channel is Channel.HOT_FOLDER:
            name = f"{sent.event}/{sent.mark}-{self.random.getrandbits(32):08x}.json"
            try:
                await self.app.stores.drops.put(ContainerName.HOT_FOLDER, name, sent.body, "text/plain")
            except StorageFault:
                return False
            self.journal.drops.append(sent)
            return True
        try:
            answer = await client.post(f"{self.host.url}/api/webhooks/{sent.event}", content=sent.body)
        except httpx.HTTPError:
            return False
        if answer.status_code == (422 if sent.refused else 202):
            self.journal.webhooks[answer.json()["id"]] = sent
            return True
        # 502: the host ended while the worker had the request
        if answer.status_code not in {500, 502, 503}:
            self.problems.append(f"{sent.mark} was answered {answer.status_code}: {answer.text[:200]}")
            return True
        return False

    async def _consume(self) -> None:
        queue = self.app.stores.queues._service.get_queue_client(RESULTS)
        while True:
            try:
                batch = [
                    each async for each in queue.receive_messages(max_messages=32, visibility_timeout=30)
                ]
                for message in batch:
                    self._note(json.loads(base64.b64decode(message.content)))
                    await queue.delete_message(message)
            except AzureError:
                batch = []
            if not batch:
                await asyncio.sleep(0.3)

    def _note(self, event: dict[str, str]) -> None:
        self.consumed.messages += 1
        ids = self.consumed.by_mark[event["subject"]]
        # marked, unless some message of this id was not: a duplicate can be freed from its mark
        ids[event["id"]] = ids.get(event["id"], True) and "duplicateof" in event
        self.consumed.channels[event["subject"]].add(event["channel"])

    # what goes wrong meanwhile

    async def _break(self) -> None:
        harm: dict[str, Callable[[], object]] = {
            "host killed": self._kill_host,
            "storage frozen": self._freeze,
            "storage restarted": self._restart_storage,
            "calls refused": self._refuse,
            "answers lost": self._lose_answers,
            "storage away": self._go_away,
        }
        while self.sending:
            # by events, not by time: a slow machine does not do more harm
            due = len(self.journal) + self.random.randint(*self.harm)
            while len(self.journal) < due:
                if not self.sending:
                    return
                await asyncio.sleep(0.1)
            name = self.random.choice(list(harm))
            self.chaos[name] += 1
            await harm[name]()  # type: ignore[misc]

    async def _kill_host(self) -> None:
        async with self.starting:
            await asyncio.to_thread(self.host.kill)
            self.host = await asyncio.to_thread(self._start_host)

    async def _freeze(self) -> None:
        await self._storage_has_started()
        pid = self.azurite.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(self.random.uniform(0.5, 4))
        finally:
            os.kill(pid, signal.SIGCONT)

    async def _restart_storage(self) -> None:
        await self._storage_has_started()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.azurite.pid, signal.SIGTERM)
        await asyncio.sleep(3)

    async def _storage_has_started(self) -> None:
        """Wait for an Azurite that can be sent signals: before, it would end without saving what it took."""
        await asyncio.to_thread(wait_until, self.azurite.answers)
        await asyncio.sleep(1)

    async def _refuse(self) -> None:
        def fault(_: web.Request) -> web.Response | None:
            refused = self.random.random() < 0.3
            return web.Response(status=503, headers={"x-ms-error-code": "ServerBusy"}) if refused else None

        await self._with_fault(fault)

    async def _lose_answers(self) -> None:
        def fault(_: web.Request) -> None:
            self.faulty.cut = self.random.random() < 0.2

        await self._with_fault(fault)

    async def _go_away(self) -> None:
        """Be unreachable for so long that the host ends: the genuine one does not outlive 27 s."""
        ended = self.host.process

        def fault(request: web.Request) -> web.Response:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)

        self.faulty.fault = fault
        try:
            await asyncio.to_thread(wait_until, lambda: ended.poll() is not None)
        finally:
            self.faulty.fault = None

    async def _with_fault(self, fault: Callable[[web.Request], web.Response | None]) -> None:
        self.faulty.fault = fault
        try:
            await asyncio.sleep(self.random.uniform(1, 4))
        finally:
            self.faulty.fault, self.faulty.cut = None, False

    # what came of it

    async def _settle(self) -> None:
        """Wait until nothing waits: no file, no message, not even one that was requeued for later."""
        consuming = asyncio.create_task(self._consume())
        deadline = monotonic() + _SETTLING_SECONDS
        quiet = 0
        while quiet < 3:
            await asyncio.sleep(1)
            files = [each async for each in self.app.stores.drops.list(ContainerName.HOT_FOLDER)]
            depths = [
                await self.app.stores.queues.depth(queue)
                for queue in (INBOX_QUEUE, INBOX_POISON_QUEUE, RESULTS)
            ]
            quiet = quiet + 1 if not files and not any(depths) else 0
            if monotonic() > deadline:
                self.problems.append(f"still waiting: {len(files)} files, {depths} messages")
                break
            if int(monotonic()) % 15 == 0:
                self._say(f"waiting for {len(files)} files and {depths} messages")
        consuming.cancel()

    async def _balance(self) -> Reconciliation:
        found = await reconcile.reconcile(self.app)
        unknown = [finding.unknown for finding in found.findings if finding.unknown is not None]
        if unknown:
            self._say(f"{len(unknown)} large bodies arrived whole, but unconfirmed: handing them on")
            await reconcile.repair(self.app, found)
            await self._settle()
            found = await reconcile.reconcile(self.app)
        return found

    async def _compare(self, found: Reconciliation) -> None:
        self.problems += [f"account: {finding.id} {finding.what}" for finding in found.findings]
        for delivery_id, sent in self.journal.webhooks.items():
            try:
                status = str((await find(self.app.stores.tables, delivery_id)).status)
            except UnknownDelivery:
                status = "lost"
            if status not in ({"quarantined"} if sent.refused else {"sent", "duplicate"}):
                self.problems.append(f"{sent.mark} ({delivery_id}) was confirmed and is {status}")
            elif not sent.refused and delivery_id not in self.consumed.by_mark[sent.mark]:
                self.problems.append(f"{sent.mark} ({delivery_id}) did not reach the consumer")
        for sent in self.journal.drops:
            if Channel.HOT_FOLDER not in self.consumed.channels[sent.mark]:
                self.problems.append(f"{sent.mark} was dropped and did not reach the consumer")
        for mark, ids in self.consumed.by_mark.items():
            heads = [delivery_id for delivery_id, marked in ids.items() if not marked]
            if len(heads) != 1:
                self.problems.append(
                    f"{mark}: {len(heads)} of {len(ids)} deliveries are not marked as duplicates"
                )
        self._show(found)

    def _say(self, what: str) -> None:
        self.console.print(what, highlight=False)

    def _show(self, found: Reconciliation) -> None:
        table = Table(title=f"Soak of {self.count:,} events", show_header=False)
        rows = {
            "confirmed to the sender": f"{len(self.journal):,}",
            "  by webhook": f"{len(self.journal.webhooks):,}",
            "  by hot folder": f"{len(self.journal.drops):,}",
            "tries that were not confirmed, and sent again": f"{self.journal.unconfirmed:,}",
            "harm done": ", ".join(f"{name} {count} times" for name, count in self.chaos.items()),
            "deliveries in the ledger": f"{found.by_status.total():,}",
            "  of them": ", ".join(
                f"{status} {count:,}" for status, count in sorted(found.by_status.items())
            ),
            "messages that the consumer took": f"{self.consumed.messages:,}",
            "subjects that reached it": f"{len(self.consumed.by_mark):,}",
            "account": "balanced" if found.balanced else f"{len(found.findings)} findings",
            "lost, wrong or marked wrongly": f"{len(self.problems):,}",
        }
        for name, value in rows.items():
            table.add_row(name, value)
        self.console.print(table)
        for problem in self.problems[:40]:
            self.console.print(problem, style="red", highlight=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, help="how many events to send")
    parser.add_argument(
        "--seed", type=int, default=1, help="the same seed does the same harm in the same order"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(arguments.count, arguments.seed, Path(folder), Console())
        adds_up = asyncio.run(soak.run())
    Console().print(
        "Nothing lost, no wrong row, the account is balanced." if adds_up else "It does not add up."
    )
    return 0 if adds_up else 1


if __name__ == "__main__":
    sys.exit(main())
