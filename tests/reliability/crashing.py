"""Runs a step of the app in a process of its own and ends that process at a chosen storage call.

The process is a fork, which ends with `os._exit` as if killed: nothing is cleaned up, nothing said. "Before"
a call is a crash in which the call was never sent, "after" one in which storage has done it and nobody heard.
"""

import asyncio
import os
import sys
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple

from azure.core.pipeline.transport import AioHttpTransport

from handlers.app import App
from handlers.settings import Settings
from handlers.timings import Timings

type Step = Callable[[App], Awaitable[object]]
type Moment = Literal["before", "after"]

# What is requeued for later becomes visible at once.
AT_ONCE = Timings(settle=0, first_delay=0, longest_delay=0)
_MOMENTS: tuple[Moment, ...] = ("before", "after")
_CRASHED = 77


class Crash(NamedTuple):
    """The storage call, counted from 0, before or after which the process ends."""

    call: int
    moment: Moment


def calls_of(step: Step, settings: Settings) -> list[str]:
    """Run a step to its end and return its storage calls, as `METHOD /path`."""
    ended, calls = _run(step, settings, None)
    assert ended == 0, f"the step failed after {calls}"
    return calls


def crash(step: Step, settings: Settings, at: Crash) -> bool:
    """Run a step; return whether it crashed."""
    ended, calls = _run(step, settings, at)
    assert ended in {0, _CRASHED}, f"the step failed after {calls}"
    return ended == _CRASHED


def crashes_of(calls: list[str]) -> list[Crash]:
    """Return every crash there is: before and after each call that changes something, after the others."""
    return [
        Crash(number, moment)
        for number, call in enumerate(calls)
        for moment in (_MOMENTS[1:] if call.startswith(("GET", "HEAD")) else _MOMENTS)
    ]


def _run(step: Step, settings: Settings, at: Crash | None) -> tuple[int, list[str]]:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _child(step, settings, at, writing)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        calls = pipe.read().splitlines()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), calls


def _child(step: Step, settings: Settings, at: Crash | None, writing: int) -> None:
    send = AioHttpTransport.send
    count = 0

    async def crashing(self: AioHttpTransport, request: Any, **options: Any) -> Any:
        nonlocal count
        number, count = count, count + 1
        os.write(writing, f"{request.method} {request.url.split('?')[0].split('/', 3)[3]}\n".encode())
        if at == Crash(number, "before"):
            os._exit(_CRASHED)
        response = await send(self, request, **options)
        if at == Crash(number, "after"):
            os._exit(_CRASHED)
        return response

    AioHttpTransport.send = crashing

    async def run() -> None:
        app = App.start(settings, AT_ONCE)
        try:
            await step(app)
        finally:
            await app.close()

    try:
        asyncio.run(run())
    except BaseException:  # noqa: BLE001 - the fork must end here, whatever happens
        traceback.print_exc(file=sys.stderr)
        os._exit(1)
    os._exit(0)
