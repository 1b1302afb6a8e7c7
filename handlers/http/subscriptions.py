"""The routes of subscriptions: their state, and what an operator can do with one."""

from collections.abc import Mapping

from handlers.app import App
from handlers.http import schemas
from handlers.http.reading import from_body, from_query
from handlers.ledger import sends
from handlers.operations import control
from handlers.responses import Response, document


async def subscriptions(app: App) -> Response:
    """Return every subscription and how it fares."""
    found = [schemas.Subscription.model_validate(_members(each)) for each in await control.states(app)]
    return document(200, schemas.SubscriptionList(subscriptions=found).document())


async def subscription(name: str, params: Mapping[str, str], app: App) -> Response:
    """Return a subscription with a page of what became of its deliveries."""
    asked = from_query(schemas.SubscriptionQuery, params)
    state = await control.state(name, app)
    page = await sends.page(app.stores.tables, name, size=asked.limit, state=asked.state, cursor=asked.cursor)
    listed = [schemas.Send.of(row) for row in page.rows]
    detail = schemas.SubscriptionDetail.model_validate(
        {**_members(state), "sends": listed, "cursor": page.cursor}
    )
    return document(200, detail.document())


async def pause(name: str, body: bytes, app: App) -> Response:
    """Pause a subscription and return its state."""
    asked = from_body(schemas.PauseRequest, body)
    await control.pause(name, asked.reason, app, by=asked.by)
    return await _state(name, app)


async def resume(name: str, body: bytes, app: App) -> Response:
    """Resume a subscription and return its state."""
    await control.resume(name, app, by=from_body(schemas.ResumeRequest, body).by)
    return await _state(name, app)


async def test(name: str, app: App) -> Response:
    """Send a test event to a subscription."""
    return document(202, schemas.TestSent(id=await control.test(name, app)).document())


async def replay(name: str, body: bytes, app: App) -> Response:
    """Replay what a subscription missed, or count it."""
    asked = from_body(schemas.MissedRequest, body)
    done = await control.replay_missed(name, app, by=asked.by, dry_run=asked.dry_run, limit=asked.limit)
    result = schemas.MissedReplayed.model_validate(done._asdict())
    return document(200 if asked.dry_run else 202, result.document())


async def _state(name: str, app: App) -> Response:
    found = schemas.Subscription.model_validate(_members(await control.state(name, app)))
    return document(200, found.document())


def _members(state: control.State) -> dict[str, object]:
    """Return the members of a subscription in a response."""
    of = state.subscription
    return {
        **state._asdict(),
        "name": of.name,
        "kind": of.kind,
        "title": of.title,
        "events": list(of.events),
        "duplicates": of.duplicates,
        "paused": state.pause is not None,
        "pause": state.pause and schemas.Pause.of(state.pause),
    }
