"""References within a document, resolved to copies of what they refer to.

A reference is the object `{"$ref": id}`, whatever the serializer wrote: Json.NET and System.Text.Json write
just that, DataContract `z:Ref`, SOAP section 5 `href`.
"""

from collections.abc import Mapping

from events.errors import Problem
from events.formats.document import (
    MAX_DEPTH,
    MAX_REPEATED,
    STRUCTURES,
    Element,
    Json,
    too_deep,
    too_many_values,
    too_much_repeated,
)

REF = "$ref"
_MAX_SHOWN = 5


def resolved(
    value: Json, targets: Mapping[str, Json], limit: int, size: int
) -> tuple[Json, tuple[Problem, ...]]:
    """Return the value with copies in place of references, and a warning for each that could not be resolved.

    One that leads nowhere or in a circle stays as it is. Raises Malformed where there would be more than
    `limit` values, too many levels, or much more text than a body of this size has.
    """
    resolver = _Resolver(targets, limit, size + MAX_REPEATED)
    whole = resolver.copy(value, frozenset(), MAX_DEPTH)
    return whole, tuple(
        Problem("", f"The reference {target[:60]!r} leads nowhere or in a circle; it is kept as {REF}.")
        for target in list(resolver.unresolved)[:_MAX_SHOWN]
    )


class _Resolver:
    def __init__(self, targets: Mapping[str, Json], limit: int, most_text: int) -> None:
        self._targets = targets
        self._ids = {id(value): target for target, value in targets.items()}
        self._limit = limit
        self._count = 0
        self._text_left = most_text
        self.unresolved: dict[str, None] = {}

    def copy(self, value: Json, inside: frozenset[str], levels: int) -> Json:
        self._count += 1
        if self._count > self._limit:
            raise too_many_values(self._limit)
        if not isinstance(value, STRUCTURES):
            if isinstance(value, str):
                self._add_text(value)
            return value
        if not levels:
            raise too_deep()
        if (target := _target_of(value)) is not None:
            if target in self._targets and target not in inside:
                return self.copy(self._targets[target], inside | {target}, levels - 1)
            self.unresolved[target] = None
            return value
        if (own := self._ids.get(id(value))) is not None:
            inside |= {own}
        if isinstance(value, list):
            return [self.copy(item, inside, levels - 1) for item in value]
        self._add_text(*value)
        copied = {name: self.copy(item, inside, levels - 1) for name, item in value.items()}
        if isinstance(value, Element):
            self._add_text(value.markup or "")
            return value.like(copied)
        return copied

    def _add_text(self, *texts: str) -> None:
        self._text_left -= sum(map(len, texts))
        if self._text_left < 0:
            raise too_much_repeated()


def _target_of(value: Json) -> str | None:
    if isinstance(value, dict) and len(value) == 1 and isinstance(target := value.get(REF), str):
        return target
    return None
