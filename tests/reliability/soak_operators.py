"""The operators of the soak: they replay, dismiss, erase, remove and repair while everything fails."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

import httpx
from soak_sender import Journal, Sent, person_of

from events import Kind, Subject
from handlers.app import App
from handlers.errors import StorageFault
from handlers.operations import erasure, reconcile, retention
from handlers.operations.erasure import Person
from handlers.stores import INBOX_QUEUE

_KINDS = {"CreateQuote": Kind.QUOTE, "CreateJobXml": Kind.JOB, "ExportInvoice": Kind.INVOICE}
_PAUSE = 1.0
# How long an operator waits for an empty inbox before a repair, in seconds.
_PATIENCE = 60
# A search for a text reads every body that is kept.
_SEARCHED = 1_000
_REPAIRED = 4_000


def subject_of(sent: Sent) -> Subject:
    return Subject(_KINDS.get(sent.event, Kind.CUSTOMER), sent.mark)


@dataclass
class Decisions:
    """What the operators decided: replays asked for and confirmed, dismissals, and who was erased."""

    asked: Counter[str] = field(default_factory=Counter)
    replays: dict[str, str] = field(default_factory=dict)
    interrupted: int = 0
    dismissed: set[str] = field(default_factory=set)
    erased: set[Sent] = field(default_factory=set)
    persons: set[str] = field(default_factory=set)
    erased_ids: set[str] = field(default_factory=set)

    @property
    def erased_marks(self) -> set[str]:
        return {sent.mark for sent in self.erased}


class Operators:
    """Operators who act at random moments; `done` counts what they did."""

    def __init__(
        self,
        draw: random.Random,
        journal: Journal,
        instance: Callable[[], str],
        app: App,
        problems: list[str],
    ) -> None:
        self._random = draw
        self._journal = journal
        self._instance = instance
        self._app = app
        self._problems = problems
        self.decisions = Decisions()
        self.done: Counter[str] = Counter()
        self.actions: dict[str, Callable[[httpx.AsyncClient], Awaitable[object]]] = {
            "one replayed": self._replay,
            "open ones replayed": self._replay_open,
            "dismissed": self._dismiss,
            "erased by subject": self._erase,
            "erased by text": self._erase_text,
            "retention": self._retain,
            "verify --repair": self._repair,
        }

    async def act(self, client: httpx.AsyncClient) -> None:
        """Do something."""
        name = self._random.choice(list(self.actions))
        if await self.actions[name](client) is not False:
            self.done[name] += 1

    async def finish(self, client: httpx.AsyncClient) -> None:
        """Do what the pages and `verify` ask for once all is quiet: erase and replay again."""
        for sent in sorted(self.decisions.erased, key=lambda each: each.mark):
            await self._insist(partial(self._erase_person, Person(subject=subject_of(sent))))
        for mark in sorted(self.decisions.persons):
            await self._insist(partial(self._erase_person, Person(text=person_of(mark))))
        for finding in (await reconcile.reconcile(self._app)).findings:
            if "replay was begun" in finding.what:
                await self._replay_times(client, finding.id, 1)
        await self._replay_many(client, {"status": "failed", "open": True})

    async def retain(self) -> None:
        """Run retention."""
        await self._insist(lambda: retention.retain(self._app))

    async def _insist[T](self, act: Callable[[], Awaitable[T]]) -> T:
        """Do it again until storage lets it."""
        while True:
            try:
                return await act()
            except StorageFault:
                await asyncio.sleep(_PAUSE)

    # replays and dismissals, by the API

    async def _ask(self, client: httpx.AsyncClient, path: str, **body: object) -> httpx.Response | None:
        """Return an instance's answer, None where it may or may not have done what was asked."""
        try:
            answer = await client.post(f"{self._instance()}/api/{path}", json=body)
        except httpx.HTTPError:
            return None
        if answer.status_code in {500, 502, 503}:
            return None
        if answer.status_code not in {200, 202, 404, 409}:
            self._problems.append(f"{path} was answered {answer.status_code}: {answer.text[:200]}")
        return answer

    async def _replay(self, client: httpx.AsyncClient) -> bool:
        if not self._journal.webhooks:
            return False
        delivery = self._random.choice(list(self._journal.webhooks))
        await self._replay_times(client, delivery, self._random.choice([1, 1, 2, 4]))
        return True

    async def _replay_times(self, client: httpx.AsyncClient, delivery: str, times: int) -> None:
        self.decisions.asked[delivery] += times
        asked = (self._ask(client, f"deliveries/{delivery}/replay", by="the soak") for _ in range(times))
        for answer in await asyncio.gather(*asked):
            if answer is not None and answer.is_success:
                self.decisions.replays[answer.json()["id"]] = delivery

    async def _replay_open(self, client: httpx.AsyncClient) -> None:
        await self._replay_many(client, {"open": True}, limit=5)

    async def _replay_many(
        self, client: httpx.AsyncClient, selected: dict[str, object], limit: int = 500
    ) -> None:
        answer = await self._ask(client, "replays", filter=selected, limit=limit)
        if answer is None:
            self.decisions.interrupted += 1
        elif answer.is_success:
            for each in answer.json()["replayed"]:
                self.decisions.asked[each["replayOf"]] += 1
                self.decisions.replays[each["id"]] = each["replayOf"]

    async def _dismiss(self, client: httpx.AsyncClient) -> bool:
        refused = [
            delivery
            for delivery, sent in self._journal.webhooks.items()
            if sent.refused and delivery not in self.decisions.dismissed
        ]
        if not refused:
            return False
        delivery = self._random.choice(refused)
        answer = await self._ask(client, f"deliveries/{delivery}/dismiss", reason="sent by hand")
        if answer is not None and answer.is_success:
            self.decisions.dismissed.add(delivery)
        return True

    # what the commands do

    async def _erase(self, _: httpx.AsyncClient) -> bool:
        candidates = [sent for sent in self._journal.webhooks.values() if not sent.past and not sent.refused]
        if not candidates:
            return False
        # any subject, not any delivery: most of those are in bursts
        sent = self._random.choice(list({sent.mark: sent for sent in candidates}.values()))
        self.decisions.erased.add(sent)
        await self._insist(partial(self._erase_person, Person(subject=subject_of(sent))))
        return True

    async def _erase_text(self, _: httpx.AsyncClient) -> bool:
        bursts = sorted(self._journal.bursts)
        if not bursts or len(self._journal) > _SEARCHED:
            return False
        mark = self._random.choice(bursts)
        self.decisions.persons.add(mark)
        try:
            await self._erase_person(Person(text=person_of(mark)))
        except StorageFault:  # it reads every body: `finish` does it again
            return False
        return True

    async def _erase_person(self, person: Person) -> None:
        ids: list[str] = []
        async for row in erasure.deliveries_of(person, self._app):
            ids.append(row.id)
            self.decisions.erased_ids.add(row.id)
            await erasure.erase(row, "asked for", person, self._app)
        if ids:
            await erasure.record(ids, "asked for", self._app)

    async def _retain(self, _: httpx.AsyncClient) -> None:
        await self.retain()

    async def _repair(self, _: httpx.AsyncClient) -> bool:
        if len(self._journal) > _REPAIRED:
            return False
        deadline = monotonic() + _PATIENCE
        try:
            while await self._app.stores.queues.depth(INBOX_QUEUE) and monotonic() < deadline:
                await asyncio.sleep(_PAUSE)
            await reconcile.repair(self._app, await reconcile.reconcile(self._app))
        except StorageFault:  # as an operator does, it tries again another time: it reads the whole ledger
            return False
        return True
