"""What schemathesis must not try, because it never reaches the app."""

from typing import Any

import schemathesis


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case[Any]) -> bool:  # noqa: ARG001 - its signature
    """Leave out empty values: the Functions host hands on a parameter only where it has a value."""
    return "" not in (case.query or {}).values()
