"""Matches paths as the .NET host does: ASP.NET route templates, in order of registration, case ignored."""

import codecs
import re
from dataclasses import dataclass

from tools.host.errors import HostError

_PARAMETER = re.compile(r"\{(?P<star>\*?)(?P<name>\w+)(?P<optional>\??)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """One compiled route template."""

    pattern: re.Pattern[str]

    def match(self, path: str) -> dict[str, str] | None:
        """Return the route's values, or None for another path; `path` is decoded by `decode`."""
        if "//" in path:  # as on the platform, no segment is empty
            return None
        found = self.pattern.fullmatch(path.removeprefix("/"))
        return None if found is None else {name: value for name, value in found.groupdict().items() if value}


def compile_template(template: str) -> Template:
    """Compile a template whose segments are literals, `{name}`, `{name?}` or a last `{*rest}`.

    Raises HostError for what else ASP.NET has, such as a constraint or a default.
    """
    pattern = ""
    for index, segment in enumerate(template.strip("/").split("/")):
        separator = "/" if index else ""
        if parameter := _PARAMETER.fullmatch(segment):
            value = f"{separator}(?P<{parameter['name']}>{'.*' if parameter['star'] else '[^/]+'})"
            pattern += f"(?:{value})?" if parameter["star"] or parameter["optional"] else value
        elif {"{", "}"} & set(segment):
            raise HostError(
                f'The route "{template}" has the segment "{segment}". '
                "The local host knows literals, {name}, {name?} and {*rest}."
            )
        else:
            pattern += separator + re.escape(segment)
    # One trailing slash is nothing, but where a catch-all takes it.
    return Template(re.compile(f"{pattern}/?", re.IGNORECASE | re.DOTALL))


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
