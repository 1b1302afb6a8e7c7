"""The soak: mixed events by both channels while everything around the app fails, and then the audit.

`python3 dev.py test --soak N` runs it. A sender keeps a journal of what was confirmed to it, and sends again
what was not; some of it comes in bursts on one subject, some was received two years ago. Operators replay,
dismiss, erase, retain and repair at random moments. Consumers are two queues, a Service Bus and an address
that fail now and then. Meanwhile instances are killed, Azurite is frozen, slow and restarted, calls to
storage fail, and storage is away for so long that the hosts end. (Azurite loses what it acknowledged when it
is itself killed: it is ended gently.) In the end every row, blob and message must be explained by what was
sent and decided.
"""

import argparse
import asyncio
import math
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import monotonic

import httpx
from faulty import FaultyStorage
from rich.console import Console
from rich.table import Table
from soak_audit import Audit
from soak_consumer import QUEUES, Consumer
from soak_harm import Harm, Instances
from soak_operators import Operators
from soak_sender import SENDERS, Journal, Script, Sender, Sent

from handlers.app import App
from handlers.errors import StorageFault
from handlers.operations import reconcile
from handlers.operations.reconcile import Reconciliation
from handlers.settings import Settings
from handlers.stores import (
    INBOX_POISON_QUEUE,
    INBOX_QUEUE,
    PUSH_POISON_QUEUE,
    PUSH_QUEUE,
    ContainerName,
)
from tools.host.azurite import ACCOUNT, KEY, Azurite, connection_string, install
from tools.host.testing import free_port

ROOT = Path(__file__).parents[2]
_SAVE_AT_THE_END = Path(__file__).with_name("save_at_the_end.cjs").as_posix()
# A message that failed seven times comes back after eleven minutes.
_SETTLING_SECONDS = 2400
_LOOK_EVERY = 25
_MOST_WAITING = 300
# Now and then nothing is sent until nothing waits, so that operators who need that find it; what is retried
# later is not waited for.
_LULL_EVERY = 1_000
_LULL_SECONDS = 30
_OPERATORS = 3
_SHOWN = 60


