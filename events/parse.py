"""The one way from a delivery to an event: read the bytes, find the object, refuse another one, type it."""

from functools import cache
from typing import Any, NamedTuple

from events.catalogue import EventType, payload_types
from events.delivery import Delivery
from events.errors import BodyTooLarge, Problem, ReportedFailure, WrongObject, pointer
from events.event import Event
from events.formats import Document, read
from events.models import Payload
from events.models._base import plan
from events.shape import shape, unread
from events.values import DateOrder, Reading, is_blank, is_true

MAX_BODY_BYTES = 25 * 1024 * 1024
_MAX_WARNINGS = 20
# Each subject becomes a row of a timeline.
_MAX_SUBJECTS = 1_000


def parse(
    delivery: Delivery, *, date_order: DateOrder = DateOrder.DMY, max_bytes: int = MAX_BODY_BYTES
) -> Event[Payload]:
    """Turn a delivery into a typed event. Raises EventError, and nothing else.

    `date_order` decides which number is the day in dates such as `20/06/24`.
    """
    event_type = EventType.named(delivery.event)
    if len(delivery.body) > max_bytes:
        raise BodyTooLarge.of(len(delivery.body), max_bytes)
    document = read(delivery.body)
    layer, model, warnings = _find(document, event_type)
    reading = Reading(date_order)
    payload = model.model_validate(shape(layer.members, model), context=reading)
    if reading.unread:
        warnings += [Problem(place, "Could not be read; kept as it came.") for place in unread(payload)]
    subjects = tuple(dict.fromkeys(payload.subjects()))
    if len(subjects) > _MAX_SUBJECTS:
        warnings.append(
            Problem("", f"Of its {len(subjects):,} business keys the first {_MAX_SUBJECTS:,} are used.")
        )
    if not subjects:
        if layer.members and not _known(layer.members, model):
            warnings.append(
                Problem(
                    "", f"None of the fields of {model.OBJECT} was recognised; what came is kept as it is."
                )
            )
        warnings.append(Problem("", f"No business key was found in this {model.OBJECT}: it has no subject."))
    return Event(
        event_type,
        payload,
        delivery,
        document.format,
        subjects[:_MAX_SUBJECTS],
        tuple(warnings[:_MAX_WARNINGS]),
    )


class _Layer(NamedTuple):
    """Be one object of a document, perhaps wrapped in others; `path` leads to it."""

    name: str | None
    members: dict[str, Any]
    path: tuple[str, ...] = ()


# The members that printIQ's API answers have around the object; they are no part of it.
_ENVELOPE = {"iserror", "errormessage", "iswarning", "warningmessage", "quoteaccepted"}
_REPORT = {"iserror", "errormessage"}
# SOAP's two, a response, its result and the object.
_MAX_WRAPPING = 5


def _find(document: Document, event_type: EventType) -> tuple[_Layer, type[Payload], list[Problem]]:
    """Unwrap the object, choose its model, and refuse positively wrong ones."""
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
    model = max(models, key=lambda each: (_is_named(each, layer.name), len(_known(layer.members, each))))
    if not _is_named(model, layer.name) and not _known(layer.members, model):
        layer = outermost  # what was taken for wrappers may be the object's own structure
    own = _without_envelope(layer.members, model)
    if len(own) < len(layer.members):  # an answer that is the object itself
        warnings += _reported_warnings(layer)
    return layer._replace(members=own), model, warnings


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
    if any(_known(layer.members, model) for model in models):
        return None
    objects = [name for name, value in layer.members.items() if isinstance(value, dict)]
    if len(objects) == 1 and all(name.lower() in _ENVELOPE for name in layer.members if name != objects[0]):
        # WCF says QuoteDetails around an acceptance too: there it is no name of an object
        said = None if _is_wcf(layer) else objects[0]
        return _Layer(said, layer.members[objects[0]], (*layer.path, objects[0]))
    return None


def _is_wcf(layer: _Layer) -> bool:
    """Tell whether this is what older printIQ wraps quotes and acceptances in."""
    return any(name.lower() == "quoteaccepted" for name in layer.members)


def _knows_more(model: type[Payload], inner: dict[str, Any], outer: dict[str, Any]) -> bool:
    beside = [name for name in _known(outer, model) if name.lower() not in _ENVELOPE]
    return len(_known(inner, model)) >= len(beside)


def _with_beside(
    inner: dict[str, Any], outer: dict[str, Any], wrapper: str, model: type[Payload]
) -> dict[str, Any]:
    """Keep what stands beside a wrapped object as its members, but for the envelope's own."""
    members = dict(inner)
    tried: dict[str, int] = {}
    for name, value in _without_envelope(outer, model).items():
        if name != wrapper:
            free, bare = name, name.lstrip("@")
            while free in members:
                # never one that was tried before: some name their members so that each would be tried for all
                tried[bare] = max(tried.get(bare, 0), len(name) - len(bare)) + 1
                free = "@" * tried[bare] + bare
            members[free] = value
    return members


def _without_envelope(members: dict[str, Any], model: type[Payload]) -> dict[str, Any]:
    left_out = _ENVELOPE - plan(model).names
    if left_out.isdisjoint(map(str.lower, members)):
        return members
    return {name: value for name, value in members.items() if name.lower() not in left_out}


def _is_named(model: type[Payload], name: str | None) -> bool:
    return name is not None and len(name) == len(model.OBJECT) and name.lower() == model.OBJECT.lower()


def _known(members: dict[str, Any], model: type[Payload]) -> tuple[str, ...]:
    return plan(model).route(tuple(members)).known


def _refuse_reported(layer: _Layer, models: tuple[type[Payload], ...]) -> None:
    reported = {name.lower(): name for name in layer.members if name.lower() in _REPORT}
    name = reported.get("iserror")
    is_own = any("iserror" in plan(model).names for model in models)
    if name is not None and is_true(layer.members[name]) and not is_own:
        message = layer.members[reported["errormessage"]] if "errormessage" in reported else None
        said = "no ErrorMessage." if is_blank(message) else f"ErrorMessage: {_quoted(message)}"
        raise ReportedFailure(
            f"This is an answer that reports a failure, not an event; {said}",
            pointer=pointer((*layer.path, name)),
        )
    if layer.name == "Body" and isinstance(fault := layer.members.get("Fault"), dict):
        reason = fault.get("faultstring") or fault.get("Reason")
        reason = reason.get("Text") if isinstance(reason, dict) else reason
        said = "it gives no reason." if is_blank(reason) else _quoted(reason)
        raise ReportedFailure(
            f"This is a SOAP fault, not an event: {said}", pointer=pointer((*layer.path, "Fault"))
        )


def _reported_warnings(layer: _Layer) -> list[Problem]:
    return [
        Problem("", f"printIQ warned: {_quoted(value)}")
        for name, value in layer.members.items()
        if name.lower() == "warningmessage" and not is_blank(value)
    ]


def _quoted(value: object) -> str:
    return str(value).strip()[:1000]


# So many names that belong to one other object alone are no chance, if most of what came is that object's.
_EVIDENCE = 3


def _refuse_wrong(layer: _Layer, event_type: EventType) -> None:
    """Refuse what is positively another object: it says so itself, or has names that only another one has.

    Of an object whose fields nobody has written down, no names are evidence against it.
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
            and 2 * len(_known(layer.members, other)) > len(layer.members)
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


def _evidence(members: dict[str, Any]) -> dict[type[Payload], list[str]]:
    """List, for each object, the members whose names belong to it and to no other."""
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
        for name in plan(model).names:
            owners.setdefault(name, []).append(model)
    return owners


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIO' else 'a'} {name}"
