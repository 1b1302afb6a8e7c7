"""The JSON API over the ledger. Each function handles one route; what it raises becomes problem details.

Every route here asks for a key. A *function key* opens one function only: the webhook's key, which printIQ
holds, opens nothing here. Each person and each program gets a named *host key* instead.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic

from events import Event, EventError, Kind, Payload, Subject, cloud_event, timestamp
from handlers import paths
from handlers.app import App
from handlers.errors import Missing, NotFound, NotPossible, SubscriptionsError, UnknownDelivery
from handlers.http import schemas
from handlers.http.reading import from_body, from_query
from handlers.ids import time_of
from handlers.ledger import query, sends, stats
from handlers.ledger.query import Filter
from handlers.ledger.rows import UNDELIVERED, DeliveryRow, Status, TimelineRow
from handlers.operations import replay
from handlers.operations.backlog import backlogs
from handlers.pipeline import archive, results
from handlers.responses import Response, attachment, document
from handlers.stores import BlobRef, ContainerName

_LOOK_AGAIN = 0.5  # seconds


async def deliveries(params: Mapping[str, str], app: App) -> Response:
    """Return a page of the ledger."""
    asked = from_query(schemas.DeliveryQuery, params)
    found = await query.page(app.stores.tables, asked.filter(), size=asked.limit, cursor=asked.cursor)
    looked_up = found.rows if not asked.fields or "undelivered" in asked.fields else ()
    receivers = await _receivers(looked_up, app)
    items = [schemas.DeliveryItem.of(row, **receivers(row)) for row in found.rows]
    return document(200, schemas.DeliveryPage(deliveries=items, cursor=found.cursor).showing(asked.fields))


async def delivery(delivery_id: str, params: Mapping[str, str], app: App) -> Response:
    """Return the details of a delivery, once its outcome is known or the time to wait is over."""
    row = await _awaited(delivery_id, from_query(schemas.DetailQuery, params).wait, app)
    return await _details(row, app)


async def _awaited(delivery_id: str, seconds: float, app: App) -> DeliveryRow:
    deadline = monotonic() + seconds
    while True:
        try:
            row = await query.find(app.stores.tables, delivery_id)
        except UnknownDelivery:
            if monotonic() >= deadline or not _may_be_waiting(delivery_id):
                raise
        else:
            if row.status is not Status.FAILING or monotonic() >= deadline:
                return row
        await asyncio.sleep(_LOOK_AGAIN)


def _may_be_waiting(delivery_id: str) -> bool:
    try:
        time_of(delivery_id)
    except ValueError:
        return False
    return True


async def _details(row: DeliveryRow, app: App) -> Response:
    names = [*row.withheld, *_pushed(row.queues, app)]
    found = await sends.of_delivery(app.stores.tables, names, row.id)
    undelivered = {each.subscription: {row.id} for each in found if each.state in UNDELIVERED}
    detail = schemas.DeliveryHistory.of(
        row, **_named(row, _titles(app), undelivered), sends=[schemas.Send.of(each) for each in found]
    )
    if row.status is Status.QUARANTINED:
        detail = detail.model_copy(update={"errors": await _refused_for(row, app)})
    return document(200, detail.document())


def _pushed(names: Iterable[str], app: App) -> list[str]:
    """Return those of these subscriptions that are not queues: they may have a history of each delivery."""
    try:
        kinds = {each.name: each.kind for each in app.subscriptions.all.values()}
    except SubscriptionsError:
        kinds = {}
    return [name for name in names if kinds.get(name, "https") == "https"]


async def _undelivered(rows: Sequence[DeliveryRow | TimelineRow], app: App) -> Mapping[str, Collection[str]]:
    """Return which of these deliveries each subscription has not got, though they were sent to it."""
    sent: dict[str, list[str]] = {}
    for row in rows:
        for name in row.queues:
            sent.setdefault(name, []).append(row.id)
    names = _pushed(sent, app)
    found = await asyncio.gather(
        *(sends.undelivered_among(app.stores.tables, name, sent[name]) for name in names)
    )
    return dict(zip(names, found, strict=True))


async def raw(delivery_id: str, app: App) -> Response:
    """Return a delivery's bytes as received."""
    row = await query.find(app.stores.tables, delivery_id)
    place = query.kept(row)
    # The sender's declared type may be wrong: UTF-16 is not application/json, nor is half an object.
    name = f"{row.event}-{row.id}.{place.name.rpartition('.')[2]}"
    return attachment(await _bytes(row, app), "application/octet-stream", name)


async def data(delivery_id: str, app: App) -> Response:
    """Return a delivery's payload, normalised by the current models."""
    row = await query.find(app.stores.tables, delivery_id)
    event = await _parsed(row, app)
    return attachment(event.data, "application/json", f"{row.event}-{row.id}.data.json")


