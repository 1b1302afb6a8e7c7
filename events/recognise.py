"""Which object some names belong to: an event's own, or positively another."""

import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from events.catalogue import EventType, payload_types
from events.fields import field_map
from events.formats import folded
from events.models import Payload
from events.names import ByNames

# The members of printIQ's API responses around the object; they are no part of it.
ENVELOPE = {"iserror", "errormessage", "iswarning", "warningmessage", "quoteaccepted"}


def is_named(model: type[Payload], name: str | None) -> bool:
    return name is not None and len(name) == len(model.OBJECT) and folded(name) == model.OBJECT.lower()


def known_names(members: Iterable[str], model: type[Payload]) -> tuple[str, ...]:
    """Return the names that lead to a field of the model."""
    return field_map(model).assign(members).known


def business_keys(model: type[Payload], members: Iterable[str]) -> set[str]:
    """Return which of a model's business keys an object has members for, in lower case."""
    found = ((field_map(model).find(name), name) for name in members)
    return {key.lower() for key in model.KEYS} & {
        spec.name.lower() if spec else folded(name) for spec, name in found
    }


def lead(model: type[Payload], inner: Iterable[str], outer: Iterable[str]) -> int:
    """Return how many more of the model's names an inner object has than what is around it."""
    beside = [name for name in known_names(outer, model) if folded(name) not in ENVELOPE]
    return len(known_names(inner, model)) - len(beside)


def is_recognised(members: Iterable[str], models: tuple[type[Payload], ...]) -> bool:
    """Whether an object has a business key of the model's, two of its fields, or a member of its name."""
    return any(_recognises(model)(members) for model in models)


@cache
def _recognises(model: type[Payload]) -> ByNames[bool]:
    def recognises(names: tuple[str, ...]) -> bool:
        known = [name for name in known_names(names, model) if folded(name) not in ENVELOPE]
        return (
            len(known) > 1
            or bool(business_keys(model, names))
            or any(is_named(model, name) for name in names)
        )

    return ByNames(recognises)


class Clues(NamedTuple):
    """What the names of an object's members say of it.

    `objects` are those named like an object of the event, with its model; `has_fields` is whether any is
    named like a field of one; `relayed` are those that a relay may call the object.
    """

    objects: list[tuple[type[Payload], str]]
    has_fields: bool
    relayed: list[str]


# What a relay calls the object, and no object a part of itself.
_RELAYED = re.compile(r"data|payload|body|content|result|object|message|event", re.IGNORECASE)


@cache
def clues(event_type: EventType) -> ByNames[Clues]:
    """Return what finds them in the names of an object's members."""

    def found(names: tuple[str, ...]) -> Clues:
        models = event_type.payloads
        return Clues(
            [(model, name) for model in models for name in names if is_named(model, name)],
            any(known_names(names, model) for model in models),
            [name for name in names if _RELAYED.fullmatch(name)],
        )

    return ByNames(found)


# -- other objects -------------------------------------------------------------------------------------------

# This many field names unique to another object are evidence, if most members belong to it.
_EVIDENCE = 3
# Where the event's own object knows none of the names, this many are evidence, if another knows them all.
_ALL_OF = 2


class Suspect(NamedTuple):
    """Another object that has all names which the event's own has; `evidence` are those that only it has."""

    model: type[Payload]
    evidence: list[str]
    is_enough: bool


@cache
def suspects(event_type: EventType) -> ByNames[list[Suspect]]:
    """Return what lists the other objects that an object of such names could be."""
    own = event_type.payloads
    is_documented = all(each.DOCUMENTED for each in own)

    def found(members: tuple[str, ...]) -> list[Suspect]:
        names = [name for name in members if folded(name) not in ENVELOPE]
        own_names = {name for each in own for name in known_names(names, each)}
        others = []
        for other in payload_types():
            other_names = known_names(names, other)
            if other in own or own_names.difference(other_names):
                continue
            evidence = [name for name in other_names if name not in own_names]
            is_most = len(evidence) >= _EVIDENCE and 2 * len(other_names) > len(names)
            is_all = not own_names and len(other_names) == len(names) >= _ALL_OF
            others.append(Suspect(other, evidence, is_documented and (is_most or is_all)))
        return others

    return ByNames(found)


def is_only(model: type[Payload], name: str) -> bool:
    """Whether this object alone has a field of this name."""
    return all(each is model or field_map(each).find(name) is None for each in payload_types())
