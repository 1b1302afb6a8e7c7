"""The one way from a delivery to an event: read the bytes, find the object, refuse another one, type it."""

from events.catalogue import EventType
from events.delivery import Delivery
from events.errors import BodyTooLarge, Problem
from events.event import Event
from events.formats import MAX_BODY_BYTES, read
from events.models import Payload
from events.models.payload import UNREAD
from events.normalise import Normaliser, take_unread
from events.recognise import known_names
from events.unwrap import unwrap
from events.values import DateOrder, Reading

_MAX_WARNINGS = 20
# Memory for the typed objects of a body, in bytes, and how it grows with the body.
_BUDGET = 100 * 1024 * 1024
_BUDGET_PER_BYTE = 4
# Each subject becomes a row of the timeline.
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
    document = read(
        delivery.body,
        content_type=delivery.content_type,
        content_encoding=delivery.content_encoding,
        max_bytes=max_bytes,
    )
    members, model, warnings = unwrap(document, event_type)
    reading = Reading(date_order)
    budget = _BUDGET + _BUDGET_PER_BYTE * len(delivery.body)
    payload = model.model_validate(Normaliser(budget).members(members, model), context=reading)
    if reading.unread or not isinstance((payload.model_extra or {}).get(UNREAD, {}), dict):
        unread = take_unread(payload)
        payload.keep_unread(unread)
        warnings += [Problem(place, "Could not be read; kept as it came in _unread.") for place in unread]
    subjects = tuple(dict.fromkeys(payload.subjects()))
    if len(subjects) > _MAX_SUBJECTS:
        warnings.append(
            Problem("", f"Of its {len(subjects):,} business keys the first {_MAX_SUBJECTS:,} are used.")
        )
    if not subjects:
        if members and not known_names(members, model):
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
