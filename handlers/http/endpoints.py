"""The JSON API: read the ledger, ask for replays. Each function answers one route, and raises nothing.

All of them ask for a key. A *function key* opens one function alone: the key of the webhook, which printIQ
holds, opens nothing here. People and programs get a *host key* each, with a name.
"""

import asyncio
import functools
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ValidationError

from events import Delivery, EventError, Kind, Problem, Subject, timestamp
from events.errors import pointer
from handlers import paths
from handlers.app import App
from handlers.errors import (
    BadCursor,
    NotFound,
    NothingKept,
    NotReplayable,
    StorageFault,
    SubscriptionsError,
    UnknownDelivery,
)
from handlers.http import schemas
from handlers.ids import time_of
from handlers.ledger import query, stats
from handlers.ledger.query import Filter, quoted
from handlers.ledger.write import Status
from handlers.operations import replay
from handlers.operations.backlog import backlogs
from handlers.pipeline.parsing import parse_delivery
from handlers.problems import ProblemDetails, in_plain_words
from handlers.responses import Answer, attachment, document, problem
from handlers.stores import ContainerName, Row, TableName, table_key

_RETRY_AFTER = 30
_SUBJECTS_OF_A_KIND = 10


class BadRequest(Exception):
    """Say what is wrong with what was asked."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(problems[0].message)
        self.problems = problems


class Missing(Exception):
    """Say that what was asked for is not there, and why."""


class TooLargeToShow(Exception):
    """Say that bytes are more than the app holds at once, and where they lie."""


_REFUSALS: Mapping[type[Exception], tuple[int, str]] = {
    BadCursor: (400, "Bad request"),
    UnknownDelivery: (404, "Unknown delivery"),
    Missing: (404, "Not found"),
    NothingKept: (404, "Not found"),
    TooLargeToShow: (409, "Not possible"),
    NotReplayable: (409, "Not possible"),
    SubscriptionsError: (409, "Not possible"),
}


def _answers[**P](handler: Callable[P, Awaitable[Answer]]) -> Callable[P, Awaitable[Answer]]:
    """Turn what a handler raises into problem documents."""

    @functools.wraps(handler)
    async def answered(*args: P.args, **kwargs: P.kwargs) -> Answer:
        try:
            return await handler(*args, **kwargs)
        except BadRequest as error:
            return problem(ProblemDetails(status=400, title="Bad request", errors=error.problems))
        except tuple(_REFUSALS) as error:
            status, title = _REFUSALS[type(error)]
            refusal = ProblemDetails(status=status, title=title, errors=(Problem("", str(error)),))
            return problem(refusal)
        except StorageFault:
            trouble = Problem("", "Storage does not answer. Ask again later.")
            refusal = ProblemDetails(status=503, title="Storage unavailable", errors=(trouble,))
            return problem(refusal, retry_after=_RETRY_AFTER)

    return answered


@_answers
async def deliveries(params: Mapping[str, str], app: App) -> Answer:
    """Answer a page of the ledger."""
    asked = _asked(schemas.Listing, params)
    found = await query.page(app.stores.tables, asked.filter(), size=asked.size, cursor=asked.cursor)
    return document(200, schemas.Page(deliveries=_shown(found.rows), cursor=found.cursor).document())


@_answers
async def delivery(delivery_id: str, app: App) -> Answer:
    """Answer all that is known of a delivery."""
    row = await query.find(app.stores.tables, delivery_id)
    errors = await _refused_for(row, app) if row["status"] == Status.QUARANTINED else []
    return document(200, schemas.Detail.model_validate({**row, "errors": errors}).document())


@_answers
async def raw(delivery_id: str, app: App) -> Answer:
    """Answer the bytes of a delivery, as they came."""
    row = await query.find(app.stores.tables, delivery_id)
    place = query.kept(row)
    # Whatever they are called, it is not vouched for: UTF-16 is no application/json, half an object neither.
    name = f"{row['event']}-{row['id']}.{place.name.rpartition('.')[2]}"
    return attachment(await _bytes(row, app), "application/octet-stream", name)


@_answers
async def data(delivery_id: str, app: App) -> Answer:
    """Answer the payload of a delivery in normal form, as the models read it today."""
    row = await query.find(app.stores.tables, delivery_id)
    if row["status"] == Status.QUARANTINED:
        raise Missing(f"There is no data: the delivery could not be read. {row.get('error', '')}".rstrip())
    came = Delivery(
        id=row["id"],
        event=row["event"],
        body=await _bytes(row, app),
        channel=row["channel"],
        received_at=time_of(row["id"]),
    )
    try:
        event = await parse_delivery(came, app.settings)
    except EventError as error:
        raise Missing(f"There is no data: the delivery cannot be read. {error.message}") from error
    return attachment(event.data, "application/json", f"{row['event']}-{row['id']}.data.json")


@_answers
async def subject(kind: str, key: str, params: Mapping[str, str], app: App) -> Answer:
    """Answer the timeline of a subject, and its latest record on the first page."""
    asked = _asked(schemas.Paging, params)
    about = _subject(kind, key)
    tables = app.stores.tables
    found = await query.page(
        tables, Filter(kind=about.kind, subject=about.key), size=asked.size, cursor=asked.cursor
    )
    latest = await _latest(about, app) if asked.cursor is None else None
    if asked.cursor is None and latest is None and not found.rows:
        raise Missing(
            f"Nothing that was understood is about {about.kind} {about.key!r}. Keys are matched exactly as "
            "printIQ writes them. What was refused or still waits is not found by its key: "
            "GET /api/deliveries?open=true lists what was refused."
        )
    timeline = schemas.Timeline(
        kind=about.kind, key=about.key, latest=latest, deliveries=_shown(found.rows), cursor=found.cursor
    )
    return document(200, timeline.document())


@_answers
async def subjects(params: Mapping[str, str], app: App) -> Answer:
    """Answer which subjects begin with a text: a range of `records` for each kind, ten rows at most."""
    prefix = table_key(_asked(schemas.Prefix, params).prefix)
    found = await asyncio.gather(*(_beginning(kind, prefix, app) for kind in Kind))
    return document(200, schemas.Subjects(subjects=[each for some in found for each in some]).document())


async def _beginning(kind: Kind, prefix: str, app: App) -> list[schemas.Known]:
    # U+FFFF sorts behind every character
    condition = (
        f"PartitionKey eq '{kind}' and RowKey ge {quoted(prefix)} and RowKey lt {quoted(prefix + '\uffff')}"
    )
    rows, _ = await app.stores.tables.page(
        TableName.RECORDS,
        condition,
        size=_SUBJECTS_OF_A_KIND,
        columns=["subject", "event", "receivedAt"],
    )
    return [schemas.Known.model_validate({**row, "kind": kind, "key": row["subject"]}) for row in rows]


@_answers
async def statistics(params: Mapping[str, str], app: App) -> Answer:
    """Answer counts of what was received, and how full the queues are."""
    asked = _asked(schemas.Period, params)
    start, end = _period(asked)
    bars, (waiting, more), queues = await asyncio.gather(
        app.stats.count(start, end, asked.per), app.stats.count_open(), _queues(app)
    )
    first = next(iter(bars), start)
    shown = schemas.Stats(
        from_=timestamp(start),
        to=timestamp(end),
        per=asked.per,
        buckets=[
            schemas.Bucket(
                start=timestamp(each),
                counts=[
                    schemas.Count(event=event, status=Status(status), count=number)
                    for (event, status), number in sorted(counts.items())
                ],
            )
            for each, counts in bars.items()
        ],
        counted_from=timestamp(first) if first > start else None,
        open=schemas.Open(count=waiting, more=more),
        queues=queues,
    )
    return document(200, shown.document())


def _period(asked: schemas.Period) -> tuple[datetime, datetime]:
    """Return whole hours or days around what was asked for, the last 24 hours by default."""
    width = stats.WIDTHS[asked.per]
    end = asked.to or datetime.now(UTC)
    last = stats.floor(end, asked.per)
    if last < end:
        last += width
    return stats.floor(asked.from_ or last - timedelta(days=1), asked.per), last


async def _queues(app: App) -> list[schemas.Queue]:
    return [
        schemas.Queue.model_validate(
            {
                "name": each.queue,
                "role": each.role,
                "messages": each.messages,
                "oldestSeconds": each.oldest_seconds,
            }
        )
        for each in await backlogs(app)
    ]


@_answers
async def drifted(app: App) -> Answer:
    """Answer where what printIQ sends differs from the models: some thirty rows in all."""
    return document(200, await app.drift.report())


@_answers
async def replay_one(delivery_id: str, body: bytes, app: App) -> Answer:
    """Send a delivery through again, or tell whether that could be done."""
    asked = _told(schemas.Again, body)
    wish = replay.Wish(asked.as_, asked.queues)
    if asked.dry_run:
        event = await replay.check(delivery_id, app, wish)
        return document(200, schemas.Replayable(replay_of=delivery_id, event=event).document())
    done = await replay.replay(delivery_id, app, wish)
    return document(202, schemas.Replayed.model_validate(done._asdict()).document())


@_answers
async def replay_many(body: bytes, app: App) -> Answer:
    """Send all that a filter selects through again, or count them."""
    asked = _told(schemas.ManyAgain, body)
    done = await replay.replay_many(
        asked.filter.filter(),
        app,
        replay.Wish(asked.as_, asked.queues),
        dry_run=asked.dry_run,
        limit=asked.limit,
        cursor=asked.cursor,
    )
    shown = schemas.ManyReplayed(
        matched=done.matched,
        replayed=[schemas.Replayed.model_validate(each._asdict()) for each in done.replayed],
        skipped=done.skipped,
        cursor=done.cursor,
    )
    return document(200 if asked.dry_run else 202, shown.document())


@_answers
async def dismiss(delivery_id: str, body: bytes, app: App) -> Answer:
    """Say that nothing more is to be done about a delivery; answer what is known of it then."""
    await replay.dismiss(delivery_id, _told(schemas.Dismissal, body).reason, app)
    return await delivery(delivery_id, app)


def _asked[M: BaseModel](model: type[M], params: Mapping[str, str]) -> M:
    """Read a query string; `code` in it is the platform's way to show a key. Raises BadRequest."""
    named = {name: value for name, value in params.items() if name != "code"}
    try:
        return model.model_validate_strings(named)
    except ValidationError as error:
        raise BadRequest(*(Problem("", in_plain_words(each)) for each in error.errors())) from error


