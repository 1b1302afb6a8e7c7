"""Matches paths as the .NET host does: ASP.NET route templates, in order of registration, case ignored."""

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tools.host.errors import HostError

_PARAMETER = re.compile(
    r"\{(?P<star>\*{0,2})(?P<name>\w+)(?P<constraints>(?::[^{}=?]+)*)(?:=(?P<default>[^{}]*))?(?P<optional>\??)\}"
)


def _is(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda value: compiled.fullmatch(value) is not None


_CONSTRAINTS: Mapping[str, Callable[[str], bool]] = {
    "int": _is(r"-?\d{1,10}"),
    "long": _is(r"-?\d{1,19}"),
    "bool": _is(r"true|false"),
    "guid": _is(r"\{?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}\}?"),
    "alpha": _is(r"[a-z]*"),
}


@dataclass(frozen=True, slots=True)
class Template:
    """One compiled route template."""

    pattern: re.Pattern[str]
    constraints: tuple[tuple[str, Callable[[str], bool]], ...]
    defaults: Mapping[str, str]

    def match(self, path: str) -> dict[str, str] | None:
        """Return the route's values, or None for another path; `path` is decoded by `decode`."""
        if "//" in path:  # as on the platform, no segment is empty
            return None
        found = self.pattern.fullmatch(path.removeprefix("/"))
        if found is None:
            return None
        values = {name: value for name, value in found.groupdict().items() if value}
        if any(name in values and not holds(values[name]) for name, holds in self.constraints):
            return None
        return {**self.defaults, **values}


def compile_template(template: str) -> Template:
    """Compile literals, `{name}`, `{name?}`, `{name=default}`, `{name:int}` and a last `{*rest}`."""
    constraints: list[tuple[str, Callable[[str], bool]]] = []
    defaults: dict[str, str] = {}
    pattern = ""
    for index, segment in enumerate(template.strip("/").split("/")):
        may_be_absent, body, position = False, "", 0
        for parameter in _PARAMETER.finditer(segment):
            name = parameter["name"]
            body += _literal(segment[position : parameter.start()], template)
            body += f"(?P<{name}>{'.*' if parameter['star'] else '[^/]+?'})"
            position = parameter.end()
            may_be_absent = bool(
                parameter["optional"] or parameter["star"] or parameter["default"] is not None
            )
            if parameter["default"] is not None:
                defaults[name] = parameter["default"]
            constraints += [(name, _constraint(c, template)) for c in parameter["constraints"].split(":")[1:]]
        body += _literal(segment[position:], template)
        separator = "/" if index else ""
        pattern += f"(?:{separator}{body})?" if may_be_absent else f"{separator}{body}"
    # One trailing slash is nothing, but where a catch-all takes it.
    return Template(re.compile(f"{pattern}/?", re.IGNORECASE | re.DOTALL), tuple(constraints), defaults)


def _literal(text: str, template: str) -> str:
    if "{" in text or "}" in text:
        raise HostError(f'The route "{template}" cannot be read near "{text}".')
    return re.escape(text)


def _constraint(name: str, template: str) -> Callable[[str], bool]:
    try:
        return _CONSTRAINTS[name.lower()]
    except KeyError:
        known = ", ".join(_CONSTRAINTS)
        raise HostError(
            f'The route "{template}" has the constraint "{name}"; the local host knows {known}.'
        ) from None


_ESCAPES = re.compile(r"(?:%[0-9a-f]{2})+", re.IGNORECASE)


def decode(path: str) -> str | None:
    """Decode a path as Kestrel does, or return None where it answers 400.

    An encoded slash stays as it was sent, and so do bytes that are no UTF-8; dot segments are resolved.
    """
    decoded = "/".join(_decoded_segment(segment) for segment in path.split("/"))
    if "\0" in decoded:
        return None
    resolved: list[str] = []
    segments = decoded.split("/")
    for index, segment in enumerate(segments):
        last = index == len(segments) - 1
        if segment == "..":
            if len(resolved) > 1:
                resolved.pop()
        elif segment != ".":
            resolved.append(segment)
            continue
        if last:
            resolved.append("")
    return "/".join(resolved)


def _decoded_segment(segment: str) -> str:
    parts = re.split("(%2f)", segment, flags=re.IGNORECASE)
    return "".join(
        part if index % 2 else _ESCAPES.sub(_decoded_run, part) for index, part in enumerate(parts)
    )


def _decoded_run(escapes: re.Match[str]) -> str:
    return bytes.fromhex(escapes[0].replace("%", "")).decode("utf-8", "kestrel")


def _keep_escaped(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "".join(f"%{byte:02X}" for byte in error.object[error.start : error.end]), error.end


codecs.register_error("kestrel", _keep_escaped)
