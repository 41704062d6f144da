"""The head of a request is bounded in bytes and in time; what follows it is not touched."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from uvicorn.protocols.http import auto

from serving.door import protocol
from serving.door.protocol import BoundedHead, bound_heads


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)

    async def count(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{len(await request.body())} bytes")

    app = Starlette(routes=[Route("/", count, methods=["POST"])])
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=BoundedHead, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield int(listener.getsockname()[1])
    server.should_exit = True
    thread.join(10)
    listener.close()


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def head(n_bytes: int, more: str = "") -> bytes:
    return f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {n_bytes}\r\n{more}\r\n".encode()


def answers(connection: socket.socket) -> bytes:
    """Everything up to the end of the connection, or to a pause."""
    found = b""
    try:
        connection.settimeout(0.3)
        while chunk := connection.recv(65_536):
            found += chunk
    except (TimeoutError, ConnectionResetError):
        pass
    return found


@pytest.mark.parametrize("start", [b"POST /", b"POST / HTTP/1.1\r\nX: ", b"POST / HTTP/1.1\r\n"])
def test_a_head_without_an_end_is_cut_off(port: int, start: bytes) -> None:
    line = b"X: " + b"x" * 100_000 + b"\r\n" * (start[-1:] == b"\n")
    with connected(port) as connection, pytest.raises(OSError, match=r"reset|pipe|abort"):
        connection.sendall(start + line * 200)


def test_a_head_that_comes_too_slowly_is_cut_off(port: int) -> None:
    with connected(port) as silent, connected(port) as slow:
        for byte in b"POST / HTTP/1.1\r\n"[:7]:
            slow.sendall(bytes([byte]))
            time.sleep(0.05)
        time.sleep(0.6)
        assert silent.recv(1) == b""
        assert slow.recv(1) == b""


def test_a_body_may_take_longer_than_a_head(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(head(4) + b"ab")
        time.sleep(0.8)
        connection.sendall(b"cd")
        assert b"4 bytes" in answers(connection)


def test_large_bodies_are_no_heads(port: int) -> None:
    """A head whose end comes with the body in one chunk, and several requests on one connection."""
    large = b"x" * 500_000
    whole = head(len(large), "X: " + "y" * 30_000 + "\r\n")
    with connected(port) as connection:
        connection.sendall(whole[:-2])
        time.sleep(0.1)
        connection.sendall(whole[-2:] + large)
        assert b"500000 bytes" in answers(connection)
        connection.settimeout(5)
        connection.sendall(head(len(large)) + large + head(3) + b"abc")
        found = answers(connection)
        assert b"500000 bytes" in found
        assert b"3 bytes" in found


def test_an_idle_connection_that_was_used_is_uvicorns_to_close(port: int) -> None:
    with connected(port) as connection:
        for _ in range(2):
            connection.settimeout(5)
            connection.sendall(head(2) + b"ab")
            assert b"2 bytes" in answers(connection)
            time.sleep(0.6)


def test_uvicorn_reads_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "AutoHTTPProtocol", None)
    bound_heads()
    config = uvicorn.Config(PlainTextResponse("x"))
    config.load()
    assert config.http_protocol_class is BoundedHead
