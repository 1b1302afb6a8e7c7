"""What schemathesis must not try: what never reaches the app, and what takes its time by design."""

from typing import Any

import schemathesis


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case[Any]) -> bool:
    """Leave out what arrives as an empty value: the Functions host drops a parameter that has none."""
    values = (case.query or {}).values()
    return all(any(each not in ("", None, {}, []) for each in _listed(value)) for value in values)


def _listed(value: object) -> list[object]:
    """Return the values that a parameter is sent with: of an object, its names."""
    return list(value) if isinstance(value, list | dict) else [value]


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext,
    case: schemathesis.Case[Any],
    kwargs: dict[str, Any],
) -> None:
    """Replay a few at a time: 500, which is the default, take ten seconds."""
    if case.path == "/replays" and isinstance(case.body, dict):
        case.body.setdefault("limit", 3)
