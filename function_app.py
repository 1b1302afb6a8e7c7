"""The triggers: the only file that imports Azure Functions. Each calls a handler.

The HTTP functions are registered from the table in handlers/http/routes.py.
"""

import logging
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

# pydantic would look for plugins in every installed package: a good part of a cold start
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

import azure.functions as func
from azure.functions import BlobSource

from handlers.app import App
from handlers.channels.blob_reference import BlobReference
from handlers.http.routes import ROUTES
from handlers.http.routing import Route, respond
from handlers.later import later
from handlers.responses import Handle, Request, Response
from handlers.settings import settings
from handlers.stores import INBOX_QUEUE, PUSH_QUEUE
from handlers.work import Message

# A webhook's cold start does not wait for what the inbox, files and timers need.
if TYPE_CHECKING:
    from handlers.channels import hot_folder as drops
    from handlers.channels.ftp import poll
    from handlers.operations import maintenance, retention
    from handlers.pipeline import process as inbox_work
    from handlers.pipeline import push as push_work
else:
    drops = later("handlers.channels.hot_folder")
    poll = later("handlers.channels.ftp.poll")
    maintenance = later("handlers.operations.maintenance")
    retention = later("handlers.operations.retention")
    inbox_work = later("handlers.pipeline.process")
    push_work = later("handlers.pipeline.push")

# the SDK logs every request at INFO
logging.getLogger("azure").setLevel(logging.WARNING)

app = func.FunctionApp()


@cache
def services() -> App:
    return App.start(settings())


def _whole(handle: Handle) -> Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]:
    """Return the HTTP function without streams: the host reads the body, if it has a Content-Length."""

    async def function(req: func.HttpRequest) -> func.HttpResponse:
        response = await handle(Request(req.route_params, req.params, req.headers, req.get_body()))
        return func.HttpResponse(
            response.body,
            status_code=response.status,
            headers=dict(response.headers),
            mimetype=response.content_type,
        )

    return function


_function: Callable[[Handle], Callable[..., Awaitable[object]]] = _whole
if settings().http_streams:
    from handlers.http.streams import streamed as _function


def _register(route: Route) -> None:
    async def handle(request: Request) -> Response:
        return await respond(route.handler(request, services()))

    level = func.AuthLevel.ANONYMOUS if route.anonymous else func.AuthLevel.FUNCTION
    serve = app.route(route=route.path, methods=[route.method], auth_level=level)
    app.function_name(route.name)(serve(_function(handle)))


for _route in ROUTES:
    _register(_route)


@app.function_name("hot_folder")
@app.blob_trigger(
    arg_name="blob",
    path="hot-folder/{name}",
    connection="HOT_FOLDER",
    source=BlobSource(settings().hot_folder_source),
)
async def hot_folder(blob: BlobReference) -> None:
    await drops.take(blob.name, services())


@app.function_name("sweep_hot_folder")
@app.timer_trigger(arg_name="timer", schedule="0 * * * * *")
async def sweep_hot_folder(timer: func.TimerRequest) -> None:
    await drops.sweep(services())


@app.function_name("poll_ftp")
@app.timer_trigger(arg_name="timer", schedule=settings().ftp_schedule)
async def poll_ftp(timer: func.TimerRequest) -> None:
    await poll.poll(services())


@app.function_name("inbox")
@app.queue_trigger(arg_name="message", queue_name=INBOX_QUEUE, connection="AzureWebJobsStorage")
async def inbox(message: func.QueueMessage) -> None:
    await inbox_work.process(_message(message), services())


@app.function_name("push")
@app.queue_trigger(arg_name="message", queue_name=PUSH_QUEUE, connection="AzureWebJobsStorage")
async def push(message: func.QueueMessage) -> None:
    await push_work.push(_message(message), services())


@app.function_name("heartbeat")
@app.timer_trigger(arg_name="timer", schedule="0 */5 * * * *")
async def heartbeat(timer: func.TimerRequest) -> None:
    await maintenance.maintain(services())


@app.function_name("retention")
@app.timer_trigger(arg_name="timer", schedule="0 */10 * * * *")
async def retain(timer: func.TimerRequest) -> None:
    await retention.retain(services())


def _message(message: func.QueueMessage) -> Message:
    inserted = message.insertion_time or datetime.now(UTC)
    text = message.get_body().decode("utf-8", "replace")
    return Message(message.id or "", inserted, text, message.dequeue_count or 1)
