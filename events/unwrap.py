"""From a document to the event's own object: envelopes and wrappers, reported failures, other objects."""

from functools import cache
from typing import NamedTuple

from events.catalogue import EventType, payload_types
from events.errors import Problem, ReportedFailure, WrongObject, pointer
from events.fields import field_map
from events.formats import Document, Json
from events.models import Payload
from events.values import is_blank, is_true


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


# The members of printIQ's API responses around the object; they are no part of it.
_ENVELOPE = {"iserror", "errormessage", "iswarning", "warningmessage", "quoteaccepted"}
_REPORT = {"iserror", "errormessage"}
# SOAP's two, a response, its result and the object.
_MAX_WRAPPING = 5


def unwrap(document: Document, event_type: EventType) -> Unwrapped:
    """Find the event's object in a document and choose its model. Raises ReportedFailure and WrongObject."""
    models = event_type.payloads
    layer = outermost = _Layer(document.root, document.members)
    warnings: list[Problem] = []
    for _ in range(_MAX_WRAPPING):
        _refuse_reported(layer, models)
        inner = _inside(layer, models)
        if inner is None:
            break
        warnings += _reported_warnings(layer)
        layer = inner
    _refuse_wrong(layer, event_type)
    model = max(models, key=lambda each: (_is_named(each, layer.name), len(known_names(layer.members, each))))
    if not _is_named(model, layer.name) and not known_names(layer.members, model):
        layer = outermost  # the supposed wrappers may be the object's own structure
    own = _without_envelope(layer.members, model)
    if len(own) < len(layer.members):  # a response that is the object itself
        warnings += _reported_warnings(layer)
    return Unwrapped(own, model, warnings)


def _inside(layer: _Layer, models: tuple[type[Payload], ...]) -> _Layer | None:
    """Return the object that these members wrap, None where they are the object itself."""
    if layer.name == "Envelope" and isinstance(body := layer.members.get("Body"), dict):
        return _Layer("Body", body, (*layer.path, "Body"))
    if any(_is_named(model, layer.name) for model in models) and not _is_wcf(layer):
        return None
    for model in models:
        for name in (each for each in layer.members if _is_named(model, each)):
            value = layer.members[name]
            inner = value[0] if isinstance(value, list) and len(value) == 1 else value
            if isinstance(inner, dict) and _knows_more(model, inner, layer.members):
                return _Layer(name, _with_beside(inner, layer.members, name, model), (*layer.path, name))
    if any(known_names(layer.members, model) for model in models):
        return None
    objects = {name: value for name, value in layer.members.items() if isinstance(value, dict)}
    if len(objects) == 1 and all(name.lower() in _ENVELOPE for name in layer.members if name not in objects):
        ((name, inner),) = objects.items()
        # WCF writes QuoteDetails around an acceptance too: there it does not name the object.
        return _Layer(None if _is_wcf(layer) else name, inner, (*layer.path, name))
    return None


def _is_wcf(layer: _Layer) -> bool:
    """Whether this is what older printIQ wraps quotes and acceptances in."""
    return any(name.lower() == "quoteaccepted" for name in layer.members)


def _knows_more(model: type[Payload], inner: dict[str, Json], outer: dict[str, Json]) -> bool:
    beside = [name for name in known_names(outer, model) if name.lower() not in _ENVELOPE]
    return len(known_names(inner, model)) >= len(beside)


def _with_beside(
    inner: dict[str, Json], outer: dict[str, Json], wrapper: str, model: type[Payload]
) -> dict[str, Json]:
    """Keep what is beside a wrapped object as its members, except the envelope's own."""
    members = dict(inner)
    tried: dict[str, int] = {}
    for name, value in _without_envelope(outer, model).items():
        if name != wrapper:
            free, bare = name, name.lstrip("@")
            while free in members:
                # Never try a prefix twice: hostile names could otherwise make this quadratic.
                tried[bare] = max(tried.get(bare, 0), len(name) - len(bare)) + 1
                free = "@" * tried[bare] + bare
            members[free] = value
    return members


