"""The web server in the worker, which the runtime starts on a port that it found free."""

import asyncio
import socket

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from handlers.http.server import WebApp, WebServer
from tools.host.testing import free_port

LOOPBACK = "127.0.0.1"


def responding() -> WebApp:
    app = WebApp()

    @app.route
    async def here(_: Request) -> Response:
        return PlainTextResponse("here")

    return app


def test_nobody_else_gets_the_port_before_the_server_runs() -> None:
    server = WebServer(LOOPBACK, port := free_port(), WebApp())
    with pytest.raises(OSError, match="in use"):
        socket.create_server((server.hostname, port))


def test_a_port_that_was_taken_meanwhile_is_an_error_of_the_start() -> None:
    with socket.create_server((LOOPBACK, port := free_port())), pytest.raises(OSError, match="in use"):
        WebServer(LOOPBACK, port, WebApp())


async def test_a_request_that_comes_before_the_server_runs_is_answered() -> None:
    server = WebServer(LOOPBACK, port := free_port(), responding())
    received, sent = await asyncio.open_connection(LOOPBACK, port)
    sent.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    serving = asyncio.create_task(server.serve())
    assert await received.readline() == b"HTTP/1.1 200 OK\r\n"
    serving.cancel()
    sent.close()


async def test_a_response_arrives_in_one_piece() -> None:
    server = WebServer(LOOPBACK, port := free_port(), responding())

    def first_pieces() -> list[bytes]:
        with socket.create_connection((LOOPBACK, port)) as client:
            pieces = []
            for _ in range(50):
                client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                pieces.append(client.recv(65_536))
                if not pieces[-1].endswith(b"here"):
                    break
            return pieces

    serving = asyncio.create_task(server.serve())
    pieces = await asyncio.to_thread(first_pieces)
    assert [piece.rpartition(b"\r\n\r\n")[2] for piece in pieces] == [b"here"] * 50
    serving.cancel()
