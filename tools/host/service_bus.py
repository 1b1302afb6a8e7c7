"""Runs a local Service Bus namespace that takes what the documented REST send takes, and holds it.

https://learn.microsoft.com/rest/api/servicebus/send-message-to-queue

It is no broker: nothing is received from it by AMQP. `GET /` lists what it holds, by entity and session.
"""

import json
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tools.host.http import bind

PORT_OPTION = "--service-bus-port"
DEFAULT_PORT = 5673

# https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas
STANDARD_BYTES = 256 * 1024
_MAX_ID = 128
# https://learn.microsoft.com/rest/api/servicebus/message-headers-and-properties
_TEXTS = frozenset(
    {"MessageId", "SessionId", "Label", "CorrelationId", "ReplyTo", "ReplyToSessionId", "To", "PartitionKey"}
)
_OTHERS = frozenset({"TimeToLive", "TimeToLiveTimeSpan", "ScheduledEnqueueTimeUtc", "ViaPartitionKey"})
_QUERY = frozenset({"timeout", "api-version"})


@dataclass(frozen=True, slots=True)
class Held:
    """A message that was taken."""

    entity: str
    message_id: str
    session_id: str
    label: str
    content_type: str
    body: str


class _Refused(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        # a client may leave at any time, and takes its connection with it
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class ServiceBus:
    """A namespace on 127.0.0.1 while the `with` block lasts; its entities have sessions and find duplicates.

    `answer`, if it is set, may answer a send in its place: with a status, or None to let it be. It gets the
    number of the send, from 1. `refused` lists what was wrong with what was sent.
    """

    def __init__(self, entities: Iterable[str], port: int, *, most_bytes: int = STANDARD_BYTES) -> None:
        self.port = port
        self.answer: Callable[[int], int | None] | None = None
        self.refused: list[str] = []
        self._held: dict[tuple[str, str], Held] = {}
        self.sends = 0
        self._entities = {name.lower() for name in entities}
        self._most_bytes = most_bytes
        self._lock = threading.Lock()

    @property
    def namespace(self) -> str:
        """The value of the setting SERVICE_BUS__fullyQualifiedNamespace."""
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        """Start it. Raises PortTakenError."""
        listener = bind(self.port, PORT_OPTION)
        self._server = _Server(("127.0.0.1", self.port), _handler(self), bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listener
        self._server.server_address = listener.getsockname()
        self._server.server_activate()
        threading.Thread(target=self._server.serve_forever, name="service-bus", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def held(self) -> list[Held]:
        """The messages of all entities, in the order of arrival."""
        return list(self._held.values())

    def clear(self) -> None:
        """Forget all messages, and that they came."""
        self._held.clear()

    def sessions(self, entity: str) -> dict[str, list[Held]]:
        """Return what an entity holds, by session, in the order of arrival."""
        found: defaultdict[str, list[Held]] = defaultdict(list)
        for each in self.held:
            if each.entity == entity.lower():
                found[each.session_id].append(each)
        return dict(found)

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """Take a message and return the status. Raises _Refused."""
        with self._lock:
            self.sends += 1
            if self.answer is not None and (status := self.answer(self.sends)) is not None:
                raise _Refused(status, "as the test wants it")
        entity = self._entity(path)
        if not headers.get("Authorization", "").startswith(("Bearer ", "SharedAccessSignature ")):
            raise _Refused(401, "MissingToken: the Authorization header holds no token")
        if not headers.get("Content-Type"):
            raise _Refused(400, "there is no Content-Type")
        properties = _properties(headers.get("BrokerProperties"))
        if len(body) + len(headers["BrokerProperties"]) > self._most_bytes:
            raise _Refused(403, f"the message is larger than {self._most_bytes} bytes")
        held = Held(
            entity=entity,
            message_id=properties["MessageId"],
            session_id=properties["SessionId"],
            label=properties.get("Label", ""),
            content_type=headers["Content-Type"],
            body=body.decode(),
        )
        with self._lock:
            # duplicate detection: the sender does not notice
            self._held.setdefault((entity, held.message_id), held)
        return 201

    def _entity(self, path: str) -> str:
        url = urlsplit(path)
        entity, _, rest = url.path.removeprefix("/").partition("/")
        if rest != "messages" or not set(parse_qs(url.query)) <= _QUERY:
            raise _Refused(400, f"this is no address of a send: {path}")
        if entity.lower() not in self._entities:
            raise _Refused(410, f"there is no queue or topic {entity}")
        return entity.lower()


def _properties(header: str | None) -> dict[str, Any]:
    """Read the header BrokerProperties as it is documented. Raises _Refused."""
    try:
        found = json.loads((header or "").encode("ascii"))
    except ValueError as error:
        raise _Refused(400, f"BrokerProperties is no JSON in ASCII: {error}") from None
    if not isinstance(found, dict):
        raise _Refused(400, "BrokerProperties is no JSON object")
    if unknown := set(found) - _TEXTS - _OTHERS:
        raise _Refused(400, f"BrokerProperties has unknown names: {unknown}")
    if wrong := [name for name in _TEXTS & set(found) if not isinstance(found[name], str)]:
        raise _Refused(400, f"no texts in BrokerProperties: {wrong}")
    for name in ("MessageId", "SessionId"):
        units = len(found.get(name, "").encode("utf-16-le", "surrogatepass")) // 2
        if not 0 < units <= _MAX_ID:
            raise _Refused(400, f"{name} has {units} characters, not 1 to {_MAX_ID}")
    return found


def _handler(bus: ServiceBus) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            text = json.dumps([asdict(each) for each in bus.held], indent=1, ensure_ascii=False)
            self._respond(200, "application/json; charset=utf-8", text)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            try:
                status = bus.take(self.path, dict(self.headers.items()), body)
            except _Refused as refused:
                bus.refused.append(f"{refused.status}: {refused}")
                text = f"<Error><Code>{refused.status}</Code><Detail>{refused}</Detail></Error>"
                self._respond(refused.status, "application/xml", text)
            else:
                self._respond(status, "application/xml", "")

        def _respond(self, status: int, content_type: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
