"""What the alerts read (infra/alerts.json): log lines of a name and a JSON object, without personal data."""

import json
import logging
import re
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic

from events import Channel
from handlers.paths import folder

if TYPE_CHECKING:
    from handlers.ledger.rows import Status

_log = logging.getLogger("printiq.telemetry")


class _Record(logging.LogRecord):
    """A line of the app's log without control characters: names in it come from outside."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        if self._is_ours and self.exc_info and self.exc_info[0]:
            trace = logging.Formatter().formatException(self.exc_info)
            self.exc_text = _CONTROL_BUT_LINES.sub(_escape, trace)

    @property
    def _is_ours(self) -> bool:
        return self.name.partition(".")[0] == "printiq"

    def getMessage(self) -> str:  # noqa: N802 - the library's name
        message = super().getMessage()
        return _CONTROL.sub(_escape, message) if self._is_ours else message


# Also characters that end a line or reverse its direction in some viewers.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_CONTROL_BUT_LINES = re.compile(_CONTROL.pattern.replace(r"\x00-\x1f", r"\x00-\x08\x0b-\x1f"))


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def escape_names() -> None:
    """Have the app's log escape line breaks, terminal sequences and other control characters."""
    logging.setLogRecordFactory(_Record)


def heartbeat() -> None:
    """Log that the app runs."""
    _log.info("printiq.heartbeat %s", _json())


def bytecode() -> None:
    """Log whether the app and its packages were deployed with bytecode, or are compiled at each start."""
    _log.info(
        "printiq.bytecode %s", _json(app=_has_bytecode(__spec__), packages=_has_bytecode(pydantic.__spec__))
    )


def _has_bytecode(spec: ModuleSpec | None) -> bool:
    return spec is not None and spec.cached is not None and Path(spec.cached).exists()


def queue(name: str, role: str, *, depth: int, oldest_seconds: float) -> None:
    """Log how full a queue is; `role` is inbox, poison or result. An empty one is 0 seconds old."""
    _log.info(
        "printiq.queue %s", _json(queue=name, role=role, depth=depth, oldestSeconds=round(oldest_seconds))
    )


def event(name: str, *, silent_hours: float) -> None:
    """Log for how long an event has not come."""
    _log.info("printiq.event %s", _json(event=name, silentHours=round(silent_hours, 2)))


def delivery(delivery_id: str, name: str, channel: Channel, status: "Status", *, seconds: float) -> None:
    """Log the outcome of a delivery of the event `name`, and the seconds since it was received."""
    members = {"id": delivery_id, "event": folder(name), "channel": channel, "status": status}
    _log.info("printiq.delivery %s", _json(**members, seconds=round(seconds, 3)))


def send(subscription: str, state: str) -> None:
    """Log that a push was given up (`failed`), or that its endpoint wants no more (`stopped`)."""
    _log.info("printiq.send %s", _json(subscription=subscription, state=state))


def ftp(source: str, *, reachable: bool) -> None:
    """Log whether an FTP source can be used, each time it is polled."""
    _log.info("printiq.ftp %s", _json(source=source, reachable=reachable))


def _json(**members: str | float | bool) -> str:
    return json.dumps(members)