class Soak:
    """One soak; harm is done, and operators act, after a number of events between the two bounds."""

    def __init__(  # noqa: PLR0913 - what is sent, and how much happens meanwhile
        self,
        count: int,
        seed: int,
        folder: Path,
        console: Console,
        *,
        instances: int = 2,
        harm: tuple[int, int] = (60, 240),
        acts: tuple[int, int] = (10, 50),
        minutes: float = math.inf,
    ) -> None:
        self.count = count
        self.deadline = monotonic() + minutes * 60
        self.random = random.Random(seed)
        self.folder = folder
        self.console = console
        self.instance_count = instances
        self.harm_after = harm
        self.act_after = acts
        self.journal = Journal()
        self.chaos: Counter[str] = Counter()
        self.problems: list[str] = []
        self.sending = True

    async def run(self) -> bool:
        """Send, break, settle and audit; return whether all adds up."""
        program = install(ROOT / ".local" / "azurite", self.console.print)
        backend, front = free_port(3), free_port(3)
        with Azurite(program, backend, self.folder / "azurite") as azurite:
            faulty = await FaultyStorage("soak").start(range(front, front + 3), backend)
            direct, proxied = (connection_string(port, ACCOUNT, KEY) for port in (backend, front))
            self.app, operators_app = _app(direct), _app(proxied)
            self.consumer = Consumer(self.app, self.random)
            settings = {"AzureWebJobsStorage": proxied, "HOT_FOLDER": proxied, **self.consumer.settings}
            self.instances = Instances(self.instance_count, self.folder, settings, self.problems)
            self.harm = Harm(self.random, self.instances, azurite, faulty)
            self.operators = Operators(
                self.random, self.journal, self._instance, operators_app, self.problems
            )
            await self._make_ready()
            async with self.consumer.listening():
                await self.instances.start()
                platform = asyncio.create_task(self.instances.keep())
                try:
                    await self._send_and_break()
                    await self._settle()
                    await self._finish()
                    await self._audit()
                finally:
                    platform.cancel()
                    self.instances.stop()
                    await self.app.close()
                    await operators_app.close()
                    await faulty.stop()
        return not self.problems

    async def _make_ready(self) -> None:
        for queue in (*QUEUES, INBOX_QUEUE, PUSH_QUEUE):
            await self.app.stores.queues.ensure(queue)
        await self.app.stores.drops.ensure(ContainerName.HOT_FOLDER)

    def _instance(self) -> str:
        """Return the address of any instance, as a load balancer does."""
        return self.instances.url(self.random.getrandbits(8))

    async def _send_and_break(self) -> None:
        work: asyncio.Queue[Sent] = asyncio.Queue(SENDERS * 2)
        script = Script(self.random, self.journal)
        sender = Sender(self.journal, self.random, self._instance, self.app, self.problems)
        started = monotonic()
        async with httpx.AsyncClient(timeout=20) as client, asyncio.TaskGroup() as group:
            meanwhile = [group.create_task(self._break())]
            meanwhile += [group.create_task(self._operate(client)) for _ in range(_OPERATORS)]
            consuming = group.create_task(self.consumer.consume())
            senders = [group.create_task(sender.work(work, client)) for _ in range(SENDERS)]
            said = number = rested = 0
            while number < self.count and monotonic() < self.deadline:
                if number >= rested + _LULL_EVERY:
                    rested = number
                    await self._until_waiting(0, seconds=_LULL_SECONDS)
                elif number % _LOOK_EVERY == 0:
                    # Azurite slows with the length of its queues, and so would the soak
                    await self._until_waiting(_MOST_WAITING)
                for sent in script.next(number, self.count - number):
                    await work.put(sent)
                    number += 1
                if number >= said:
                    self._say(f"{number:,} of {self.count:,} sent in {monotonic() - started:.0f} s")
                    said = number + max(self.count // 20, 1)
            await work.join()
            self.sending = False
            for task in senders:
                task.cancel()
            await asyncio.gather(*meanwhile)  # what was begun ends: a host that was killed is started again
            self._say(f"all {number:,} sent in {monotonic() - started:.0f} s; waiting for the app to finish")
            consuming.cancel()

    async def _until_waiting(self, most: int, *, seconds: float = math.inf) -> None:
        """Wait until at most so many messages are in the inbox, but no longer than `seconds`."""
        until = monotonic() + seconds
        while monotonic() < until:
            try:
                if await self.app.stores.queues.depth(INBOX_QUEUE) <= most:
                    return
            except StorageFault:  # it is being frozen or restarted
                pass
            await asyncio.sleep(0.5)

    async def _break(self) -> None:
        while await self._has_sent(self.random.randint(*self.harm_after)):
            name = self.random.choice(list(self.harm.kinds))
            self.chaos[name] += 1
            await self.harm.kinds[name]()

    async def _operate(self, client: httpx.AsyncClient) -> None:
        while await self._has_sent(self.random.randint(*self.act_after)):
            await self.operators.act(client)

    async def _has_sent(self, more: int) -> bool:
        """Wait until so many more events were confirmed; return False once all were sent.

        By events, not by time: a slow machine does not do more harm.
        """
        due = len(self.journal) + more
        while len(self.journal) < due and self.sending:
            await asyncio.sleep(0.1)
        return self.sending

    async def _settle(self) -> None:
        """Wait until nothing waits: no file, no message, not even one that was requeued for later."""
        consuming = asyncio.create_task(self.consumer.consume())
        started = monotonic()
        quiet = said = 0
        while quiet < 3:
            await asyncio.sleep(1)
            files = [each async for each in self.app.stores.drops.list(ContainerName.HOT_FOLDER)]
            depths = {
                queue: await self.app.stores.queues.depth(queue)
                for queue in (INBOX_QUEUE, INBOX_POISON_QUEUE, PUSH_QUEUE, PUSH_POISON_QUEUE, *QUEUES)
            }
            quiet = quiet + 1 if not files and not any(depths.values()) else 0
            waited = monotonic() - started
            if waited > _SETTLING_SECONDS:
                self.problems.append(f"still waiting: {len(files)} files, {depths} messages")
                break
            if waited > said:
                self._say(f"waiting for {len(files)} files and {depths} messages")
                said += 30
        consuming.cancel()

    async def _finish(self) -> None:
        """Do what is left to operators once the inbox is empty."""
        async with httpx.AsyncClient(timeout=240) as client:
            await self.operators.finish(client)
        await self._settle()
        found = await reconcile.reconcile(self.app)
        done = await reconcile.repair(self.app, found)
        self._say(f"{len(done.adopted)} bodies arrived whole, but unconfirmed")
        await self._settle()
        await self.operators.retain()

    async def _audit(self) -> None:
        found = await reconcile.reconcile(self.app)
        self.problems += [f"verify: {finding.id} {finding.what}" for finding in found.findings]
        self.problems += [f"verify: {place} is not the app's" for place in found.foreign]
        self.consumer.take_from_bus()
        audit = Audit(self.app, self.journal, self.operators.decisions, self.consumer)
        await audit.run()
        self.problems += audit.problems
        self._show(found, audit)

    def _say(self, what: str) -> None:
        self.console.print(what, highlight=False)

    def _show(self, found: Reconciliation, audit: Audit) -> None:
        table = Table(title=f"Soak of {len(self.journal):,} events", show_header=False)
        decisions = self.operators.decisions
        rows = {
            "confirmed to the sender": f"{len(self.journal):,}",
            "  by webhook": f"{len(self.journal.webhooks):,}",
            "  by hot folder": f"{len(self.journal.drops):,}",
            "  in bursts on one subject": f"{len(self.journal.bursts):,} bursts",
            "tries that were not confirmed, and sent again": f"{self.journal.tries:,}",
            "harm done": _counted(self.chaos),
            "operators": _counted(self.operators.done),
            "deliveries erased": f"{len(decisions.erased_ids):,}",
            "rows in the ledger": f"{found.by_status.total():,}",
            "  by status": _counted(found.by_status),
            "  by whose they are": _counted(audit.classes),
            "messages that the consumers took": f"{self.consumer.messages:,}",
            "verify": "balanced" if found.balanced else f"{len(found.findings)} findings",
            "lost, wrong, or nobody's": f"{len(self.problems):,}",
        }
        for name, value in rows.items():
            table.add_row(name, value)
        self.console.print(table)
        for problem in self.problems[:_SHOWN]:
            self.console.print(problem, style="red", highlight=False, markup=False)


def _app(storage: str) -> App:
    return App.start(Settings.read({"AzureWebJobsStorage": storage, "HOT_FOLDER": storage}))


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counter.items()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, help="how many events to send")
    parser.add_argument(
        "--seed", type=int, default=1, help="the same seed does the same harm in the same order"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=math.inf,
        help="send no more after this long, and audit what was sent",
    )
    parser.add_argument("--instances", type=int, default=2, help="how many hosts run the app")
    arguments = parser.parse_args()
    os.environ["NODE_OPTIONS"] = f'--require "{_SAVE_AT_THE_END}"'
    folder, console = Path(tempfile.mkdtemp(prefix="soak-")), Console()
    soak = Soak(
        arguments.count,
        arguments.seed,
        folder,
        console,
        instances=arguments.instances,
        minutes=arguments.minutes,
    )
    adds_up = asyncio.run(soak.run())
    if adds_up:
        shutil.rmtree(folder)
        console.print("Nothing lost, nothing wrong, no row that is nobody's.")
    else:
        console.print(f"It does not add up. Logs and storage are in {folder}.", soft_wrap=True)
    return 0 if adds_up else 1


if __name__ == "__main__":
    sys.exit(main())
