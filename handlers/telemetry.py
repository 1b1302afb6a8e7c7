"""What the alerts read (infra/alerts.json): log lines of a name and a JSON object, without personal data."""

import json
import logging

from events import Channel
from handlers.ledger.rows import Status
from handlers.paths import folder

_log = logging.getLogger("printiq.telemetry")


def heartbeat() -> None:
    """Log that the app runs."""
    _log.info("printiq.heartbeat %s", _json())


def queue(name: str, role: str, *, depth: int, oldest_seconds: float) -> None:
    """Log how full a queue is; `role` is inbox, poison or result. An empty one is 0 seconds old."""
    _log.info(
        "printiq.queue %s", _json(queue=name, role=role, depth=depth, oldestSeconds=round(oldest_seconds))
    )


def event(name: str, *, silent_hours: float) -> None:
    """Log for how long an event has not come."""
    _log.info("printiq.event %s", _json(event=name, silentHours=round(silent_hours, 2)))


def delivery(delivery_id: str, name: str, channel: Channel, status: Status, *, seconds: float) -> None:
    """Log the outcome of a delivery of the event `name`, and the seconds since it was received."""
    members = {"id": delivery_id, "event": folder(name), "channel": channel, "status": status}
    _log.info("printiq.delivery %s", _json(**members, seconds=round(seconds, 3)))


def ftp(source: str, *, reachable: bool) -> None:
    """Log whether an FTP source can be used, each time it is polled."""
    _log.info("printiq.ftp %s", _json(source=source, reachable=reachable))


def _json(**members: str | float | bool) -> str:
    return json.dumps(members)
