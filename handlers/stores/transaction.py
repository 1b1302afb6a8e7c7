"""Transactions of the table service: several writes to one partition in one request, done whole or not.

https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from azure.core.pipeline.transport import AsyncHttpResponse

from handlers.stores.wire import FIRST_ERROR, response_error

# The service takes no more.
MAX_OPERATIONS: Final = 100

_BATCH, _CHANGES = "batch_printiq", "changeset_printiq"
HEADERS: Final = {
    "Accept": "application/json",
    "Content-Type": f"multipart/mixed; boundary={_BATCH}",
    "DataServiceVersion": "3.0",
}
_STATUS = re.compile(rb"^HTTP/1\.1 (\d{3})", re.MULTILINE)
_BODY = re.compile(rb"^\{.*\}", re.MULTILINE)


class Operation(NamedTuple):
    """A write in a transaction; `url` is absolute."""

    method: str
    url: str
    body: bytes = b""


def written(operations: Sequence[Operation], headers: Mapping[str, str]) -> bytes:
    """Write a transaction's request body; each of its operations has these headers."""
    part = f"--{_CHANGES}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    # a row's JSON is ASCII in one line, so no boundary can be in it
    changes = b"".join(
        f"{part}{method} {url} HTTP/1.1\r\n{lines}\r\n".encode() + body + b"\r\n"
        for method, url, body in operations
    )
    head = f"--{_BATCH}\r\nContent-Type: multipart/mixed; boundary={_CHANGES}\r\n\r\n"
    return head.encode() + changes + f"--{_CHANGES}--\r\n--{_BATCH}--\r\n".encode()


def check(response: AsyncHttpResponse, operations: int) -> None:
    """Raise azure-core's exception for what failed a transaction, ValueError for what is no answer to it."""
    content = response.body()
    statuses = [int(status) for status in _STATUS.findall(content)]
    for status in statuses:
        if status >= FIRST_ERROR:
            found = _BODY.search(content)
            raise response_error(status, found[0] if found else b"")
    if len(statuses) != operations:
        raise ValueError(f"{len(statuses)} answers to {operations} operations")
