"""What the objects of all events have in common."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar

from events.facts import FactFields, Facts, facts_of
from events.fields import Part
from events.subjects import Subject, key

UNREAD = "_unread"
# The names under which a customer's own number of an order may come, beside the fact `reference`.
_REFERENCES = frozenset(
    {
        "ponumber", "ponum", "customerpo", "customerponumber", "purchaseordernumber", "purchaseorderno",
        "customerorderno", "customerordernumber", "jobreference", "customerreference", "externaljobreference",
        "orderref", "orderreference",
    }
)  # fmt: skip


class Payload(Part):
    """The object that an event carries.

    `OBJECT` is printIQ's name for it; `DOCUMENTED` is whether its fields are known, beyond some keys;
    `KEYS` are the names of its business keys, `FACTS` the fields that hold its facts. Fields have printIQ's
    own names.
    """

    OBJECT: ClassVar[str]
    DOCUMENTED: ClassVar[bool] = True
    KEYS: ClassVar[tuple[str, ...]]
    FACTS: ClassVar[FactFields] = FactFields()

    @abstractmethod
    def subjects(self) -> Iterator[Subject]:
        """Yield what this is about, the primary subject first; nothing where there is no usable key."""

    @property
    def status(self) -> str | None:
        """The status that this is about, None where it has none."""
        return None

    @property
    def facts(self) -> Facts:
        """What most consumers need of the object, without knowing its fields."""
        return facts_of(self, self.FACTS, self.status)

    def references(self) -> Iterator[str]:
        """Yield the numbers by which the customer may ask for this."""
        for name, value in (*vars(self).items(), *(self.model_extra or {}).items()):
            if name.lower() in _REFERENCES and (reference := key(value)):
                yield reference

    @property
    def can_be_duplicate(self) -> bool:
        """Whether equal content can be the same event: not if nothing in it distinguishes two."""
        return True

    @property
    def unread(self) -> Mapping[str, object]:
        """What could not be read, as it came, each value by the JSON Pointer of its place."""
        kept = (self.model_extra or {}).get(UNREAD)
        return kept if isinstance(kept, dict) else {}

    def keep_unread(self, unread: Mapping[str, object]) -> None:
        """Keep values that could not be read, beside the unknown members."""
        extra = self.model_extra
        assert extra is not None
        came = extra.pop(UNREAD, {})
        merged = {**came, **unread} if isinstance(came, dict) else {f"/{UNREAD}": came, **unread}
        others = {**extra, UNREAD: {place: merged[place] for place in sorted(merged)}}
        extra.clear()
        extra.update({name: others[name] for name in sorted(others)})
