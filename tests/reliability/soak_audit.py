"""The soak's final audit: nothing lost, nothing wrong, no row that is nobody's, erased data nowhere."""

import asyncio
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from soak_consumer import FIRST, HTTPS, WHOLE, Consumer
from soak_operators import Decisions
from soak_sender import Journal, Sent, person_of

from handlers.app import App
from handlers.errors import NotFound
from handlers.ids import time_of
from handlers.ledger import query
from handlers.ledger.rows import UNSENT, DeliveryRow, ForeignRow, Status
from handlers.operations.retention import kept_since
from handlers.paths import Stored
from handlers.stores import ContainerName, TableName

_AT_ONCE = 16
_MARK = re.compile(r"S\d{7}|s\d{7}@")
_PASSED_ON = {Status.SENT, Status.DUPLICATE}


class Audit:
    """The comparison of what was sent, decided and consumed with every row and blob there is."""

    def __init__(self, app: App, journal: Journal, decisions: Decisions, consumer: Consumer) -> None:
        self._app = app
        self._journal = journal
        self._decisions = decisions
        self._consumer = consumer
        self._rows: dict[str, DeliveryRow] = {}
        self._bodies: dict[str, bytes] = {}
        self._owners: dict[str, Sent] = {}
        self._unclaimed = Counter(journal.unconfirmed)
        self.classes: Counter[str] = Counter()
        self.problems: list[str] = []

    async def run(self) -> None:
        await self._read_ledger()
        for row in self._rows.values():
            self._classify(row)
        self._all_is_there()
        self._decisions_were_kept()
        self._all_was_passed_on()
        self._nothing_came_from_nowhere()
        self._each_run_has_one_unmarked()
        await self._other_rows()
        await self._blobs()

    async def _read_ledger(self) -> None:
        async for _, row in query.days(self._app.stores.tables, None):
            if isinstance(row, ForeignRow):
                self.problems.append(str(row))
            else:
                self._rows[row.id] = row
        gate = asyncio.Semaphore(_AT_ONCE)

        async def read(row: DeliveryRow) -> None:
            if row.raw is not None:
                async with gate:
                    try:
                        self._bodies[row.id] = await self._app.stores.blobs.get(*row.raw)
                    except NotFound:
                        self.problems.append(f"{row.id}: its bytes are not at {row.raw}")

        await asyncio.gather(*map(read, self._rows.values()))

    # whose each row is

    def _classify(self, row: DeliveryRow) -> None:
        name, owner = self._owner(row)
        self.classes[name] += 1
        if owner is not None:
            self._owners[row.id] = owner
            if not row.erased and self._bodies.get(row.id) not in {owner.body, None}:
                self.problems.append(f"{owner.mark} ({row.id}): its bytes are not those that were sent")

    def _owner(self, row: DeliveryRow) -> tuple[str, Sent | None]:
        """Return the class of a row and the event that its sender sent, if that can be known."""
        journal = self._journal
        file, confirmed = row.file or "", journal.webhooks.get(row.id)
        unconfirmed = journal.unconfirmed_drops.get(file) or journal.unconfirmed_past.get(row.id)
        if row.erased:
            if row.id not in self._decisions.erased_ids:
                self.problems.append(f"{row.id} was erased by nobody")
            return "erased by an operator", confirmed
        if row.replay_of is not None:
            return self._replay(row)
        if confirmed is not None:
            return "confirmed by webhook", confirmed
        if file in journal.drops:
            return "confirmed by hot folder", journal.drops[file]
        sent = unconfirmed or self._unclaimed_with(self._bodies.get(row.id))
        if sent is not None:
            return "arrived, but unconfirmed", sent
        self.problems.append(f"{row.id} is nobody's: {row.status} {row.event} {row.subject} {row.file}")
        return "nobody's", None

    def _unclaimed_with(self, body: bytes | None) -> Sent | None:
        """Return an unconfirmed try to send these bytes, and claim it."""
        for sent, tries in self._unclaimed.items():
            if tries and sent.body == body:
                self._unclaimed[sent] -= 1
                return sent
        return None

    def _replay(self, row: DeliveryRow) -> tuple[str, Sent | None]:
        asked = self._decisions.asked[str(row.replay_of)]
        if not asked and not self._decisions.interrupted:
            self.problems.append(f"{row.id} is a replay of {row.replay_of} that nobody asked for")
        return "replayed by an operator", self._journal.webhooks.get(str(row.origin))

    # nothing lost

    def _all_is_there(self) -> None:
        for delivery, sent in self._journal.webhooks.items():
            row = self._rows.get(delivery)
            if row is None:
                if not sent.past:  # retention removes those
                    self.problems.append(f"{sent.mark} ({delivery}) was confirmed and is lost")
            elif not row.erased:
                self._is_as_sent(row, sent)
        files = Counter(row.file for row in self._rows.values() if row.file and not row.replay_of)
        erased = self._decisions.erased_marks | self._decisions.persons
        for file, sent in self._journal.drops.items():
            if files[file] > 1:
                self.problems.append(f"{file} was taken {files[file]} times")
            if not files[file] and sent.mark not in erased:
                self.problems.append(f"{sent.mark} was dropped as {file} and is lost")

    def _decisions_were_kept(self) -> None:
        decisions = self._decisions
        for replay, original in decisions.replays.items():
            if replay not in self._rows:
                self.problems.append(f"{replay}, a confirmed replay of {original}, is lost")
        replays = Counter(row.replay_of for row in self._rows.values() if row.replay_of)
        for of, number in replays.items():
            if number > decisions.asked[str(of)] + decisions.interrupted:
                self.problems.append(f"{of} was replayed {number} times")
        for delivery in decisions.dismissed:
            row = self._rows.get(delivery)
            if row is not None and not row.dismissed:
                self.problems.append(f"{delivery} was dismissed, and nothing says so")

    def _is_as_sent(self, row: DeliveryRow, sent: Sent) -> None:
        expected = {Status.QUARANTINED} if sent.refused else _PASSED_ON
        if row.status is Status.FAILED and row.replayed_by:  # given up after five crashes, and replayed
            replay = self._rows.get(row.replayed_by)
            if replay is not None and replay.status in expected:
                return
        if row.status not in expected:
            self.problems.append(f"{sent.mark} ({row.id}) was confirmed and is {row.status}: {row.error}")

    # what the consumers got

    def _all_was_passed_on(self) -> None:
        for delivery, sent in self._journal.webhooks.items():
            if sent.past and not sent.refused and delivery not in self._rows:
                self.problems += [
                    f"{sent.mark} ({delivery}) did not reach {name}"
                    for name in WHOLE
                    if not self._consumer.got[name].get(delivery)
                ]
        for row in self._rows.values():
            if row.erased or row.status not in _PASSED_ON:
                continue
            duplicate = row.status is Status.DUPLICATE
            for name in WHOLE:
                got = self._consumer.got[name].get(row.id, [])
                if not got:
                    self.problems.append(f"{row.subject} ({row.id}) did not reach {name}")
                elif all(each.marked for each in got) != duplicate:
                    self.problems.append(f"{row.subject} ({row.id}) is {row.status}, but {name} got {got}")
            if bool(self._consumer.got[FIRST].get(row.id)) == duplicate:
                self.problems.append(f"{row.subject} ({row.id}) is {row.status}: wrong in {FIRST}")

    def _nothing_came_from_nowhere(self) -> None:
        for by_delivery in self._consumer.got.values():
            for delivery, messages in by_delivery.items():
                row, sent = self._rows.get(delivery), self._journal.webhooks.get(delivery)
                past = (sent is not None and sent.past) or delivery in self._journal.unconfirmed_past
                if messages and row is None and not past:
                    self.problems.append(f"the consumer got {delivery}, which the ledger does not know")
                elif row is not None and not row.erased:
                    wrong = [got for got in messages if (got.id, got.subject) != (row.order, row.subject)]
                    self.problems += [f"{delivery}: the consumer got {got}" for got in wrong]
        for delivery, messages in self._consumer.got[FIRST].items():
            if any(got.marked for got in messages):
                self.problems.append(f"{delivery} is a duplicate, and came to {FIRST}")

    def _each_run_has_one_unmarked(self) -> None:
        """Check the rule of duplicates: one of each run of equal deliveries in order of receipt."""
        by_subject: dict[tuple[str, str], list[DeliveryRow]] = defaultdict(list)
        skipped = self._decisions.erased_marks | self._decisions.persons
        for row in self._rows.values():
            if row.subject and row.subject not in skipped and not row.replay_of and row.status in _PASSED_ON:
                by_subject[row.event, row.subject].append(row)
        of_several = 0
        for (_, mark), rows in by_subject.items():
            rows.sort(key=lambda row: row.id)
            for run in self._runs(rows):
                of_several += len(run) > 1
                unmarked = [row.id for row in run if row.status is Status.SENT]
                if len(unmarked) != 1:
                    ids = f"{run[0].id} to {run[-1].id}"
                    self.problems.append(f"{mark}: {len(unmarked)} of {len(run)} are unmarked in {ids}")
        self.classes["(runs of equal deliveries on one subject)"] = of_several

    def _runs(self, rows: list[DeliveryRow]) -> Iterator[list[DeliveryRow]]:
        window = timedelta(seconds=self._app.settings.duplicate_window_seconds)
        contents: dict[object, set[bytes]] = defaultdict(set)
        for row in rows:
            contents[time_of(row.id)].add(self._bodies.get(row.id, b""))
        run = rows[:1]
        for before, row in pairwise(rows):
            equal = self._bodies.get(before.id) == self._bodies.get(row.id)
            # deliveries of the same moment have no known order
            known = all(len(contents[time_of(each.id)]) == 1 for each in (before, row))
            if equal and known and time_of(row.id) - time_of(before.id) <= window:
                run.append(row)
            else:
                yield run
                run = [row]
        if run:
            yield run

    # no row and no blob that is nobody's, and nothing that was erased

    async def _other_rows(self) -> None:
        alive = {delivery for delivery, row in self._rows.items() if not row.erased}
        is_open: set[str] = set()
        for table in TableName:
            async for row in self._app.stores.tables.query(table, ""):
                place = f"{table}: {row['PartitionKey']} {row['RowKey']}"
                self._holds_nothing_erased(place, json.dumps(row, default=str))
                if table == TableName.DELIVERIES and row["PartitionKey"] == "open":
                    is_open.add(row["id"])
                elif table in {TableName.TIMELINE, TableName.RECORDS, TableName.SENDS}:
                    delivery = row["id" if table == TableName.TIMELINE else "delivery"]
                    if delivery not in alive:
                        self.problems.append(f"{place} is of {delivery}, which the ledger does not have")
                    if table == TableName.SENDS and row["state"] != "delivered":
                        self.problems.append(f"{place} is {row['state']} at {HTTPS}: {row.get('error')}")
        waiting = {row.id for row in self._rows.values() if row.status in UNSENT and not row.is_closed}
        self.problems += [f"{each} is open, and should not be" for each in is_open - (waiting & alive)]
        self.problems += [f"{each} should be open" for each in (waiting & alive) - is_open]

    async def _blobs(self) -> None:
        kept = f"{kept_since(self._app):%Y-%m-%d}"
        for container in (ContainerName.ARCHIVE, ContainerName.QUARANTINE):
            async for blob in self._app.stores.blobs.list(container):
                stored = Stored.read(blob.name)
                row = self._rows.get(stored.id)
                # what is older in the archive is left to the lifecycle rule
                if row is None and (stored.day > kept or container is ContainerName.QUARANTINE):
                    self.problems.append(f"{container}/{blob.name} is nobody's")
                elif row is not None and row.erased:
                    self.problems.append(f"{container}/{blob.name} was erased, and is there")
        for delivery, body in self._bodies.items():
            self._holds_nothing_erased(delivery, body.decode("utf-8", "replace"))

    def _holds_nothing_erased(self, place: str, text: str) -> None:
        marks = set(_MARK.findall(text))
        erased = marks & self._decisions.erased_marks
        persons = {person_of(mark) for mark in self._decisions.persons if person_of(mark)[:9] in marks}
        self.problems += [f"{place} still holds {each}" for each in sorted(erased | persons)]
