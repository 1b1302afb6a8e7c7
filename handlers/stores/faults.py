"""Turns the exceptions of Azure's SDKs into those of `handlers.errors`."""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)

from handlers.errors import Conflict, NotFound, StorageFault


@contextmanager
def storage_call(what: str) -> Iterator[None]:
    """Turn the SDK's exceptions into ours around one call; `what` completes "could not …"."""
    try:
        yield
    except ResourceNotFoundError as error:
        raise NotFound(f"could not {what}: it is not there") from error
    except (ResourceExistsError, ResourceModifiedError) as error:
        if _code(error).endswith("BeingDeleted"):  # for half a minute it can neither be used nor made anew
            raise StorageFault(f"could not {what}: it is being deleted") from error
        raise Conflict(f"could not {what}: it is there already, or changed") from error
    except HttpResponseError as error:
        if error.status_code == 412 or _code(error) == "LeaseAlreadyPresent":  # noqa: PLR2004 - Precondition Failed
            raise Conflict(f"could not {what}: it changed") from error
        # without a status it was not even asked: there was no token to show
        status, code = error.status_code, _code(error)
        said = f"storage answered {status} {code}".rstrip() if status else type(error).__name__
        raise StorageFault(f"could not {what}: {said}") from error
    except (AzureError, TimeoutError, OSError) as error:
        raise StorageFault(f"could not {what}: {type(error).__name__}") from error


@contextmanager
def storage_write(what: str) -> Iterator[None]:
    """Do the same around a write that depends on nothing: that something is not there is a fault here."""
    try:
        with storage_call(what):
            yield
    except (NotFound, Conflict) as error:
        raise StorageFault(str(error)) from error


def _code(error: HttpResponseError) -> str:
    # the service's own short code (QueueBeingDeleted, …); its message may hold names and addresses
    code = getattr(error, "error_code", None) or ""
    return str(getattr(code, "value", code))