def _told[M: BaseModel](model: type[M], body: bytes) -> M:
    """Read a body of JSON; none is an empty object. Raises BadRequest."""
    try:
        return model.model_validate_json(body or b"{}", strict=True)
    except ValidationError as error:
        raise BadRequest(
            *(Problem(pointer(each["loc"]), in_plain_words(each)) for each in error.errors())
        ) from error


def _shown(rows: Iterable[Row]) -> list[schemas.Delivery]:
    return [schemas.Delivery.model_validate(row) for row in rows]


async def _refused_for(row: Row, app: App) -> list[Any]:
    """Return what a quarantined delivery was refused for, from the document beside its bytes."""
    try:
        found = await app.stores.blobs.get(
            ContainerName.QUARANTINE, paths.problem_path(row["event"], row["id"])
        )
    except NotFound:
        return [{"pointer": "", "message": row.get("error", "")}]
    errors: list[Any] = json.loads(found)["errors"]
    return errors


async def _bytes(row: Row, app: App) -> bytes:
    place = query.kept(row)
    if row["size"] > app.settings.max_body_bytes:
        raise TooLargeToShow(f"It has {row['size']:,} bytes, too many to show here. They lie in {place}.")
    try:
        return await app.stores.blobs.get(*place)
    except NotFound as error:
        raise Missing(
            "Its bytes are gone: they are kept for as long as RETENTION_DAYS and the archive's lifecycle say."
        ) from error


def _subject(kind: str, key: str) -> Subject:
    try:
        found = Kind(kind.lower())
    except ValueError:
        raise Missing(f"There is no kind {kind[:60]!r}. The kinds are {', '.join(Kind)}.") from None
    # ASP.NET decodes a path, but leaves an encoded slash as it is
    return Subject(found, re.sub("%2f", "/", key, flags=re.IGNORECASE))


async def _latest(about: Subject, app: App) -> schemas.Record | None:
    try:
        row = await app.stores.tables.get(TableName.RECORDS, about.kind, table_key(about.key))
    except NotFound:
        return None
    return schemas.Record.of(row)
