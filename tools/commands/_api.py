"""Asks an app's JSON API, for the commands that need more than one thing of it."""

from typing import Any, Self

import httpx

from tools.commands._target import UnreachableError, app_answers, hint

_SECONDS = 60


class NotPossibleError(Exception):
    """Say, in the app's words, why it does not do what was asked."""


class Api:
    """Hold a connection to an app's API.

    Every question raises UnreachableError where it is not answered, NotPossibleError where it cannot be.
    """

    def __init__(self, url: str, key: str | None) -> None:
        self.url = url.rstrip("/")
        headers = {"x-functions-key": key} if key else {}
        self._client = httpx.Client(base_url=f"{self.url}/api", headers=headers, timeout=_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def find(self, path: str, **query: str | None) -> httpx.Response | None:
        """Return the answer, None where the app says that there is no such thing."""
        given = {name: value for name, value in query.items() if value is not None}
        with app_answers(self.url):
            answered = self._client.get(path, params=given)
        if answered.status_code == httpx.codes.NOT_FOUND and answered.content:
            return None
        if answered.status_code == httpx.codes.CONFLICT:
            raise NotPossibleError(hint(answered))
        if answered.status_code != httpx.codes.OK:
            said = f"{self.url}/api/{path} answered {answered.status_code} {answered.reason_phrase}."
            raise UnreachableError(f"{said} {hint(answered)}")
        return answered

    def json(self, path: str, **query: str | None) -> Any:
        """Return what is answered. Raises UnreachableError where there is no such thing, too."""
        found = self.find(path, **query)
        if found is None:
            raise UnreachableError(f"{self.url} has no /api/{path}: is the app there an older one?")
        return found.json()
