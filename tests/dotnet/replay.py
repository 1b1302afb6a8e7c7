"""Takes the recorded requests apart, sends them byte for byte, and compares data by what it means."""

import re
import socket
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from io import BufferedReader
from typing import Any

_CHUNKED = re.compile(rb"(?im)^transfer-encoding:")
_LENGTH = re.compile(rb"(?im)^content-length: *(\d+)")
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*")


def requests(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Split a recording into (head, framed body) as they were sent, framing untouched."""
    while raw:
        head, _, rest = raw.partition(b"\r\n\r\n")
        head += b"\r\n\r\n"
        if _CHUNKED.search(head):
            size = rest.index(b"\r\n0\r\n\r\n") + 7
        else:
            length = _LENGTH.search(head)
            size = int(length[1]) if length else 0
        yield head, rest[:size]
        raw = rest[size:]


def bodies(raw: bytes) -> Iterator[bytes]:
    """Yield the bodies without chunk framing: what a hot-folder drop of the same event would hold."""
    for head, framed in requests(raw):
        yield _without_chunks(framed) if _CHUNKED.search(head) else framed


def _without_chunks(framed: bytes) -> bytes:
    whole = b""
    while framed:
        line, _, rest = framed.partition(b"\r\n")
        size = int(line, 16)
        whole, framed = whole + rest[:size], rest[size + 2 :]
    return whole


def send(raw: bytes, host: str, port: int) -> list[tuple[int, bytes]]:
    """Send a recording on one connection, each request after the response to the one before."""
    with (
        socket.create_connection((host, port), timeout=60) as connection,
        connection.makefile("rb") as stream,
    ):
        responses = []
        for head, body in requests(raw):
            connection.sendall(head + body)
            responses.append(_response(stream))
        return responses


def _response(stream: BufferedReader) -> tuple[int, bytes]:
    """Read one response: its status and body. An interim 100 is passed over."""
    while True:
        status, headers = int(stream.readline().split()[1]), {}
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        if status == 100:
            continue
        if headers.get(b"transfer-encoding") == b"chunked":
            body = b""
            while size := int(stream.readline(), 16):
                body += stream.read(size)
                stream.readline()
            stream.readline()
            return status, body
        length = headers.get(b"content-length")
        return status, stream.read() if length is None else stream.read(int(length))


def same(expected: Any, got: Any) -> bool:
    """Compare by meaning.

    Blanks are one, numbers are compared by value in either form, moments by instant and offset, and members
    are found in any case. Members that are not expected are ignored.
    """
    if expected in (None, "", []) and not isinstance(expected, bool):
        return got in (None, "", [], {}) and not isinstance(got, bool | int)
    if isinstance(expected, dict):
        return isinstance(got, dict) and _has_members(expected, got)
    if isinstance(expected, list):
        return isinstance(got, list) and len(got) == len(expected) and all(map(same, expected, got))
    if isinstance(got, dict | list) or got is None:
        return False
    return _same_scalars(
        *(str(each).lower() if isinstance(each, bool) else str(each) for each in (expected, got))
    )


def _has_members(expected: dict[str, Any], got: dict[str, Any]) -> bool:
    folded = {name.lower(): value for name, value in got.items()}
    return all(same(value, got.get(name, folded.get(name.lower()))) for name, value in expected.items())


def _same_scalars(one: str, other: str) -> bool:
    if one == other:
        return True
    if _NUMBER.fullmatch(one) and _NUMBER.fullmatch(other):  # 007 is no number
        return Decimal(one) == Decimal(other)
    if _MOMENT.fullmatch(one) and _MOMENT.fullmatch(other):
        try:
            first, second = datetime.fromisoformat(one), datetime.fromisoformat(other)
        except ValueError:
            return False
        return (
            first.replace(tzinfo=None) == second.replace(tzinfo=None)
            and first.utcoffset() == second.utcoffset()
        )
    return False
