"""Puts the parts together: starts an app's listeners, reports when they are ready, and stops them gently."""

import asyncio
import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from tools.host.blobs import BlobPoller
from tools.host.faults import Faults, StorageLostError
from tools.host.http import HttpApp, HttpServer, bind
from tools.host.keys import Keys
from tools.host.queues import queue_trigger
from tools.host.runtime import Worker
from tools.host.settings import HostConfig, load_app_settings, load_host_config
from tools.host.timers import Timer

PORT_OPTION = "--port"
_log = logging.getLogger("host")


@dataclass(frozen=True, slots=True)
class Options:
    """Which app to run and how; `lease` and `grace` are seconds."""

    app: Path
    port: int
    state: Path
    """The folder of the host's own files: keys and the status of timers."""
    keys: bool = False
    """Whether callers of HTTP functions must show a key."""
    lease: float = 600
    """How long a message that was taken stays invisible should the host die: the platform's ten minutes."""
    grace: float = 10
    """How long running invocations may go on once the host is asked to stop."""
    stop_on_storage_faults: bool = False
    """Whether a storage fault that lasts ends the host, as it ends the genuine one."""
    ready_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Listening:
    """What runs once the host is ready."""

    url: str
    routes: tuple[str, ...]
    triggers: tuple[str, ...]
    keys: Keys | None


class Part(Protocol):
    """One listener of the host."""

    async def run(self) -> None:
        """Listen until stopped, then return once every invocation that it set off has ended."""

    def stop(self) -> None:
        """Take nothing new."""


async def run(options: Options, stop: asyncio.Event, ready: Callable[[Listening], None]) -> None:
    """Run an app until `stop` is set; call `ready` once everything listens.

    Raises HostError where the app cannot be run here.
    """
    app, state = options.app.resolve(), options.state.resolve()
    with contextlib.closing(bind(options.port, PORT_OPTION)) as listener:
        config = load_host_config(app)
        load_app_settings(app)
        # as Azure and Core Tools do: the app's own address
        os.environ.setdefault("WEBSITE_HOSTNAME", f"127.0.0.1:{listener.getsockname()[1]}")
        worker = await Worker.start(app, config.function_timeout)
        names = [function.name for function in worker.functions if function.kind == "httpTrigger"]
        keys = Keys.load(state / "keys.json", names) if options.keys else None
        faults = Faults(stop=options.stop_on_storage_faults)
        triggers = list(_triggers(worker, config, options, state, faults))
        blobs = _blobs(worker, config, options, state, faults)
        http = HttpApp(worker, config.route_prefix, keys, blobs.announce if blobs else None)
        server = HttpServer(http, listener, options.grace)
        parts: list[Part] = [server, *triggers]
        if blobs is not None:
            parts += [blobs.listener, blobs]
        tasks = [asyncio.create_task(part.run()) for part in parts]
        await asyncio.wait(
            [asyncio.create_task(server.started.wait()), *tasks], return_when=asyncio.FIRST_COMPLETED
        )
        listening = Listening(
            url=f"http://127.0.0.1:{options.port}",
            routes=tuple(str(route) for route in http.routes),
            triggers=tuple(f"{f.name} ({f.kind})" for f in worker.functions if f.kind != "httpTrigger"),
            keys=keys,
        )
        if options.ready_file is not None:
            _write_ready(options.ready_file, listening)
        ready(listening)
        await _until(stop, tasks)
        if not _is_lost(tasks):  # what is in work then ends with the host
            for part in parts:
                part.stop()
            _, cut_off = await asyncio.wait(tasks, timeout=options.grace)
            if cut_off:
                _log.warning("Cut off what was still running after %s s", options.grace)
        for task in tasks:
            task.cancel()
        # An app cannot close what it keeps open for its whole life: the worker does not notify it of its end.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome


def _triggers(
    worker: Worker, config: HostConfig, options: Options, state: Path, faults: Faults
) -> Iterator[Part]:
    for function in worker.functions:
        if function.kind == "queueTrigger":
            yield queue_trigger(worker, function, config.queues, options.lease, faults)
        elif function.kind == "timerTrigger":
            yield Timer(worker, function, state / "timers.json")


def _blobs(
    worker: Worker, config: HostConfig, options: Options, state: Path, faults: Faults
) -> BlobPoller | None:
    if not any(function.kind == "blobTrigger" for function in worker.functions):
        return None
    host_id, lock = _host_id(options.app.resolve()), state / "locks" / "blobs.lock"
    return BlobPoller(worker, config, host_id, options.lease, faults, lock)


async def _until(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Wait for the order to stop, or for a part that ended of itself, which is a fault of this host."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()


def _is_lost(tasks: list[asyncio.Task[None]]) -> bool:
    return any(task.done() and isinstance(task.exception(), StorageLostError) for task in tasks)


def _host_id(app: Path) -> str:
    """Return what distinguishes this app's receipts and queues from another's in the same storage account."""
    return hashlib.sha256(str(app).encode()).hexdigest()[:16]


def _write_ready(path: Path, listening: Listening) -> None:
    """Write the file in one step, so that a reader finds all of it or nothing."""
    half = path.with_suffix(".part")
    half.write_text(json.dumps(asdict(listening) | {"pid": os.getpid()}), "utf-8")
    half.replace(path)
