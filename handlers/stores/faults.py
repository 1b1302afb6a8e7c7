"""The seam to storage: bounds each call in time, and turns each exception into one of `handlers.errors`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from traceback import walk_tb

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)

from handlers.errors import Conflict, HandlerError, NotFound, StorageFault

# All tries of one call and the pauses between them. A sender waits for ten seconds, a timer for minutes.
CALL_SECONDS = 30
# The same, for a body of up to hundreds of megabytes.
BODY_SECONDS = 300

_PRECONDITION_FAILED = 412
# Codes that come with 400 or 409, and what they mean.
_GONE = {"PopReceiptMismatch"}
_CHANGED = {"LeaseAlreadyPresent"}


@asynccontextmanager
async def storage_call(what: str, *, seconds: float | None = None) -> AsyncIterator[None]:
    """Make one call of storage; `what` completes "could not …". The response is read inside.

    Raises NotFound, Conflict, and for anything else StorageFault: a time-out, a status, or a response that
    cannot be read, such as the page of a proxy.
    """
    try:
        async with asyncio.timeout(seconds or CALL_SECONDS):
            yield
    except HandlerError:
        raise
    except Exception as error:
        # A traceback leads to this frame, and so back to the error and to all that its callers hold: a large
        # body would stay until a garbage collection. A variable for the fault would do the same.
        place = _place(error)
        error.__traceback__ = None
        raise _fault(what, error, place) from error


def _place(error: Exception) -> str:
    """Return where in the code an exception was raised."""
    *_, (frame, line) = walk_tb(error.__traceback__)
    return f"{Path(frame.f_code.co_filename).name}:{line}"


def _fault(what: str, error: Exception, place: str) -> NotFound | Conflict | StorageFault:
    """Return the fault of ours that an exception from a place in the code stands for."""
    match error:
        case ResourceNotFoundError():
            return NotFound(f"could not {what}: it is not there")
        case ResourceExistsError() | ResourceModifiedError():
            if _code(error).endswith("BeingDeleted"):  # for half a minute it can neither be used nor created
                return StorageFault(f"could not {what}: it is being deleted")
            return Conflict(f"could not {what}: it exists already, or changed")
        case HttpResponseError():
            status, code = error.status_code, _code(error)
            if status == _PRECONDITION_FAILED or code in _CHANGED:
                return Conflict(f"could not {what}: it changed")
            if code in _GONE:
                return NotFound(f"could not {what}: it is not there")
            # without a status it was not even sent: there was no token
            reason = f"storage answered {status} {code}".rstrip() if status else type(error).__name__
        case AzureError() | OSError():  # a time-out is an OSError
            reason = type(error).__name__
        case _:  # whatever the response was, it was not storage's; or the code that reads it is wrong
            reason = f"the response cannot be read ({type(error).__name__} at {place})"
    return StorageFault(f"could not {what}: {reason}")


@asynccontextmanager
async def storage_write(what: str) -> AsyncIterator[None]:
    """Make a write that depends on nothing: NotFound and Conflict are faults here."""
    try:
        async with storage_call(what):
            yield
    except (NotFound, Conflict) as error:
        raise StorageFault(str(error)) from error


def _code(error: HttpResponseError) -> str:
    # the service's own short code (QueueBeingDeleted, …); its message may hold names and addresses
    code = getattr(error, "error_code", None) or ""
    return str(getattr(code, "value", code))
