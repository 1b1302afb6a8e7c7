"""The part of Azure's workflow definition language that our workflows use: enough to run their actions.

https://learn.microsoft.com/azure/logic-apps/expression-functions-reference
https://learn.microsoft.com/azure/logic-apps/logic-apps-workflow-definition-language#operators
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

type Json = Any

DATE_PATTERNS = {"yyyy-MM-dd HH:mm": "%Y-%m-%d %H:%M"}
FUNCTIONS: dict[str, Callable[..., Json]] = {
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "concat": lambda *values: "".join("" if value is None else str(value) for value in values),
    "empty": lambda value: not value,
    "endsWith": lambda text, end: text.lower().endswith(end.lower()),
    "equals": lambda one, other: one == other,
    "formatDateTime": lambda text, pattern: datetime.fromisoformat(text).strftime(DATE_PATTERNS[pattern]),
    "if": lambda condition, yes, no: yes if condition else no,
    "join": lambda values, separator: separator.join(values),
    "json": json.loads,
    "not": lambda value: not value,
    "replace": lambda text, old, new: text.replace(old, new),
    "skip": lambda values, count: values[count:],
    "split": lambda text, separator: text.split(separator),
    "toLower": lambda text: text.lower(),
    "uriHost": lambda text: urlsplit(text).hostname,
}
TOKEN = re.compile(r"\s*('(?:[^']|'')*'|\d+|\w+|\?\[|[()\[\],])")


class Workflow:
    """A run of a workflow definition. `responses` are those to its own calls over HTTP."""

    def __init__(
        self, definition: Json, parameters: Mapping[str, str], trigger: Json, responses: Mapping[str, Json]
    ) -> None:
        self.outputs: dict[str, Json] = dict(responses)
        self.requests: dict[str, Json] = {}
        self.status = 202  # what a caller gets unless an action responds
        self._functions = FUNCTIONS | {
            "parameters": lambda name: parameters[name],
            "outputs": lambda name: self.outputs[name],
            "body": lambda name: self.outputs[name],
            "triggerBody": lambda: trigger["body"],
            "triggerOutputs": lambda: trigger,
        }
        self._run_all(definition["actions"])

    def _run_all(self, actions: dict[str, Json]) -> None:
        for name, action in _in_order(actions):
            if action["type"] == "If":
                if self._filled_in(action["expression"]):
                    self._run_all(action["actions"])
            else:
                self._run(name, action["type"], action["inputs"])

    def _run(self, name: str, type_: str, inputs: Json) -> None:
        if type_ == "Response":
            self.status = self._filled_in(inputs["statusCode"])
        elif type_ == "Http":
            self.requests[name] = self._filled_in(inputs)
        elif type_ == "Compose":
            self.outputs[name] = self._filled_in(inputs)
        elif type_ == "Query":
            items = self._filled_in(inputs["from"])
            self.outputs[name] = [item for item in items if self._filled_in(inputs["where"], item)]
        elif type_ == "Select":
            items = self._filled_in(inputs["from"])
            self.outputs[name] = [self._filled_in(inputs["select"], item) for item in items]
        else:
            raise AssertionError(f"{name}: these tests cannot run an action of the type {type_}")

    def _filled_in(self, value: Json, item: Json = None) -> Json:
        if isinstance(value, dict):
            return {name: self._filled_in(member, item) for name, member in value.items()}
        if isinstance(value, list):
            return [self._filled_in(member, item) for member in value]
        if isinstance(value, str) and value.startswith("@") and not value.startswith("@{"):
            return self._value_of(value[1:], item)
        if isinstance(value, str):
            return re.sub(r"@\{(.*?)\}", lambda found: str(self._value_of(found[1], item)), value)
        return value

    def _value_of(self, expression: str, item: Json) -> Json:
        tokens = TOKEN.findall(expression)
        assert "".join(tokens) == re.sub(r"\s+(?=(?:[^']*'[^']*')*[^']*$)", "", expression), expression
        value = self._parsed(tokens, item)
        assert not tokens, expression
        return value

    def _parsed(self, tokens: list[str], item: Json) -> Json:
        token = tokens.pop(0)
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if token.isdigit():
            return int(token)
        assert tokens.pop(0) == "(", token
        arguments = []
        while tokens[0] != ")":
            arguments.append(self._parsed(tokens, item))
            if tokens[0] == ",":
                tokens.pop(0)
        tokens.pop(0)
        value = item if token == "item" else self._functions[token](*arguments)
        while tokens and tokens[0] in {"?[", "["}:
            safe = tokens.pop(0) == "?["
            key = self._parsed([tokens.pop(0)], item)
            assert tokens.pop(0) == "]", key
            value = _member(value, key) if safe else value[key]
        return value


def _member(value: Json, key: str | int) -> Json:
    if isinstance(value, list) and isinstance(key, int):
        return value[key] if key < len(value) else None
    return value.get(key) if isinstance(value, dict) else None


def _in_order(actions: dict[str, Json]) -> Iterator[tuple[str, Json]]:
    """Yield each action once those that it runs after have run."""
    done: set[str] = set()
    while len(done) < len(actions):
        ready = [name for name in actions if name not in done and set(actions[name]["runAfter"]) <= done]
        assert ready, "actions wait for each other"
        for name in ready:
            yield name, actions[name]
            done.add(name)
