"""A small app that the tests of the local host run: it writes down what it was given in the queue `seen`."""

import asyncio
import contextlib
import json
import os
from datetime import UTC, datetime
from typing import Any

import azure.functions as func
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue.aio import QueueClient

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
STORAGE = "AzureWebJobsStorage"


async def _note(**what: Any) -> None:
    async with QueueClient.from_connection_string(os.environ[STORAGE], "seen") as queue:
        with contextlib.suppress(ResourceExistsError):
            await queue.create_queue()
        await queue.send_message(json.dumps(what))


@app.route("echo/{first}/{second?}", methods=["POST"])
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    answer = {
        "method": req.method,
        "url": req.url,
        "route": dict(req.route_params),
        "query": dict(req.params),
        "headers": dict(req.headers),
        "body": req.get_body().decode(),
    }
    return func.HttpResponse(
        json.dumps(answer), status_code=202, mimetype="application/json", headers={"X-Sample": "1"}
    )


@app.route("echo/{first}/fixed", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def registered_first(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"first of {req.route_params}")


@app.route("echo/{*rest}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def registered_second(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.route_params.get("rest", "nothing"))


@app.route("admin-only", auth_level=func.AuthLevel.ADMIN)
async def admin_only(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"opened by {req.method}", headers={"Set-Cookie": "seen=1; Path=/api; HttpOnly"})


@app.route("broken", auth_level=func.AuthLevel.ANONYMOUS)
def broken(req: func.HttpRequest) -> func.HttpResponse:
    raise LookupError(f"the detail of {req.method} that only the log may tell")


@app.route("slow", auth_level=func.AuthLevel.ANONYMOUS)
async def slow(req: func.HttpRequest) -> func.HttpResponse:
    await asyncio.sleep(float(req.params["seconds"]))
    return func.HttpResponse("done")


@app.queue_trigger("message", queue_name="work", connection=STORAGE)
async def work(message: func.QueueMessage) -> None:
    text = message.get_body().decode()
    await _note(
        by="work", text=text, id=message.id, tries=message.dequeue_count, expires=str(message.expiration_time)
    )
    if "fail" in text:
        raise ValueError("asked to fail")
    if text.startswith("sleep "):
        await asyncio.sleep(float(text.removeprefix("sleep ")))


@app.queue_trigger("message", queue_name="work-poison", connection=STORAGE)
async def work_poison(message: func.QueueMessage) -> None:
    text = message.get_body().decode()
    expires, inserted = str(message.expiration_time), str(message.insertion_time)
    await _note(by="work_poison", text=text, tries=message.dequeue_count, expires=expires, inserted=inserted)
    if "for ever" in text:
        raise ValueError("asked to fail")


@app.blob_trigger(
    "blob",
    path="drops/{folder}/{file}.txt",
    connection="DROPS",
    source=func.BlobSource(os.environ.get("DROPS_SOURCE", "LogsAndContainerScan")),
)
async def drop(blob: func.InputStream) -> None:
    text = blob.read().decode()
    await _note(by="drop", name=blob.name, text=text, length=blob.length)
    if "fail" in text:
        raise ValueError("asked to fail")
    if text.startswith("sleep "):
        await asyncio.sleep(float(text.removeprefix("sleep ")))


@app.timer_trigger("timer", schedule="%TICK%", run_on_startup=False)
async def tick(timer: func.TimerRequest) -> None:
    at = {"at": datetime.now(UTC).isoformat()} if "TICK_SECONDS" in os.environ else {}
    await _note(by="tick", past_due=timer.past_due, **at)
    await asyncio.sleep(float(os.environ.get("TICK_SECONDS", "0")))
