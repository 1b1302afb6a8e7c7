"""What all payload models share: tolerance, subjects, and the plan that matches names to fields."""

import re
from abc import abstractmethod
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from events.values import Leaf, Unknown, is_blank, keep_unread


class Kind(StrEnum):
    """What a business key is the key of."""

    CUSTOMER = "customer"
    CONTACT = "contact"
    ADDRESS = "address"
    QUOTE = "quote"
    JOB = "job"
    ORDER = "order"
    INVOICE = "invoice"
    PURCHASE_ORDER = "purchase-order"
    TRANSACTION = "transaction"
    CONSIGNMENT = "consignment"
    SALES_ITEM = "sales-item"
    PRODUCT = "product"
    FAILURE = "failure"

    # equal members are equal texts; an Enum's own, in Python, would cost more than all else about a subject
    __hash__ = str.__hash__


class Subject(NamedTuple):
    kind: Kind
    key: str


class Part(BaseModel):
    """Be an object inside a payload: its known fields typed, all others kept in `model_extra`."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True, serialize_by_alias=True)

    __pydantic_extra__: dict[str, Unknown]


class Payload(Part):
    """Be the object that an event carries.

    `OBJECT` is printIQ's name for it; `DOCUMENTED` says whether its fields are known, beyond some keys.
    Fields have printIQ's own names.
    """

    OBJECT: ClassVar[str]
    DOCUMENTED: ClassVar[bool] = True

    @abstractmethod
    def subjects(self) -> Iterator[Subject]:
        """Name what this is about, the primary subject first; nothing where there is no usable key."""

    @property
    def can_repeat(self) -> bool:
        """Whether equal content can mean the same happening: not if nothing in it tells two apart."""
        return True


P = TypeVar("P", bound=Part)
T = TypeVar("T")


def also(*names: str, own: str | None = None) -> Any:
    """Give a field the other names it is seen under; `own` is printIQ's name where Python cannot spell it."""
    return Field(default=None, alias=own, json_schema_extra={"x-also": list(names)})


class _Lenient:
    """Annotate a field that holds structure: of the wrong shape, it stays what it was."""

    def __init__(self, *, empty: object) -> None:
        self.empty = empty

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def otherwise(value: Any, info: ValidationInfo) -> Any:
            return self.empty if is_blank(value) else keep_unread(value, info)

        return core_schema.union_schema(
            [handler(source), core_schema.with_info_plain_validator_function(otherwise)],
            mode="left_to_right",
            serialization=core_schema.simple_ser_schema("any"),
        )


# Lists are tuples: a payload does not change once read. One item of a wrong shape leaves the others typed.
Many = Annotated[tuple[Annotated[T, _Lenient(empty=None)], ...], _Lenient(empty=())]
One = Annotated[P | None, _Lenient(empty=None)]


class Slot(NamedTuple):
    """Say where a name of the document goes, and what stands there: one or `many` of a `part` or a `leaf`."""

    name: str
    attribute: str
    many: bool
    part: type[Part] | None
    leaf: Leaf | None


class Route(NamedTuple):
    """Say what becomes of an object's members.

    `names` pairs each name here with that in the model, `structures` lists the fields that hold one or `many`
    of a part, and `known` the names that lead to a field, also those that another name wins over.
    """

    names: tuple[tuple[str, str], ...]
    structures: tuple[tuple[str, type[Part] | None, bool], ...]
    known: tuple[str, ...]


# Routes are kept for objects that such documents have again and again, not for whatever a sender thinks up.
_MAX_ROUTES = 50
_LONGEST_KEPT = 2_000


