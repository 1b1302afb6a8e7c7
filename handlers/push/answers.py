"""What an endpoint responds to a push."""

from http import HTTPStatus
from typing import NamedTuple

_SUCCESS = range(200, 300)
_REDIRECTION = range(300, 400)
# An endpoint that gives one of these has trouble of its own; any other 4xx is about the one event.
_IN_TROUBLE = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}


class Answer(NamedTuple):
    """An endpoint's response; `text` is the start of its body, `retry_after` the seconds that it asks for."""

    status: int
    text: str = ""
    retry_after: float | None = None

    @property
    def is_success(self) -> bool:
        return self.status in _SUCCESS

    @property
    def is_gone(self) -> bool:
        """Whether the endpoint wants no more events."""
        return self.status == HTTPStatus.GONE

    @property
    def is_trouble(self) -> bool:
        """Whether other events would fare no better."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR or self.status in _IN_TROUBLE

    @property
    def error(self) -> str:
        """Why it is not a success."""
        if self.status in _REDIRECTION:
            return f"It redirects ({self.status}), which is not followed: give the final address."
        return f"It responded with {self.status}."