async def message(delivery_id: str, app: App) -> Response:
    """Return the message that a delivery's subscriptions get, as the current models write it."""
    row = await query.find(app.stores.tables, delivery_id)
    if not row.queues and not row.withheld:
        raise Missing("There is no message: the delivery was not sent to any subscription.")
    event = await _parsed(row, app)
    envelope = results.envelope_of(
        event, app, origin=row.order, duplicate_of=row.duplicate_of, replay_of=row.replay_of
    )
    written = cloud_event(event, replace(envelope, data_ref=row.data_ref))
    return attachment(written, "application/cloudevents+json", f"{row.event}-{row.id}.message.json")


async def _parsed(row: DeliveryRow, app: App) -> Event[Payload]:
    if row.status is Status.QUARANTINED:
        raise Missing(f"There is no data: the delivery could not be read. {row.error or ''}".rstrip())
    try:
        with _explaining_absence():
            return await archive.parse_kept(row, _place(row, app), app)
    except EventError as error:
        raise Missing(f"There is no data: the delivery cannot be read. {error.message}") from error


async def subject(kind: str, key: str, params: Mapping[str, str], app: App) -> Response:
    """Return a subject's timeline, with its latest record on the first page."""
    asked = from_query(schemas.TimelineQuery, params)
    about = _subject(kind, key)
    tables = app.stores.tables
    found = await query.page(
        tables, Filter(kind=about.kind, subject=about.key), size=asked.limit, cursor=asked.cursor
    )
    latest = await query.latest(tables, about) if asked.cursor is None else None
    if asked.cursor is None and latest is None and not found.rows:
        raise Missing(
            f"No accepted delivery is about {about.kind} {about.key!r}. Keys match exactly as printIQ writes "
            "them. Refused or waiting deliveries are not found by their key: "
            "GET /api/deliveries?open=true lists the refused ones."
        )
    receivers = await _receivers(found.rows, app)
    timeline = schemas.Timeline(
        kind=about.kind,
        key=about.key,
        latest=schemas.Record.of(latest) if latest is not None else None,
        deliveries=[schemas.DeliverySummary.of(row, **receivers(row)) for row in found.rows],
        cursor=found.cursor,
    )
    return document(200, timeline.document())


async def search(params: Mapping[str, str], app: App) -> Response:
    """Return the subjects and deliveries that a text finds."""
    text = from_query(schemas.SearchQuery, params).q
    tables = app.stores.tables
    if _may_be_waiting(text):
        with contextlib.suppress(UnknownDelivery):
            row = await query.find(tables, text)
            matches = await _matches([(row, schemas.Matched(fact="id", value=row.id))], app)
            return document(200, schemas.SearchResult(subjects=[], deliveries=matches, more=False).document())
    found = await query.search(tables, text)
    result = schemas.SearchResult(
        subjects=[
            schemas.SubjectMatch(
                kind=match.subject.kind,
                key=match.subject.key,
                matched=schemas.Matched(fact=match.term.fact, value=match.term.value),
                customer=match.customer,
                reference=match.reference,
            )
            for match in found.subjects
        ],
        deliveries=await _matches(
            [(row, schemas.Matched(fact=term.fact, value=term.value)) for row, term in found.waiting], app
        ),
        more=found.more,
    )
    return document(200, result.document())


async def _matches(
    found: Sequence[tuple[DeliveryRow, schemas.Matched]], app: App
) -> list[schemas.DeliveryMatch]:
    receivers = await _receivers([row for row, _ in found], app)
    return [schemas.DeliveryMatch.of(row, **receivers(row), matched=matched) for row, matched in found]


async def statistics(params: Mapping[str, str], app: App) -> Response:
    """Return counts of deliveries and the depth of each queue."""
    asked = from_query(schemas.StatsQuery, params)
    start, end = _period(asked)
    buckets, (waiting, more), queues = await asyncio.gather(
        app.stats.count(start, end, asked.per), app.stats.count_open(), _queues(app)
    )
    first = next(iter(buckets), start)
    report = schemas.StatsReport(
        environment=schemas.Environment(
            site=app.settings.printiq_site, tier=app.settings.printiq_tier or None
        ),
        from_=timestamp(start),
        to=timestamp(end),
        per=asked.per,
        buckets=[
            schemas.Bucket(
                start=timestamp(each),
                counts=[
                    schemas.StatusCount(event=event, status=Status(status), count=number)
                    for (event, status), number in sorted(counts.items())
                ],
            )
            for each, counts in buckets.items()
        ],
        counted_from=timestamp(first) if first > start else None,
        open=schemas.OpenCount(count=waiting, more=more),
        queues=queues,
    )
    return document(200, report.document())


def _period(asked: schemas.StatsQuery) -> tuple[datetime, datetime]:
    """Widen the period to whole hours or days; the default is the last 24 hours."""
    width = stats.WIDTHS[asked.per]
    end = asked.to or datetime.now(UTC)
    last = stats.floor(end, asked.per)
    if last < end:
        last += width
    return stats.floor(asked.from_ or last - timedelta(days=1), asked.per), last


