"""The least that takes a body into a queue without an SDK: the request is signed by hand."""

import base64
import hmac
import os
from email.utils import formatdate
from xml.sax.saxutils import escape

import aiohttp
import azure.functions as func

from handlers.http.server import HttpRequest, HttpResponse

app = func.FunctionApp()
_PARTS = dict(part.split("=", 1) for part in os.environ["AzureWebJobsStorage"].rstrip(";").split(";"))
_ACCOUNT, _KEY = _PARTS["AccountName"], base64.b64decode(_PARTS["AccountKey"])
_PATH = "/signed/messages"
_sessions: list[aiohttp.ClientSession] = []


@app.route(route="webhooks/{event}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def webhook(req: HttpRequest) -> HttpResponse:
    if not _sessions:
        _sessions.append(aiohttp.ClientSession())
    text = escape((await req.body()).decode())
    body = f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>".encode()
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
    signed = "\n".join(
        [
            *("POST", "", "", str(len(body)), "", "application/xml", "", "", "", "", "", ""),
            *(f"{name}:{value}" for name, value in headers.items()),
            f"/{_ACCOUNT}/{_ACCOUNT}{_PATH}",
        ]
    )
    signature = base64.b64encode(hmac.digest(_KEY, signed.encode(), "sha256")).decode()
    headers |= {"Authorization": f"SharedKey {_ACCOUNT}:{signature}", "Content-Type": "application/xml"}
    async with _sessions[0].post(_PARTS["QueueEndpoint"] + _PATH, data=body, headers=headers) as answer:
        answer.raise_for_status()
    return HttpResponse(status_code=202)