class Plan:
    """Match names as they come to a model's fields: exact, under another known name, or in another case."""

    def __init__(self, model: type[Part]) -> None:
        self.model = model
        self.fields: tuple[Slot, ...] = tuple(_slots(model))
        self._exact: dict[str, Slot] = {}
        self._folded: dict[str, Slot] = {}
        for slot in self.fields:
            self._exact[slot.name] = slot
            self._folded.setdefault(slot.name.lower(), slot)
        for slot in self.fields:
            extra = model.model_fields[slot.attribute].json_schema_extra
            for name in extra["x-also"] if isinstance(extra, dict) else ():  # type: ignore[union-attr]
                self._folded.setdefault(str(name).lower(), slot)

        # all names that lead to a field, in lower case
        self.names = frozenset(self._folded)
        self._routes: dict[tuple[str, ...], Route] = {}

    def slot(self, name: str) -> Slot | None:
        return self._exact.get(name) or self._folded.get(name.lower())

    def route(self, names: tuple[str, ...]) -> Route:
        """Say where an object with these names goes.

        A name spelt exactly wins over one in another case, and that over an alias; what loses is kept under
        its own name. Unknown names follow the known ones, sorted, so that equal content gives equal bytes.
        """
        route = self._routes.get(names)
        if route is None:
            route = self._route(names)
            if sum(map(len, names)) <= _LONGEST_KEPT:
                if len(self._routes) >= _MAX_ROUTES:
                    self._routes.clear()
                self._routes[names] = route
        return route

    def _route(self, names: tuple[str, ...]) -> Route:
        chosen: dict[str, str] = {}
        for name in names:
            slot = self.slot(name)
            if slot and (slot.name not in chosen or _rank(name, slot) < _rank(chosen[slot.name], slot)):
                chosen[slot.name] = name
        taken = set(chosen.values())
        unknown = sorted(name for name in names if name not in taken)
        return Route(
            (*((name, field) for field, name in chosen.items()), *zip(unknown, unknown, strict=True)),
            tuple(
                (slot.name, slot.part, slot.many)
                for slot in self.fields
                if slot.name in chosen and (slot.many or slot.part)
            ),
            tuple(name for name in names if name.lower() in self.names),
        )


def _rank(name: str, slot: Slot) -> tuple[bool, bool, str]:
    return name != slot.name, name.lower() != slot.name.lower(), name


def _slots(model: type[Part]) -> Iterator[Slot]:
    for attribute, field in model.model_fields.items():
        many = any(isinstance(note, _Lenient) and note.empty == () for note in field.metadata)
        inner = get_args(field.annotation)
        notes = (*field.metadata, *(get_args(inner[0]) if many else inner))
        leaf = next((note for note in notes if isinstance(note, Leaf)), None)
        part = next((note for note in notes if isinstance(note, type) and issubclass(note, Part)), None)
        yield Slot(field.alias or attribute, attribute, many, part, leaf)


@cache
def plan(model: type[Part]) -> Plan:
    """Return the model's plan, made once."""
    return Plan(model)


# printIQ writes these for "no key": .NET's defaults and its own -1.
_NO_KEY = {"", "-1", "0", "00000000-0000-0000-0000-000000000000"}
# A text beyond this is no key, and would not fit into a message.
_LONGEST_KEY = 4096
# What CloudEvents forbids in a subject: control characters and what Unicode reserves as no character.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]+")


def key(*candidates: object) -> str | None:
    """Return the first candidate that can serve as a business key: in one line, trimmed."""
    for candidate in candidates:
        if isinstance(candidate, (str, int)) and not isinstance(candidate, bool):
            text = str(candidate)
            text = (text if text.isprintable() else _FORBIDDEN.sub(" ", text)).strip()
            if text not in _NO_KEY and len(text) <= _LONGEST_KEY:
                return text
    return None


def likely(part: Part, *names: str) -> str | None:
    """Find a key among undocumented fields by likely names, here or one object further in.

    The names are tried in the order given, without regard to case.
    """
    extra = part.model_extra or {}
    levels = [extra, *(value for value in extra.values() if isinstance(value, dict))]
    wanted = dict.fromkeys(name.lower() for name in names)
    for level in levels:
        folded = {lower: level[name] for name in reversed(level) if (lower := name.lower()) in wanted}
        if folded and (found := key(*map(folded.get, wanted))):
            return found
    return None


def subject(kind: Kind, found: str | None) -> Iterator[Subject]:
    """Yield the subject if there is a key."""
    if found is not None:
        yield Subject(kind, found)
