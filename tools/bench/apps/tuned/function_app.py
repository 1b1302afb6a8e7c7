"""The least that takes a body into a queue, with the SDK's best options."""

import os

import azure.functions as func
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.queue.aio import QueueClient

from handlers.http.server import HttpRequest, HttpResponse

app = func.FunctionApp()
queue = QueueClient.from_connection_string(
    os.environ["AzureWebJobsStorage"], "tuned", transport=AioHttpTransport(use_env_settings=False)
)


@app.route(route="webhooks/{event}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def webhook(req: HttpRequest) -> HttpResponse:
    await queue.send_message((await req.body()).decode())
    return HttpResponse(status_code=202)
