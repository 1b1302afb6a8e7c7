"""From a document to the event's own object: envelopes and wrappers, what they report, other objects."""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from pydantic_core import to_json

from events.catalogue import EventType, payload_types
from events.errors import Malformed, Problem, ReportedFailure, WrongObject, any_of, pointer
from events.fields import field_map
from events.formats import (
    BYTES_PER_JSON_VALUE,
    MAX_MEMBERS,
    MAX_VALUES,
    STRUCTURES,
    Document,
    Format,
    Json,
    folded,
    is_list_of,
    read_inner,
)
from events.models import Payload
from events.recognise import (
    ENVELOPE,
    business_keys,
    clues,
    is_named,
    is_only,
    is_recognised,
    known_names,
    lead,
    suspects,
)
from events.values import is_blank, is_empty, is_true, plain


class Unwrapped(NamedTuple):
    """The event's own object: its members without any envelope, its model, and the envelope's warnings."""

    members: dict[str, Json]
    model: type[Payload]
    warnings: list[Problem]


class _Layer(NamedTuple):
    """One object of a document, perhaps wrapped in others; `path` leads to it."""

    name: str | None
    members: dict[str, Json]
    path: tuple[str, ...] = ()


_REPORT = {"iserror", "errormessage"}
# SOAP's two, an operation, its result and the object.
_MAX_WRAPPING = 5


def unwrap(document: Document, event_type: EventType) -> Unwrapped:
    """Find the event's object in a document and choose its model.

    Raises Malformed where there is not exactly one object, ReportedFailure and WrongObject.
    """
    models = event_type.payloads
    warnings: list[Problem] = [*document.warnings]
    layer = outermost = _outermost(document, warnings)
    wrappers = _Wrappers(event_type, warnings)
    for _ in range(_MAX_WRAPPING):
        if len(layer.members) > MAX_MEMBERS:
            raise Malformed(f"The object holds too many values: more than {MAX_MEMBERS:,} members.")
        _refuse_reported(layer, models)
        inner = wrappers.inside(layer)
        if inner is None:
            break
        warnings += _reported_warnings(layer)
        layer = inner
    _refuse_wrong(layer, event_type)
    model = max(models, key=lambda each: (is_named(each, layer.name), len(known_names(layer.members, each))))
    if not is_named(model, layer.name) and not known_names(layer.members, model):
        layer = outermost  # the supposed wrappers may be the object's own structure
    own = _without_envelope(layer.members, model)
    if len(own) < len(layer.members):  # a response that is the object itself
        warnings += _reported_warnings(layer)
    return Unwrapped(own, model, warnings)


