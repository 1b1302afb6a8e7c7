"""The one way from a delivery to an event: read the bytes, find the object, check that it is the right one, type it."""

from typing import Any, NamedTuple

from events.catalogue import EventType, payload_types
from events.delivery import Delivery
from events.errors import BodyTooLarge, Problem, ReportedFailure, WrongObject
from events.event import Event
from events.formats import Document, read
from events.models import Payload
from events.models._base import plan
from events.shape import shape, unread
from events.values import DateOrder, Reading, is_blank, is_true

MAX_BODY_BYTES = 25 * 1024 * 1024
_MAX_WARNINGS = 20


def parse(
    delivery: Delivery, *, date_order: DateOrder = DateOrder.DMY, max_bytes: int = MAX_BODY_BYTES
) -> Event[Payload]:
    """Turn a delivery into a typed event. Raises EventError, and nothing else.

    `date_order` decides which number is the day in dates such as `20/06/24`.
    """
    event_type = EventType.named(delivery.event)
    if len(delivery.body) > max_bytes:
        raise BodyTooLarge(
            f"The body has {len(delivery.body):,} bytes; at most {max_bytes:,} are read (setting MAX_BODY_BYTES)."
        )
    document = read(delivery.body)
    found = _find(document, event_type)
    reading = Reading(date_order)
    payload = found.model.model_validate(shape(found.members, found.model), context=reading)
    subjects = tuple(dict.fromkeys(payload.subjects()))
    warnings = list(found.warnings)
    if reading.unread:
        warnings += [Problem(place, "Could not be read; kept as it came.") for place in unread(payload)]
    if not subjects:
        warnings.append(Problem("", f"No business key was found in this {found.model.OBJECT}: it has no subject."))
    return Event(event_type, payload, delivery, document.format, subjects, tuple(warnings[:_MAX_WARNINGS]))


class _Found(NamedTuple):
    model: type[Payload]
    members: dict[str, Any]
    warnings: list[Problem]


# The members that printIQ's API answers have around the object; they are no part of it.
_ENVELOPE = {"iserror", "errormessage", "iswarning", "warningmessage", "quoteaccepted"}
# SOAP's two, a response, its result and the object.
_MAX_WRAPPING = 5


def _find(document: Document, event_type: EventType) -> _Found:
    """Unwrap the object, choose its model, and refuse positively wrong ones."""
    models = event_type.payloads
    name, members = document.root, document.members
    warnings: list[Problem] = []
    for _ in range(_MAX_WRAPPING):
        _refuse_reported(members, models)
        inner = _inside(name, members, models)
        if inner is None:
            break
        warnings += _reported_warnings(members)
        name, members = inner
    model = max(models, key=lambda each: (_is_named(each, name), len(_known(members, each))))
    _refuse_wrong(name, members, event_type, model)
    if members and not _known(members, model):
        warnings.append(
            Problem("", f"None of the fields of {model.OBJECT} was recognised; what came is kept as it is.")
        )
    return _Found(model, members, warnings)


def _inside(
    name: str | None, members: dict[str, Any], models: tuple[type[Payload], ...]
) -> tuple[str, dict[str, Any]] | None:
    """Return what these members wrap, None where they are the object itself."""
    if name == "Envelope" and isinstance(members.get("Body"), dict):
        return "Body", members["Body"]
    if any(_is_named(model, name) or _known(members, model) for model in models):
        return None
    objects = [(key, value) for key, value in members.items() if isinstance(value, dict)]
    for key, value in objects:
        if any(_is_named(model, key) for model in models):
            beside = {k: v for k, v in members.items() if k != key and k.lower() not in _ENVELOPE and k not in value}
            return key, {**value, **beside}
    if len(objects) == 1 and all(key.lower() in _ENVELOPE for key in members if key != objects[0][0]):
        return objects[0]
    return None


def _is_named(model: type[Payload], name: str | None) -> bool:
    return name is not None and name.lower() == model.OBJECT.lower()


def _known(members: dict[str, Any], model: type[Payload]) -> list[str]:
    names = plan(model).names
    return [name for name in members if name.lower() in names]


def _refuse_reported(members: dict[str, Any], models: tuple[type[Payload], ...]) -> None:
    folded = {name.lower(): (name, value) for name, value in members.items()}
    if not any("iserror" in plan(model).names for model in models) and "iserror" in folded:
        name, value = folded["iserror"]
        if is_true(value):
            _, message = folded.get("errormessage", ("", None))
            said = "no ErrorMessage" if is_blank(message) else f"ErrorMessage: {str(message).strip()[:1000]}"
            raise ReportedFailure(f"This is an answer that reports a failure, not an event; {said}", pointer=f"/{name}")
    if isinstance(fault := members.get("Fault"), dict):
        said = fault.get("faultstring") or fault.get("Reason") or "no reason"
        raise ReportedFailure(f"This is a SOAP fault, not an event: {str(said)[:1000]}", pointer="/Fault")


def _reported_warnings(members: dict[str, Any]) -> list[Problem]:
    return [
        Problem(f"/{name}", f"printIQ warned: {str(value).strip()[:1000]}")
        for name, value in members.items()
        if name.lower() == "warningmessage" and not is_blank(value)
    ]


# So many names that belong to one other object alone are no chance.
_EVIDENCE = 3


def _refuse_wrong(name: str | None, members: dict[str, Any], event_type: EventType, model: type[Payload]) -> None:
    """Refuse what is positively another object: it says so itself, or has names that only another one has."""
    if any(_is_named(each, name) for each in event_type.payloads):
        return
    others = [each for each in payload_types() if each not in event_type.payloads]
    if any(_only(members, each) for each in event_type.payloads):
        return
    for other in others:
        evidence = _only(members, other)
        if _is_named(other, name) or len(evidence) >= _EVIDENCE:
            fields = f" (it has {', '.join(evidence[:_EVIDENCE])})" if evidence else ""
            homes = [event for event in EventType if other in event.payloads]
            raise WrongObject(
                f"This is {_article(other.OBJECT)}{fields}, but {event_type} carries {_article(model.OBJECT)}. "
                f"It belongs to {' or '.join(homes[:3])}{' or others' if len(homes) > 3 else ''}.",  # noqa: PLR2004 - enough to read
                pointer=f"/{evidence[0]}" if evidence else "",
            )


def _only(members: dict[str, Any], model: type[Payload]) -> list[str]:
    """Return the members whose names belong to this object and no other."""
    return [
        name for name in _known(members, model) if sum(name.lower() in plan(each).names for each in payload_types()) == 1
    ]


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIO' else 'a'} {name}"
