"""Drives Microsoft's azure-functions-runtime in this process: indexes an app and invokes its functions.

The library is what the Python worker in Azure runs. There it talks protobuf with the .NET host; here the few
message types that it names are plain objects. It keeps its state in module globals: a process hosts one app.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as worker

from tools.host.errors import HostError
from tools.host.settings import is_disabled

TRIGGERS = frozenset({"httpTrigger", "queueTrigger", "blobTrigger", "timerTrigger"})
_log = logging.getLogger("host")


class TypedData:
    """One value under the name of its kind: `TypedData(string="a")`; no argument means no value."""

    def __init__(self, **one_of: Any) -> None:
        self._kind = next(iter(one_of), None)
        self.__dict__.update(one_of)

    def WhichOneof(self, _group: str) -> str | None:
        return self._kind


class _StatusResult(SimpleNamespace):
    Failure, Success = 0, 1


class _BindingInfo(SimpleNamespace):
    undefined, out, inout = 0, 1, 2


class _RpcHttpCookie(SimpleNamespace):
    SameSite = SimpleNamespace(**{"None": None, "Lax": "lax", "Strict": "strict", "ExplicitNone": "none"})


_PROTOS = SimpleNamespace(
    **dict.fromkeys(
        (
            *("WorkerInitResponse", "WorkerMetadata", "FunctionMetadataResponse", "FunctionLoadResponse"),
            *(
                "RpcFunctionMetadata",
                "RpcRetryOptions",
                "InvocationResponse",
                "ParameterBinding",
                "RpcException",
            ),
            *(
                "RpcHttp",
                "NullableString",
                "NullableBool",
                "NullableDouble",
                "NullableTimestamp",
                "Timestamp",
            ),
        ),
        SimpleNamespace,
    ),
    StatusResult=_StatusResult,
    BindingInfo=_BindingInfo,
    RpcHttpCookie=_RpcHttpCookie,
    TypedData=TypedData,
)


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the app; `trigger` is its trigger binding as in function.json."""

    id: str
    name: str
    trigger: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.trigger["type"])


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of an invocation; `value` is what the function returned, None where it returned nothing."""

    succeeded: bool
    value: TypedData | None = None
    lost: bool = False
    """Whether it was cut off: this function, or another one in the worker, ran into functionTimeout."""


class Worker:
    """An indexed function app, whose functions it invokes; make one with `Worker.start`."""

    def __init__(
        self, functions: tuple[Function, ...], timeout: timedelta | None, http_uri: str | None
    ) -> None:
        self.functions = functions
        self.http_uri = http_uri
        """The address of the worker's own web server, where the app uses HTTP streams."""
        self._timeout = timeout.total_seconds() if timeout else None
        self._calls: set[asyncio.Task[Any]] = set()

    @classmethod
    async def start(cls, app: Path, function_timeout: timedelta | None) -> "Worker":
        """Import the app's function_app.py and index its functions, in order of registration.

        Raises HostError where the app cannot be imported or asks for what this host does not have.
        """
        os.chdir(app)
        sys.path.insert(0, str(app))
        worker.start_threadpool_executor()
        init = SimpleNamespace(capabilities={}, function_app_directory=str(app))
        with _signals_kept():
            answer = await worker.worker_init_request(_request(worker_init_request=init))
            await asyncio.sleep(0)  # the web server in the worker, if there is one, takes its first step
        if answer.result.status != _StatusResult.Success:
            exception = answer.result.exception
            raise HostError(
                f"The function app in {app} could not be loaded.\n{exception.stack_trace.rstrip()}"
            )
        indexed = (await worker.functions_metadata_request(_request())).function_metadata_results
        if not indexed:
            raise HostError(f"There is no function_app.py with functions in {app}.")
        functions = tuple(_function(metadata) for metadata in indexed if not is_disabled(metadata.name))
        for function in functions:
            load = SimpleNamespace(function_id=function.id)
            await worker.function_load_request(_request(function_load_request=load))
        return cls(functions, function_timeout, answer.capabilities.get("HttpUri"))

    async def invoke(
        self, function: Function, data: TypedData, metadata: Mapping[str, TypedData], *, reason: str
    ) -> Result:
        """Run a function to its end and log one line of it; `reason` names in the log what set it off."""
        started = time.perf_counter()
        result = await self.run(function, data, metadata, reason=reason)
        if result.succeeded:
            milliseconds = (time.perf_counter() - started) * 1000
            _log.info("%s succeeded in %.0f ms: %s", function.name, milliseconds, reason)
        return result

    async def run(
        self,
        function: Function,
        data: TypedData,
        metadata: Mapping[str, TypedData],
        *,
        reason: str,
        invocation_id: str | None = None,
    ) -> Result:
        """Run a function to its end; only a failure is logged.

        A function that runs into its time-out ends all others in the worker, too.
        """
        binding = SimpleNamespace(name=function.trigger["name"], data=data, WhichOneof=lambda _group: "data")
        invocation = SimpleNamespace(
            invocation_id=invocation_id or str(uuid.uuid4()),
            function_id=function.id,
            input_data=[binding],
            trigger_metadata=metadata,
            trace_context=SimpleNamespace(trace_parent="", trace_state="", attributes={}),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
        started = time.perf_counter()
        call = asyncio.create_task(worker.invocation_request(_request(invocation_request=invocation)))
        self._calls.add(call)
        try:
            await asyncio.wait((call,), timeout=self._timeout)
        finally:
            self._calls.discard(call)
            running = not call.done()
            call.cancel()
        if running:
            _log.error("%s ran into functionTimeout (%s s): %s", function.name, self._timeout, reason)
            self._restart()
        if running or call.cancelled():
            return Result(succeeded=False, lost=True)
        answer = call.result()
        if answer.result.status != _StatusResult.Success:
            trace = answer.result.exception.stack_trace.rstrip()
            milliseconds = (time.perf_counter() - started) * 1000
            _log.error("%s failed in %.0f ms: %s\n%s", function.name, milliseconds, reason, trace)
            return Result(succeeded=False)
        return Result(succeeded=True, value=answer.return_value)

    def _restart(self) -> None:
        """End every invocation in the worker, as the host does that starts it again after a time-out.

        What the worker holds in memory stays, since it runs in this process; its death is the host's.
        """
        for call in self._calls:
            call.cancel()


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Undo what uvicorn does in Microsoft's extension for FastAPI: it takes the signals of its process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _request(**verb: SimpleNamespace) -> SimpleNamespace:
    properties = {"host": "127.0.0.1", "protos": _PROTOS}
    return SimpleNamespace(request=SimpleNamespace(**verb), properties=properties)


def _function(metadata: SimpleNamespace) -> Function:
    bindings = [json.loads(binding) for binding in metadata.raw_bindings]
    triggers = [binding for binding in bindings if str(binding["type"]).endswith("Trigger")]
    others = [binding for binding in bindings if binding not in triggers and binding["type"] != "http"]
    refused = [b["type"] for b in triggers if b["type"] not in TRIGGERS] + [b["type"] for b in others]
    if metadata.retry_options is not None:
        refused.append("retry policy")
    if refused or len(triggers) != 1:
        asked = ", ".join(refused) or f"{len(triggers)} triggers"
        raise HostError(
            f"The function {metadata.name} asks for: {asked}. The local host runs HTTP, queue, blob and "
            "timer triggers, with no other binding. Switch the function off with the setting "
            f"AzureWebJobs.{metadata.name}.Disabled=true, or use Azure Functions Core Tools."
        )
    return Function(id=metadata.function_id, name=metadata.name, trigger=triggers[0])