async def _queues(app: App) -> list[schemas.QueueDepth]:
    titles = _titles(app)
    return [
        schemas.QueueDepth.model_validate(
            {
                "name": each.queue,
                "title": titles([each.queue])[0] if each.role == "result" else None,
                "role": each.role,
                "messages": each.messages,
                "oldestSeconds": each.oldest_seconds,
            }
        )
        for each in await backlogs(app)
    ]


async def drift_report(app: App) -> Response:
    """Return where printIQ's payloads differ from the models: some thirty rows in all."""
    return document(200, await app.drift.report())


async def replay_one(delivery_id: str, body: bytes, app: App) -> Response:
    """Replay a delivery, or check whether it can be replayed."""
    asked = from_body(schemas.ReplayRequest, body)
    options = replay.Options(asked.as_, asked.queues, asked.by)
    if asked.dry_run:
        event = await replay.check(delivery_id, app, options)
        return document(200, schemas.Replayable(replay_of=delivery_id, event=event).document())
    done = await replay.replay(delivery_id, app, options)
    return document(202, schemas.ReplayAccepted.model_validate(done._asdict()).document())


async def replay_many(body: bytes, app: App) -> Response:
    """Replay everything that a filter selects, or count it."""
    asked = from_body(schemas.ReplaysRequest, body)
    done = await replay.replay_many(
        asked.filter.filter(),
        app,
        replay.Options(asked.as_, asked.queues, asked.by),
        dry_run=asked.dry_run,
        limit=asked.limit,
        cursor=asked.cursor,
    )
    result = schemas.ReplaysResult(
        matched=done.matched,
        replayed=[schemas.ReplayAccepted.model_validate(each._asdict()) for each in done.replayed],
        skipped=done.skipped,
        cursor=done.cursor,
    )
    return document(200 if asked.dry_run else 202, result.document())


async def dismiss(delivery_id: str, body: bytes, app: App) -> Response:
    """Dismiss a delivery with a reason and return its details."""
    asked = from_body(schemas.DismissRequest, body)
    await replay.dismiss(delivery_id, asked.reason, app, by=asked.by)
    return await _details(await query.find(app.stores.tables, delivery_id), app)


async def _receivers(
    rows: Sequence[DeliveryRow | TimelineRow], app: App
) -> Callable[[DeliveryRow | TimelineRow], dict[str, list[str]]]:
    """Look up who has not got these deliveries; return a function that names the receivers of one."""
    return partial(_named, titles=_titles(app), undelivered=await _undelivered(rows, app))


def _named(
    row: DeliveryRow | TimelineRow,
    titles: Callable[[Iterable[str]], list[str]],
    undelivered: Mapping[str, Collection[str]],
) -> dict[str, list[str]]:
    """Return who got a delivery and who did not, by their titles."""
    return {
        "sent_to": titles(row.queues),
        "undelivered": titles(name for name in row.queues if row.id in undelivered.get(name, ())),
        "withheld_from": titles(row.withheld),
    }


def _titles(app: App) -> Callable[[Iterable[str]], list[str]]:
    """Return the subscriptions, for the queues' titles; if they are wrong, queues are shown by name."""
    try:
        return app.subscriptions.titles
    except SubscriptionsError:
        return list


async def _refused_for(row: DeliveryRow, app: App) -> list[schemas.ProblemItem]:
    """Return why a delivery was quarantined, from the document beside its bytes."""
    try:
        found = await app.stores.blobs.get(ContainerName.QUARANTINE, paths.problem_path(row.event, row.id))
    except NotFound:
        return [schemas.ProblemItem(pointer="", message=row.error or "")]
    return [schemas.ProblemItem.model_validate(each) for each in json.loads(found)["errors"]]


async def _bytes(row: DeliveryRow, app: App) -> bytes:
    with _explaining_absence():
        return await app.stores.blobs.get(*_place(row, app))


def _place(row: DeliveryRow, app: App) -> BlobRef:
    """Return where the bytes are. Raises NothingKept, and NotPossible for too many."""
    place = query.kept(row)
    if row.size > app.settings.max_body_bytes:
        raise NotPossible(f"The body has {row.size:,} bytes, too many to show here. It is kept in {place}.")
    return place


@contextlib.contextmanager
def _explaining_absence() -> Iterator[None]:
    try:
        yield
    except NotFound as error:
        raise Missing(
            "The body is no longer kept: RETENTION_DAYS or the archive's lifecycle rules have removed it."
        ) from error


def _subject(kind: str, key: str) -> Subject:
    try:
        found = Kind(kind.lower())
    except ValueError:
        raise Missing(f"Unknown kind {kind[:60]!r}. The kinds are {', '.join(Kind)}.") from None
    # ASP.NET decodes a path, but leaves an encoded slash as it is
    return Subject(found, re.sub("%2f", "/", key, flags=re.IGNORECASE))
