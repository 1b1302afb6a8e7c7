"""The seam to storage: bounds each call in time, and turns each exception into one of `handlers.errors`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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
    except ResourceNotFoundError as error:
        raise NotFound(f"could not {what}: it is not there") from error
    except (ResourceExistsError, ResourceModifiedError) as error:
        if _code(error).endswith("BeingDeleted"):  # for half a minute it can neither be used nor created
            raise StorageFault(f"could not {what}: it is being deleted") from error
        raise Conflict(f"could not {what}: it exists already, or changed") from error
    except HttpResponseError as error:
        status, code = error.status_code, _code(error)
        if status == _PRECONDITION_FAILED or code in _CHANGED:
            raise Conflict(f"could not {what}: it changed") from error
        if code in _GONE:
            raise NotFound(f"could not {what}: it is not there") from error
        # without a status it was not even sent: there was no token
        reason = f"storage answered {status} {code}".rstrip() if status else type(error).__name__
        raise StorageFault(f"could not {what}: {reason}") from error
    except (AzureError, OSError) as error:  # a time-out is an OSError
        raise StorageFault(f"could not {what}: {type(error).__name__}") from error
    except Exception as error:  # whatever the response was, it was not storage's
        reason = f"the response cannot be read ({type(error).__name__})"
        raise StorageFault(f"could not {what}: {reason}") from error


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
