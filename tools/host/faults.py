"""What storage faults do: the tries of Azure's SDK for .NET, and the end of the host where all of them fail.

The genuine host does not outlive a storage that is unreachable for 27 s or refuses it (403), nor a delete, a
renewal or a move to a poison queue that fails for good: an unhandled exception ends it, and the platform
starts it again.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from tools.host.errors import HostError

# Between the six tries of one call.
_PAUSES = (0.8, 1.6, 3.2, 6.4, 12.8)
_SERVER_ERROR = 500
_OTHERS_WORTH_A_TRY = frozenset({408, 429})
_FORBIDDEN = 403
_log = logging.getLogger("host")


class StorageLostError(HostError):
    """A storage fault that ends the host. It is to be started again."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Faults:
    """The handling of storage faults; `stop` is whether one that lasts ends the host."""

    stop: bool

    async def insist[T](self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        """Return what the call returns, tried up to six times in 25 s.

        Raises AzureError, at once where another try is useless; StorageLostError where that ends the host.
        """
        for pause in (*_PAUSES, None):
            try:
                return await call()
            except ResourceNotFoundError:
                raise
            except AzureError as exc:
                if pause is None or not _may_pass(exc):
                    if self.stop:
                        raise _lost(what, exc) from exc
                    raise
                _log.warning("%s: %s; trying again", what, first_line(exc))
                await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")


@dataclass(slots=True)
class Outage:
    """The faults in a row of something that is done again and again, such as a poll."""

    faults: Faults
    what: str
    server_errors_end_it: bool = False
    """Whether a service that answers 503 for too long ends the host, as one that is unreachable does."""
    _since: float | None = field(default=None, init=False)

    def over(self) -> None:
        self._since = None

    def goes_on(self, exc: AzureError) -> None:
        """Note a fault. Raises StorageLostError where the host does not outlive it."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
            _log.warning("%s: %s; trying until it works", self.what, first_line(exc))
        status = exc.status_code if isinstance(exc, HttpResponseError) else None
        answers = status is not None and status != _FORBIDDEN and not self.server_errors_end_it
        lasts = status == _FORBIDDEN or now - self._since >= sum(_PAUSES)
        if self.faults.stop and lasts and not answers:
            raise _lost(self.what, exc) from exc


def first_line(exc: BaseException) -> str:
    """Return the first line of an SDK's error, without its details."""
    return str(exc).partition("\n")[0]


def _lost(what: str, exc: AzureError) -> StorageLostError:
    return StorageLostError(
        f"An unhandled exception has occurred. Host is shutting down. {what}: {first_line(exc)}"
    )


def _may_pass(exc: AzureError) -> bool:
    if not isinstance(exc, HttpResponseError) or exc.status_code is None:
        return True  # no answer at all
    return exc.status_code >= _SERVER_ERROR or exc.status_code in _OTHERS_WORTH_A_TRY
