"""The triggers: the only file that knows Azure Functions. Each hands on to a handler."""

import logging
from datetime import UTC, datetime
from functools import cache

import azure.functions as func
from azure.functions import BlobSource

from handlers.app import App
from handlers.channels import hot_folder as drops
from handlers.channels.ftp import poll
from handlers.channels.webhook import webhook as receive_webhook
from handlers.http import console as console_
from handlers.http import endpoints
from handlers.http import health as health_
from handlers.http import openapi as openapi_
from handlers.operations.maintenance import beat
from handlers.operations.retention import retain
from handlers.pipeline.process import bring_back, process
from handlers.responses import Answer
from handlers.settings import settings
from handlers.stores import INBOX_POISON_QUEUE, INBOX_QUEUE
from handlers.work import Message

# the SDK logs every request at this level
logging.getLogger("azure").setLevel(logging.WARNING)

app = func.FunctionApp()


@cache
def the_app() -> App:
    return App.start(settings())


@app.function_name("webhook")
@app.route(route="webhooks/{event}", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def webhook(req: func.HttpRequest) -> func.HttpResponse:
    return _response(await receive_webhook(req.route_params["event"], req.get_body(), req.headers, the_app()))


@app.function_name("health")
@app.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def health(req: func.HttpRequest) -> func.HttpResponse:
    return _response(await health_.health(the_app()))


@app.function_name("deliveries")
@app.route(route="deliveries", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def deliveries(req: func.HttpRequest) -> func.HttpResponse:
    return _response(await endpoints.deliveries(req.params, the_app()))


@app.function_name("delivery")
@app.route(route="deliveries/{id}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def delivery(req: func.HttpRequest) -> func.HttpResponse:
    return _response(await endpoints.delivery(req.route_params["id"], the_app()))


@app.function_name("raw")
@app.route(route="deliveries/{id}/raw", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def raw(req: func.HttpRequest) -> func.HttpResponse:
    return _response(await endpoints.raw(req.route_params["id"], the_app()))


@app.function_name("data")
@app.route(route="deliveries/{id}/data", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def data(req: func.HttpRequest) -> func.HttpResponse:
    return _response(await endpoints.data(req.route_params["id"], the_app()))


@app.function_name("replay")
@app.route(route="deliveries/{id}/replay", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def replay(req: func.HttpRequest) -> func.HttpResponse:
    return _response(await endpoints.replay_one(req.route_params["id"], req.get_body(), the_app()))


@app.function_name("dismiss")
@app.route(route="deliveries/{id}/dismiss", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def dismiss(req: func.HttpRequest) -> func.HttpResponse:
    return _response(await endpoints.dismiss(req.route_params["id"], req.get_body(), the_app()))


@app.function_name("replays")
@app.route(route="replays", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def replays(req: func.HttpRequest) -> func.HttpResponse:
    return _response(await endpoints.replay_many(req.get_body(), the_app()))


@app.function_name("subjects")
@app.route(route="subjects", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def subjects(req: func.HttpRequest) -> func.HttpResponse:
    return _response(await endpoints.subjects(req.params, the_app()))


@app.function_name("subject")
@app.route(route="subjects/{kind}/{*key}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def subject(req: func.HttpRequest) -> func.HttpResponse:
    kind, key = req.route_params["kind"], req.route_params.get("key", "")
    return _response(await endpoints.subject(kind, key, req.params, the_app()))


@app.function_name("stats")
@app.route(route="stats", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def stats(req: func.HttpRequest) -> func.HttpResponse:
    return _response(await endpoints.statistics(req.params, the_app()))


@app.function_name("drift")
@app.route(route="drift", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def drift(req: func.HttpRequest) -> func.HttpResponse:
    return _response(await endpoints.drifted(the_app()))


@app.function_name("schemas")
@app.route(route="schemas", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def schemas(req: func.HttpRequest) -> func.HttpResponse:
    return _response(await openapi_.event_schemas(the_app()))


@app.function_name("schema")
@app.route(route="schemas/{event}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def schema(req: func.HttpRequest) -> func.HttpResponse:
    return _response(await openapi_.event_schema(req.route_params["event"], the_app()))


@app.function_name("openapi")
@app.route(route="openapi.json", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def openapi(req: func.HttpRequest) -> func.HttpResponse:
    return _response(await openapi_.openapi(the_app()))


@app.function_name("console")
@app.route(route="console/{file?}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def console(req: func.HttpRequest) -> func.HttpResponse:
    return _response(console_.console(req.route_params.get("file"), req.headers.get("If-None-Match")))


@app.function_name("hot_folder")
@app.blob_trigger(
    arg_name="blob",
    path="hot-folder/{name}",
    connection="HOT_FOLDER",
    source=BlobSource(settings().hot_folder_source),
)
async def hot_folder(blob: func.InputStream) -> None:
    await drops.take((blob.name or "").removeprefix("hot-folder/"), the_app())


@app.function_name("sweep_hot_folder")
@app.timer_trigger(arg_name="timer", schedule="0 * * * * *", use_monitor=False)
async def sweep_hot_folder(timer: func.TimerRequest) -> None:
    await drops.sweep(the_app())


@app.function_name("poll_ftp")
@app.timer_trigger(arg_name="timer", schedule=settings().ftp_schedule, use_monitor=False)
async def poll_ftp(timer: func.TimerRequest) -> None:
    await poll.poll(the_app())


@app.function_name("inbox")
@app.queue_trigger(arg_name="message", queue_name=INBOX_QUEUE, connection="AzureWebJobsStorage")
async def inbox(message: func.QueueMessage) -> None:
    await process(_message(message), the_app())


@app.function_name("inbox_poison")
@app.queue_trigger(arg_name="message", queue_name=INBOX_POISON_QUEUE, connection="AzureWebJobsStorage")
async def inbox_poison(message: func.QueueMessage) -> None:
    await bring_back(_message(message), the_app())


@app.function_name("heartbeat")
@app.timer_trigger(arg_name="timer", schedule="0 */5 * * * *", use_monitor=False)
async def heartbeat(timer: func.TimerRequest) -> None:
    await beat(the_app())


@app.function_name("retention")
@app.timer_trigger(arg_name="timer", schedule="0 */10 * * * *")
async def retention(timer: func.TimerRequest) -> None:
    await retain(the_app())


def _message(message: func.QueueMessage) -> Message:
    inserted = message.insertion_time or datetime.now(UTC)
    return Message(message.id or "", inserted, message.get_body().decode("utf-8", "replace"))


def _response(answer: Answer) -> func.HttpResponse:
    return func.HttpResponse(
        answer.body, status_code=answer.status, headers=dict(answer.headers), mimetype=answer.content_type
    )