def _without_envelope(members: dict[str, Json], model: type[Payload]) -> dict[str, Json]:
    left_out = _ENVELOPE - field_map(model).names
    if left_out.isdisjoint(map(str.lower, members)):
        return members
    return {name: value for name, value in members.items() if name.lower() not in left_out}


def _is_named(model: type[Payload], name: str | None) -> bool:
    return name is not None and len(name) == len(model.OBJECT) and name.lower() == model.OBJECT.lower()


def known_names(members: dict[str, Json], model: type[Payload]) -> tuple[str, ...]:
    return field_map(model).assign(tuple(members)).known


def _refuse_reported(layer: _Layer, models: tuple[type[Payload], ...]) -> None:
    reported = {name.lower(): name for name in layer.members if name.lower() in _REPORT}
    name = reported.get("iserror")
    is_own = any("iserror" in field_map(model).names for model in models)
    if name is not None and is_true(layer.members[name]) and not is_own:
        message = layer.members[reported["errormessage"]] if "errormessage" in reported else None
        detail = "no ErrorMessage." if is_blank(message) else f"ErrorMessage: {_quoted(message)}"
        raise ReportedFailure(
            f"This is a response that reports a failure, not an event; {detail}",
            pointer=pointer((*layer.path, name)),
        )
    if layer.name == "Body" and isinstance(fault := layer.members.get("Fault"), dict):
        reason = fault.get("faultstring") or fault.get("Reason")
        if isinstance(reason, dict):
            reason = reason.get("Text")
        shown = "it gives no reason." if is_blank(reason) else _quoted(reason)
        raise ReportedFailure(
            f"This is a SOAP fault, not an event: {shown}", pointer=pointer((*layer.path, "Fault"))
        )


def _reported_warnings(layer: _Layer) -> list[Problem]:
    return [
        Problem("", f"printIQ warned: {_quoted(value)}")
        for name, value in layer.members.items()
        if name.lower() == "warningmessage" and not is_blank(value)
    ]


def _quoted(value: object) -> str:
    return str(value).strip()[:1000]


# This many names unique to another object are evidence, if most members belong to it.
_EVIDENCE = 3


def _refuse_wrong(layer: _Layer, event_type: EventType) -> None:
    """Refuse what is positively another object: by its own name, or by names that only another one has.

    Names are no evidence against an object whose fields are undocumented.
    """
    own = event_type.payloads
    if any(_is_named(each, layer.name) for each in own):
        return
    evidence = _evidence(layer.members)
    if any(each in evidence for each in own):
        return
    for other in payload_types():
        names = evidence.get(other, [])
        is_other = (
            len(names) >= _EVIDENCE
            and 2 * len(known_names(layer.members, other)) > len(layer.members)
            and any(each.DOCUMENTED for each in own)
        )
        if other not in own and (is_other or _is_named(other, layer.name)):
            fields = f" (it has {', '.join(names[:_EVIDENCE])})" if names else ""
            homes = [event for event in EventType if other in event.payloads]
            raise WrongObject(
                f"This is {_article(other.OBJECT)}{fields}, but {event_type} carries "
                f"{_article(own[0].OBJECT)}. It belongs to {' or '.join(homes[:3])}"
                f"{' or others' if homes[3:] else ''}.",
                pointer=pointer((*layer.path, *names[:1])),
            )


def _evidence(members: dict[str, Json]) -> dict[type[Payload], list[str]]:
    """List, for each object, the members whose names belong to it alone."""
    evidence: dict[type[Payload], list[str]] = {}
    for name in members:
        owners = _owners().get(name.lower(), [])
        if len(owners) == 1:
            evidence.setdefault(owners[0], []).append(name)
    return evidence


@cache
def _owners() -> dict[str, list[type[Payload]]]:
    """List, for each name in lower case, the objects that have a field of that name."""
    owners: dict[str, list[type[Payload]]] = {}
    for model in payload_types():
        for name in field_map(model).names:
            owners.setdefault(name, []).append(model)
    return owners


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIO' else 'a'} {name}"
