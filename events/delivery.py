"""The one frozen value that every channel reduces an arrival to."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Channel(StrEnum):
    WEBHOOK = "webhook"
    HOT_FOLDER = "hot-folder"
    FTP = "ftp"
    # a message that another program wrote to the inbox
    INBOX = "inbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An arrival, unparsed.

    `event` is the name the sender used, in whatever case; `id` a UUIDv7; `received_at` is aware, in UTC.
    `content_type` and `content_encoding` are the sender's claims: the bytes decide, and these
    only where the bytes leave a choice. `file` is the path of a dropped file.
    """

    id: str
    event: str
    body: bytes
    channel: Channel
    received_at: datetime
    content_type: str | None = None
    content_encoding: str | None = None
    file: str | None = None
