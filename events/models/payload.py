"""What the objects of all events have in common."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from events.fields import Part
from events.subjects import Subject


class Payload(Part):
    """The object that an event carries.

    `OBJECT` is printIQ's name for it; `DOCUMENTED` says whether its fields are known, beyond some keys.
    Fields have printIQ's own names.
    """

    OBJECT: ClassVar[str]
    DOCUMENTED: ClassVar[bool] = True

    @abstractmethod
    def subjects(self) -> Iterator[Subject]:
        """Yield what this is about, the primary subject first; nothing where there is no usable key."""

    @property
    def can_be_duplicate(self) -> bool:
        """Whether equal content can be the same event: not if nothing in it distinguishes two."""
        return True