class _Texts:
    """The documents that a body's texts hold: each is read once, all together within the bounds of a body."""

    def __init__(self) -> None:
        self._documents: dict[str, Document | None] = {}
        self._marks = self._length = 0

    def document(self, text: str) -> Document | None:
        """Return the document in a text; None where it holds none, or a damaged one. Raises Malformed."""
        if text in self._documents:
            return self._documents[text]
        try:
            found = read_inner(text)
            is_document = found is not None
        except Malformed:
            found, is_document = None, True
        if is_document:
            self._count(text)
        self._documents[text] = found
        return found

    def _count(self, text: str) -> None:
        # a text that can be read alone has fewer: each element has two tags
        self._marks += sum(map(text.count, ("<", ",", '="', "='")))
        self._length += len(text)
        if self._marks > max(2 * MAX_VALUES, self._length // BYTES_PER_JSON_VALUE):
            raise Malformed("The documents in the texts of the body hold too many values.")


# -- one object ----------------------------------------------------------------------------------------------


def _outermost(document: Document, warnings: list[Problem]) -> _Layer:
    """Return the one object that the body is, also if as a text or in a list."""
    for _ in range(_MAX_WRAPPING):
        value, root = document.value, document.root
        while isinstance(value, list):
            value, root = _only(value, ()), None
        if isinstance(value, dict):
            return _Layer(root, value)
        inner = read_inner(value) if isinstance(value, str) else None
        if inner is None:
            if document.format is Format.XML:
                return _Layer(root, {} if value is None else {"#text": value})
            break
        warnings += inner.warnings
        document = inner
    raise Malformed("The body is a single value, but every printIQ event is one JSON object or XML document.")


def _only(items: list[Json], path: tuple[str, ...]) -> Json:
    """Return the only item of a list."""
    objects = [item for item in items if not is_empty(item)]
    if len(objects) == 1 and not isinstance(objects[0], bool | int | float):
        return objects[0]
    if not any(isinstance(item, STRUCTURES) for item in objects):
        raise Malformed(
            "The body is an array, but every printIQ event is one JSON object. Send the objects one by one.",
            pointer=pointer(path),
        )
    raise Malformed(
        f"The body is an array of {len(objects):,} objects, but every printIQ event is one. Send them one by "
        "one, each in a body of its own.",
        pointer=pointer(path),
    )


# -- wrappers ------------------------------------------------------------------------------------------------

# What relays call the object they carry, and tables their rows. A list of any other name is the object's own.
_CARRIERS = re.compile(
    r"(data|payload|body|content|value|result|record|object|item|row)s?|table\d*", re.IGNORECASE
)


class _Inner(NamedTuple):
    """The object that a member is, and its own name where it is written as an XML document in a text."""

    members: dict[str, Json]
    root: str | None = None


class _Wrappers:
    """Opens what is wrapped around an event's object, one layer after the other."""

    def __init__(self, event_type: EventType, warnings: list[Problem]) -> None:
        self._event_type = event_type
        self._models = event_type.payloads
        self._texts = _Texts()
        self._warnings = warnings

    def inside(self, layer: _Layer) -> _Layer | None:
        """Return the object that these members wrap, None where they are the object itself."""
        if layer.name == "Envelope" and isinstance(body := layer.members.get("Body", 0), dict | None):
            return _Layer("Body", body or {}, (*layer.path, "Body"))
        if any(is_named(model, layer.name) for model in self._models) and not _is_wcf(layer):
            return None
        found = clues(self._event_type)(layer.members)
        for model, name in found.objects:
            inner = self._object_in(layer, name)
            if inner is not None and lead(model, inner.members, layer.members) >= 0:
                beside = _with_beside(inner.members, layer.members, name, model)
                return _Layer(name, beside, (*layer.path, name))
        if found.has_fields:
            return self._inside_relay(layer, found.relayed)
        if not _is_wcf(layer):
            _refuse_wrong(layer, self._event_type)
        return self._inside_unknown(layer)

    def _inside_unknown(self, layer: _Layer) -> _Layer | None:
        """Return the only object among unknown members, or the only one that is recognised."""
        others = [name for name, value in layer.members.items() if not _is_envelope(name, value)]
        candidates = [name for name in others if self._held(name, layer.members[name]) is not None]
        if not candidates and len(others) == 1 and self._may_wrap(others[0], layer.members[others[0]]):
            candidates = others
        if len(candidates) != 1:
            return None
        (name,) = candidates
        inner = self._object_in(layer, name)
        if inner is None:
            return None
        beside = _with_beside(inner.members, layer.members, name, self._models[0])
        # WCF writes QuoteDetails around an acceptance too: there it does not name the object.
        own_name = inner.root or (None if _is_wcf(layer) else name)
        return _Layer(own_name, beside, (*layer.path, name))

    def _may_wrap(self, name: str, value: Json) -> bool:
        """Whether the only member is a wrapper: an object, or a list by the plural of the object's name."""
        return isinstance(value, dict) or (
            isinstance(value, list) and any(is_list_of(name, model.OBJECT) for model in self._models)
        )

    def _inside_relay(self, layer: _Layer, names: list[str]) -> _Layer | None:
        """Return what a relay carries whose own members are named like the object's fields: `id`, `status`.

        They are not the object's: a `status` beside `data` is kept as `data@status`.
        """
        for name in names:
            value = layer.members[name]
            held = None if isinstance(value, list) else self._held(name, value)
            around = [each for each in layer.members if each != name]
            if held is None or not any(_is_carried(model, held, around) for model in self._models):
                continue
            inner = self._object_in(layer, name)
            if inner is not None:
                fields = frozenset().union(*(field_map(model).names for model in self._models)) - ENVELOPE
                beside = _with_beside(inner.members, layer.members, name, self._models[0], fields)
                return _Layer(inner.root or name, beside, (*layer.path, name))
        return None

    def _object_in(self, layer: _Layer, name: str) -> _Inner | None:
        """Return the object that a member is: as such, as the only item of a list, or written as a text."""
        value, root = layer.members[name], None
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            value = _only(value, (*layer.path, name))
        if isinstance(value, str) and (inner := self._texts.document(value)) is not None:
            self._warnings += inner.warnings
            value, root = inner.value, inner.root
            if isinstance(value, list):
                value, root = _only(value, (*layer.path, name)), None
        return _Inner(value, root) if isinstance(value, dict) else None

    def _held(self, name: str, value: Json, levels: int = _MAX_WRAPPING) -> dict[str, Json] | None:
        """Return the object that a member is or holds, or the first of such objects that it lists."""
        if isinstance(value, str):
            inner = self._texts.document(value)
            value = None if inner is None else inner.value
            if inner is not None and any(is_named(model, inner.root) for model in self._models):
                return inner.members
        if isinstance(value, list):
            objects = [item for item in value if not is_empty(item)]
            is_carrier = _CARRIERS.fullmatch(name) is not None and all(
                isinstance(item, dict) and is_recognised(item, self._models) for item in objects
            )
            return next((item for item in objects if isinstance(item, dict)), None) if is_carrier else None
        if not isinstance(value, dict) or not levels:
            return None
        if is_recognised(value, self._models):
            return value
        held = (self._held(inner, item, levels - 1) for inner, item in value.items())
        found = [each for each in held if each is not None]
        return found[0] if len(found) == 1 else None


def _is_carried(model: type[Payload], held: dict[str, Json], around: list[str]) -> bool:
    """Whether an object has the business keys of the names around it, and more fields: or as many, and a key.

    So no member of an object in normal form, which has all its fields, is taken for another object.
    """
    named = (value for name, value in held.items() if is_named(model, name) and isinstance(value, dict))
    inner = next(named, held)
    keys, more = business_keys(model, inner), lead(model, inner, around)
    return business_keys(model, around) <= keys and (more > 0 or (more == 0 and bool(keys)))


def _is_wcf(layer: _Layer) -> bool:
    """Whether this is what older printIQ wraps quotes and acceptances in."""
    return any(
        folded(name) == "quoteaccepted" and _is_envelope(name, value) for name, value in layer.members.items()
    )


def _is_envelope(name: str, value: Json) -> bool:
    """Whether a member is a response's own. An operation may have the same name: it holds an object."""
    return folded(name) in ENVELOPE and not isinstance(value, dict)


def _with_beside(
    inner: dict[str, Json],
    outer: dict[str, Json],
    wrapper: str,
    model: type[Payload],
    not_fields: frozenset[str] = frozenset(),
) -> dict[str, Json]:
    """Keep what is beside a wrapped object as its members, except the envelope's own.

    One whose name in lower case is among `not_fields` gets the wrapper's before it: `data@status`.
    """
    members = dict(inner)
    tried: dict[str, int] = {}
    for name, value in _without_envelope(outer, model).items():
        if name != wrapper:
            free = f"{wrapper}@{name}" if folded(name) in not_fields else name
            bare = free.lstrip("@")
            while free in members:
                # Never try a prefix twice: hostile names could otherwise make this quadratic.
                tried[bare] = max(tried.get(bare, 0), len(free) - len(bare)) + 1
                free = "@" * tried[bare] + bare
            members[free] = value
    return members


def _without_envelope(members: dict[str, Json], model: type[Payload]) -> dict[str, Json]:
    left_out = ENVELOPE - field_map(model).names
    if left_out.isdisjoint(map(str.lower, members)):
        return members
    return {
        name: value
        for name, value in members.items()
        if folded(name) not in left_out or not _is_envelope(name, value)
    }


# -- responses that report something -------------------------------------------------------------------------


def _refuse_reported(layer: _Layer, models: tuple[type[Payload], ...]) -> None:
    reported = {folded(name): name for name in layer.members if folded(name) in _REPORT}
    name = reported.get("iserror")
    is_own = any("iserror" in field_map(model).names for model in models)
    if name is not None and is_true(layer.members[name]) and not is_own:
        message = layer.members[reported["errormessage"]] if "errormessage" in reported else None
        detail = "no ErrorMessage." if is_blank(message) else f"ErrorMessage: {_quoted(message)}"
        raise ReportedFailure(
            f"This is a response that reports a failure, not an event; {detail}",
            pointer=pointer((*layer.path, name)),
        )
    if layer.name == "Body" and "Fault" in layer.members:
        reason = _reason(layer.members["Fault"])
        shown = "it gives no reason." if is_blank(reason) else _quoted(reason)
        raise ReportedFailure(
            f"This is a SOAP fault, not an event: {shown}", pointer=pointer((*layer.path, "Fault"))
        )


def _reason(fault: Json) -> Json:
    """Return the reason of a SOAP fault: `faultstring` in 1.1, `Reason` with a `Text` in 1.2."""
    if not isinstance(fault, dict):
        return fault
    reason = fault.get("faultstring") or fault.get("Reason")
    while isinstance(reason, STRUCTURES):  # in several languages: the first
        reason = (
            next(iter(reason), None)
            if isinstance(reason, list)
            else reason.get("Text") or reason.get("#text")
        )
    return reason


def _reported_warnings(layer: _Layer) -> Iterator[Problem]:
    """Yield what a response reports beside its object: with IsError false, an ErrorMessage warns too."""
    for name, value in layer.members.items():
        if folded(name) in {"warningmessage", "errormessage"} and not is_blank(value):
            yield Problem("", f"printIQ warned: {_quoted(value)}")


def _quoted(value: Json) -> str:
    if isinstance(value, dict):
        value = value.get("#text", value)  # an element with attributes
    return (value.strip() if isinstance(value, str) else to_json(plain(value)).decode())[:1000]


# -- other objects -------------------------------------------------------------------------------------------


def _refuse_wrong(layer: _Layer, event_type: EventType) -> None:
    """Refuse what is positively another object: by its own name, or by names that the event's own lacks.

    Names are no evidence against an object whose fields are undocumented. One name that only the event's own
    object knows settles it: the object is the event's.
    """
    if any(is_named(each, layer.name) for each in event_type.payloads):
        return
    for other, evidence, is_enough in suspects(event_type)(layer.members):
        if is_named(other, layer.name):
            raise _wrong(layer, event_type, other, [name for name in evidence if is_only(other, name)])
        if is_enough:
            raise _wrong(layer, event_type, other, evidence)


_MOST_SHOWN = 3


def _wrong(layer: _Layer, event_type: EventType, other: type[Payload], evidence: list[str]) -> WrongObject:
    fields = f" (it has {', '.join(evidence[:_MOST_SHOWN])})" if evidence else ""
    homes = _homes()[other]
    named = [*homes[:_MOST_SHOWN], *(["others"] if homes[_MOST_SHOWN:] else [])]
    return WrongObject(
        f"This is {_article(other.OBJECT)}{fields}, but {event_type} carries "
        f"{_article(event_type.payloads[0].OBJECT)}. It belongs to {any_of(named)}.",
        pointer=pointer((*layer.path, *evidence[:1])),
    )


@cache
def _homes() -> dict[type[Payload], list[EventType]]:
    """List, for each object, the events that carry it."""
    return {model: [event for event in EventType if model in event.payloads] for model in payload_types()}


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIO' else 'a'} {name}"
