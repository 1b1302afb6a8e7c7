"""The push queue's message: a result on its way to an https subscription, and the message's codec.

Three lines: `printiq-push/1`, what is known about the push as JSON, and the CloudEvents message as it is. (A
message that is a JSON object would have its keys copied over the trigger's metadata by the Functions host.)
"""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

_VERSION = b"printiq-push/1"
# Headroom for the lines before the message.
_HEAD = 1024


class Head(BaseModel):
    """What is known about a push: where it goes, and what is sent."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    subscription: str
    # the delivery whose result it is
    delivery: str


@dataclass(frozen=True)
class Push:
    """A CloudEvents message for an https subscription."""

    head: Head
    message: bytes

    @staticmethod
    def most_bytes(size: int) -> int:
        """Return a bound of the size of a push of a message with this many bytes."""
        return size + _HEAD

    def encode(self) -> bytes:
        head = self.head.model_dump_json(exclude_defaults=True, ensure_ascii=True).encode()
        return b"\n".join((_VERSION, head, self.message))

    @classmethod
    def read(cls, text: str) -> "Push":
        """Read a message of the push queue. Raises ValueError if it is not this app's."""
        version, _, rest = text.encode().partition(b"\n")
        head, _, message = rest.partition(b"\n")
        if version != _VERSION:
            raise ValueError(f"its first line is not {_VERSION.decode()!r}")
        try:
            return cls(Head.model_validate_json(head), message)
        except ValidationError as error:
            raise ValueError("its second line is not that of a push") from error
