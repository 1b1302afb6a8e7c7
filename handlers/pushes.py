"""The message of the push queue: a CloudEvents message on its way to an https subscription, and its codec.

It has three parts: the line `printiq-push/1`, a line of JSON (the head), and the CloudEvents message exactly
as the sink got it. What is signed and sent is that text, never a copy that was parsed and written again.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from events import DATA_MEMBER, TYPE_PREFIX, Kind
from handlers.ids import DeliveryId, is_plausible
from handlers.problems import in_words
from handlers.timings import MAX_ATTEMPTS

_VERSION = "printiq-push/1"
# Headroom for the lines before the message.
_HEAD = 512
_MAX_NAME = 63
TEST_EVENT = "test"
# All that a header may hold as it is: printable ASCII but for the blank, `"` and `%`.
_IN_HEADERS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


class Attributes(BaseModel):
    """The attributes of a CloudEvents message by which the app knows it."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    id: str = Field(min_length=1, max_length=100)
    type: str = Field(pattern=rf"^{re.escape(TYPE_PREFIX)}\w+$", max_length=200)
    delivery: DeliveryId
    subject: str | None = None
    kind: Kind | None = None
    dataref: str | None = None

    @property
    def event(self) -> str:
        return self.type.removeprefix(TYPE_PREFIX)


class Form(NamedTuple):
    """A message as an HTTP request carries it."""

    headers: Mapping[str, str]
    body: bytes


class CloudEvent(NamedTuple):
    """A CloudEvents message of this app's: its attributes (`members` has all), and its data as written."""

    attributes: Attributes
    members: Mapping[str, Any]
    data: bytes | None

    @classmethod
    def read(cls, message: bytes) -> Self:
        """Read a message in which the data comes last. Raises ValueError."""
        # text in a string has its quotes escaped: the first match is the member itself
        head, member, data = message.partition(DATA_MEMBER)
        if member and not data.endswith(b"}"):
            raise ValueError("Its data is not followed by the end of the message.")
        text = head + b"}" if member else head
        attributes = Attributes.model_validate_json(text)
        return cls(attributes, json.loads(text), data[:-1] if member else None)

    @property
    def push_id(self) -> str:
        """What a receiver knows the push by: a replay is another one, and so is one freed of its mark."""
        marked = ";duplicate" if "duplicateof" in self.members else ""
        return f"{self.attributes.delivery}{marked}"

    def containing(self, data: bytes) -> Self:
        """Return the message with its data in place of the reference to them."""
        attributes = self.attributes.model_copy(update={"dataref": None})
        members = {name: value for name, value in self.members.items() if name != "dataref"}
        return self._replace(attributes=attributes, members=members, data=data)

    def structured(self) -> Form:
        """Return the message as one JSON document.

        https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
        """
        head = json.dumps(self.members, separators=(",", ":")).encode()
        body = head if self.data is None else b"".join((head[:-1], DATA_MEMBER, self.data, b"}"))
        return Form({"Content-Type": "application/cloudevents+json"}, body)

    def binary(self) -> Form:
        """Return the message as its data alone, with the attributes in headers."""
        headers = {
            f"ce-{name}": quote(str(value), safe=_IN_HEADERS)
            for name, value in self.members.items()
            if name != "datacontenttype"
        }
        if self.data is None:
            return Form(headers, b"")
        content_type = str(self.members.get("datacontenttype", "application/json"))
        return Form({**headers, "Content-Type": content_type}, self.data)


class Push(BaseModel):
    """A message for one https subscription, and the tries so far."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    subscription: str = Field(min_length=1, max_length=_MAX_NAME)
    attempt: int = Field(1, ge=1, le=MAX_ATTEMPTS)
    first_at: AwareDatetime | None = None
    message: bytes = Field(b"", exclude=True)

    @classmethod
    def of(cls, subscription: str, message: bytes) -> Self:
        return cls(subscription=subscription, message=message)

    @staticmethod
    def most_bytes(size: int) -> int:
        """Return a bound of the size of a push of a message with this many bytes."""
        return size + _HEAD

    def encode(self) -> bytes:
        head = self.model_dump_json(exclude_defaults=True, ensure_ascii=True).encode()
        return b"\n".join((_VERSION.encode(), head, self.message))

    @classmethod
    def read(cls, text: str) -> tuple[Self, CloudEvent]:
        """Read a message of the queue. Raises ValueError, which says what is wrong with a foreign one."""
        version, _, rest = text.partition("\n")
        if version != _VERSION:
            raise ValueError(f"Its first line is not {_VERSION!r}.")
        head, _, written = rest.partition("\n")
        message = written.encode("utf-8", "replace")
        try:
            push = cls.model_validate_json(head).model_copy(update={"message": message})
            event = CloudEvent.read(message)
        except ValidationError as error:
            raise ValueError(in_words(error)) from error
        if push.first_at is not None and not is_plausible(push.first_at, datetime.now(UTC)):
            raise ValueError("The time of its first attempt is impossible.")
        return push, event
