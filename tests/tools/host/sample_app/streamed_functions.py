"""A small app with HTTP streams, by Microsoft's own extension, that the tests of the local host run."""

import asyncio
from collections.abc import AsyncIterator

import azure.functions as func
from azurefunctions.extensions.http.fastapi import JSONResponse, Request, Response, StreamingResponse
from starlette.requests import ClientDisconnect

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
cut_off: list[int] = []
may_end = asyncio.Event()


@app.route("echo/{first}/{second?}")
async def echo(req: Request) -> Response:
    size = 0
    try:
        async for chunk in req.stream():
            size += len(chunk)
    except ClientDisconnect:
        cut_off.append(size)
        raise
    answer = {
        "method": req.method,
        "path": req.url.path,
        "query": req.query_params.multi_items(),
        "route": req.path_params,
        "headers": req.headers.items(),
        "size": size,
    }
    response = JSONResponse(answer, 202)
    response.set_cookie("one", "1")
    response.set_cookie("two", "2")
    return response


@app.route("cut-off")
async def sizes(req: Request) -> Response:
    return JSONResponse(cut_off)


@app.route("early", methods=["POST"])
async def early(req: Request) -> Response:
    return Response(status_code=409)


@app.route("in-parts")
async def in_parts(req: Request) -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"first"
        await may_end.wait()
        yield b"last"

    return StreamingResponse(parts())


@app.route("end")
async def end(req: Request) -> Response:
    may_end.set()
    return Response()


@app.route("broken")
async def broken(req: Request) -> Response:
    raise LookupError(f"the detail of {req.method} that only the log may tell")


@app.route("slow")
async def slow(req: Request) -> Response:
    await asyncio.sleep(float(req.query_params["seconds"]))
    return Response("done")
