"""The clock, delays and limits of the handlers, held by the app so that tests can inject others."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

# As many as a message may claim: an attempt an hour for a century.
MAX_ATTEMPTS = 1_000_000


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Timings:
    """The clock, delays and limits of the handlers; durations are in seconds."""

    now: Callable[[], datetime] = _now
    # For custody as a whole, so that a sender has its response within ten seconds.
    custody: float = 8
    # How long an apparent duplicate waits once for deliveries received before it.
    settle: int = 2
    first_delay: int = 10
    longest_delay: int = 3600
    # How long a storage fault is waited out before a message is left to the platform's retry.
    requeue: float = 60
    # Give up after this many errors that time does not heal.
    max_errors: int = 5

    # A push as a whole, from the name's lookup to the end of the response.
    push: float = 15
    # How long a push may keep one of the platform's few places; a slower one goes on outside of them.
    push_place: float = 0.5
    # A push is given up this long after its first attempt: three days.
    push_gives_up: float = 3 * 24 * 3600

    # A dropped file that is incomplete this long after its last change stays so.
    patience: float = 300
    # A writer may pause this long between two writes to a file.
    stable: float = 5
    # A notification takes seconds: a drop that lies longer was not announced, or could not be removed.
    unannounced: float = 30
    # A sweep that lasted longer would run into the function's time-out of ten minutes.
    sweep: float = 480
    # Between the two looks that show whether a file on an FTP server still changes.
    ftp_look: float = 5
    # An FTP run starts no new file after this, so that the next minute's run can begin.
    ftp_run: float = 50
    # How many files an FTP run takes between two lines of progress in the log.
    ftp_progress: int = 500
    # The timer of the minute in which a pause ends may fire this much early.
    ftp_early: float = 10

    def delay_after(self, attempt: int) -> int:
        """Return the seconds to wait after a failed attempt: 10, 20, 40, … up to an hour."""
        # the power is bounded: after weeks of attempts the number would not fit anywhere
        return min(self.first_delay << min(attempt - 1, 10), self.longest_delay)


DEFAULTS = Timings()
