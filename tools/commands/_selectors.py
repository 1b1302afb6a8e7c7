"""What command lines select by, checked by the rules of the app's API before the app is asked."""

from collections.abc import Callable
from typing import Any

import typer
from pydantic import TypeAdapter, ValidationError

from handlers.http.schemas import EventName, KnownEvent, Moment
from handlers.problems import in_plain_words


def _as(rule: Any) -> Callable[[str | None], str | None]:
    """Return an option's callback, which refuses what the rule does not take and spells names as it does."""
    adapter = TypeAdapter[Any](rule)

    def callback(text: str | None) -> str | None:
        if text is None:
            return None
        try:
            read = adapter.validate_python(text)
        except ValidationError as error:
            raise typer.BadParameter(in_plain_words(error.errors()[0])) from None
        return read if isinstance(read, str) else text

    return callback


# An event that printIQ knows, in its own spelling.
event = _as(KnownEvent)
# The same, or the name under which the ledger keeps deliveries of no known event.
event_or_unknown = _as(EventName)
# A date or a time.
moment = _as(Moment)
