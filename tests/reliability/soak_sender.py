"""What the soak sends, and the journal of what was confirmed."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import httpx

from events import Channel, Delivery, EventError
from handlers.app import App
from handlers.errors import NoCustody, StorageFault
from handlers.ids import new_id, time_of
from handlers.pipeline.receive import receive
from handlers.stores import ContainerName

CORPUS = Path(__file__).parents[1] / "corpus"
# As a sender may: for as long as it takes.
_SENDING_SECONDS = 600
SENDERS = 24
# Events, and the field that is the subject's key.
_KEYED = (("CreateQuote", "QuoteNo"), ("ExportInvoice", "INVInvoiceNumber"), ("CreateCustomer", "Code"))
_TYPICAL = {event: json.loads((CORPUS / event / "typical.json").read_text()) for event, _ in _KEYED}
_JOBS = {
    size: (CORPUS / "CreateJobXml" / name).read_bytes()
    for size, name in (("large", "job-88kb-annual-report.xml"), ("small", "job-24kb-leaflets.xml"))
}
_REPEATABLE = 40
_BURST = (20, 120)
_LONG_AGO = timedelta(days=730)


@dataclass(frozen=True)
class Sent:
    """An event of the sender's; its `mark` is its subject's key, and so found again everywhere.

    `past` is whether it was received two years ago, so that retention removes it.
    """

    event: str
    mark: str
    body: bytes
    channel: Channel
    refused: bool = False
    past: bool = False


def person_of(mark: str) -> str:
    """Return the text that half of a burst's deliveries hold."""
    return f"{mark.lower()}@example.com"


@dataclass
class Journal:
    """What was confirmed to the sender, by delivery or by file, and what may have arrived unconfirmed."""

    webhooks: dict[str, Sent] = field(default_factory=dict)
    drops: dict[str, Sent] = field(default_factory=dict)
    unconfirmed: Counter[Sent] = field(default_factory=Counter)
    unconfirmed_drops: dict[str, Sent] = field(default_factory=dict)
    unconfirmed_past: dict[str, Sent] = field(default_factory=dict)
    bursts: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.webhooks) + len(self.drops)

    @property
    def tries(self) -> int:
        """The number of tries that were not confirmed."""
        return self.unconfirmed.total() + len(self.unconfirmed_drops) + len(self.unconfirmed_past)


class Script:
    """Draws what is sent: mixed events, repeats, broken bodies, old ones, bursts on one subject."""

    def __init__(self, draw: random.Random, journal: Journal) -> None:
        self._random = draw
        self._journal = journal
        self._recent: list[Sent] = []

    def next(self, number: int, left: int) -> list[Sent]:
        """Return what is sent next, at most `left` events."""
        mark, kind = f"S{number:07}", self._random.random()
        if kind < 0.006:
            return self._burst(mark, left)
        if kind < 0.05 and self._recent:
            return [self._random.choice(self._recent)]  # the same again
        if kind < 0.12:
            body = f'{{"QuoteNo": "{mark}", '.encode()
            return [Sent("CreateQuote", mark, body, Channel.WEBHOOK, refused=True, past=kind < 0.06)]
        sent = self._valid(kind, mark)
        if not sent.past:
            self._recent = [*self._recent[-_REPEATABLE:], sent]
        return [sent]

    def _burst(self, mark: str, left: int) -> list[Sent]:
        number = min(self._random.randint(*_BURST), left)
        document = {**_TYPICAL["CreateQuote"], "QuoteNo": mark}
        bodies = [
            json.dumps({**document, "Notes": notes}).encode() for notes in ("as agreed", person_of(mark))
        ]
        self._journal.bursts.add(mark)
        return [
            Sent("CreateQuote", mark, self._random.choice(bodies), self._channel(0.9)) for _ in range(number)
        ]

    def _valid(self, kind: float, mark: str) -> Sent:
        if kind < 0.2:
            body = _JOBS["large" if kind < 0.15 else "small"]
            head, _, rest = body.partition(b"<JobNumber>")
            number = b"<JobNumber>" + mark.encode() + rest[rest.index(b"</JobNumber>") :]
            return Sent("CreateJobXml", mark, head + number, self._channel(0.7))
        event, name = _KEYED[int(kind * 1000) % len(_KEYED)]
        body = json.dumps({**_TYPICAL[event], name: mark}).encode()
        if kind < 0.23:
            return Sent(event, mark, body, Channel.WEBHOOK, past=True)
        return Sent(event, mark, body, self._channel(0.7))

    def _channel(self, webhooks: float) -> Channel:
        return Channel.WEBHOOK if self._random.random() < webhooks else Channel.HOT_FOLDER


class Sender:
    """Sends what it is given, again and again until it is confirmed, and keeps the journal."""

    def __init__(
        self,
        journal: Journal,
        draw: random.Random,
        instance: Callable[[], str],
        app: App,
        problems: list[str],
    ) -> None:
        self._journal = journal
        self._random = draw
        self._instance = instance
        self._app = app
        self._problems = problems

    async def work(self, waiting: "asyncio.Queue[Sent]", client: httpx.AsyncClient) -> None:
        while True:
            sent = await waiting.get()
            deadline = monotonic() + _SENDING_SECONDS
            while not await self._confirmed(sent, client):
                if monotonic() > deadline:
                    self._problems.append(f"{sent.mark} was not confirmed within {_SENDING_SECONDS} s")
                    break
                await asyncio.sleep(0.2 + 0.6 * self._random.random())
            waiting.task_done()

    async def _confirmed(self, sent: Sent, client: httpx.AsyncClient) -> bool:
        if sent.channel is Channel.HOT_FOLDER:
            return await self._dropped(sent)
        return await (self._arrived(sent) if sent.past else self._posted(sent, client))

    async def _dropped(self, sent: Sent) -> bool:
        name = f"{sent.event}/{sent.mark}-{self._random.getrandbits(48):012x}.json"
        try:
            await self._app.stores.drops.put(ContainerName.HOT_FOLDER, name, sent.body, "text/plain")
        except StorageFault:
            self._journal.unconfirmed_drops[name] = sent
            return False
        self._journal.drops[name] = sent
        return True

    async def _arrived(self, sent: Sent) -> bool:
        """Take custody as an instance did two years ago."""
        its_id = new_id(datetime.now(UTC) - _LONG_AGO)
        delivery = Delivery(
            id=its_id,
            event=sent.event,
            body=sent.body,
            channel=sent.channel,
            received_at=time_of(its_id),
            content_type="application/json",
        )
        try:
            await receive(delivery, self._app)
        except NoCustody:
            self._journal.unconfirmed_past[its_id] = sent
            return False
        except EventError:
            pass  # refused, and in custody all the same
        self._journal.webhooks[its_id] = sent
        return True

    async def _posted(self, sent: Sent, client: httpx.AsyncClient) -> bool:
        try:
            answer = await client.post(f"{self._instance()}/api/webhooks/{sent.event}", content=sent.body)
        except httpx.HTTPError:
            self._journal.unconfirmed[sent] += 1
            return False
        if answer.status_code == (422 if sent.refused else 202):
            self._journal.webhooks[answer.json()["id"]] = sent
            return True
        self._journal.unconfirmed[sent] += 1
        # 502: the host ended while the worker had the request
        if answer.status_code not in {500, 502, 503}:
            self._problems.append(f"{sent.mark} was answered {answer.status_code}: {answer.text[:200]}")
            return True
        return False
