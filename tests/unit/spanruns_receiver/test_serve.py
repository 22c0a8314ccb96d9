"""An application on a port."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import httpx
import pytest
from spanruns_receiver import serve
from spanruns_receiver.serve import WebServer, listen
from spanruns_schema.errors import ConfigError

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def hello(scope: Any, receive: Any, send: Send) -> None:
    """Answer every request."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})


async def broken(scope: Any, receive: Any, send: Send) -> None:
    """Fail while starting."""
    assert scope["type"] == "lifespan"
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no"})


def test_from_start_to_stop() -> None:
    """It answers on the port of the socket it was given, until it is stopped; then the port is free and no thread is left."""
    sock = listen("127.0.0.1", 0, "http_port")
    server = WebServer(hello, sock, "web")
    server.start()
    assert httpx.get(f"http://127.0.0.1:{server.port}").text == "hello"
    server.stop(1)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{server.port}")
    assert "web" not in [thread.name for thread in threading.enumerate()]
    listen("127.0.0.1", server.port, "http_port").close()


def test_application_that_does_not_start() -> None:
    """An application that fails to start is an error, not a server that answers nothing."""
    server = WebServer(broken, listen("127.0.0.1", 0, "http_port"), "broken")
    with pytest.raises(ConfigError, match="broken could not be started"):
        server.start()
    server.stop(1)


def test_stop_without_a_start() -> None:
    """What was never started can be stopped, and lets go of its port."""
    server = WebServer(hello, listen("127.0.0.1", 0, "http_port"), "web")
    server.stop(1)
    listen("127.0.0.1", server.port, "http_port").close()


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a server that waits for the head of a request for a short time only."""
    monkeypatch.setattr(serve, "_HEAD_TIMEOUT_S", 0.3)
    server = WebServer(hello, listen("127.0.0.1", 0, "http_port"), "web")
    server.start()
    yield server.port
    server.stop(1)


def ask(connection: socket.socket, *pieces: bytes) -> None:
    """One request in pieces, and its answer."""
    for piece in pieces:
        time.sleep(0.05)
        connection.sendall(piece)
    answer = b""
    while not answer.endswith(b"hello"):
        received = connection.recv(1000)
        assert received
        answer += received


@pytest.mark.parametrize("asked_before", [False, True])
@pytest.mark.parametrize("sent", [b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_connection_without_a_request(port: int, asked_before: bool, sent: bytes) -> None:
    """A connection that does not get to the end of a request's head in time is closed, also behind another request."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        if asked_before:
            ask(connection, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.sendall(sent)
        assert connection.recv(1000) == b""


def test_connection_that_sends_nothing(port: int) -> None:
    """It is closed too."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        assert connection.recv(1000) == b""


def test_connection_that_is_kept(port: int) -> None:
    """Between two whole requests there may be a pause; one that comes in pieces is taken."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        ask(connection, b"GET / HTTP/1.1\r\n", b"Host: x\r\n\r\n")
        time.sleep(0.5)
        ask(connection, b"GET / HTTP/1.1\r\n", b"Host: x\r\n\r\n")


def test_offer_of_another_protocol(port: int, caplog: pytest.LogCaptureFixture) -> None:
    """It is passed over in silence: some clients make it with every connection."""
    offer = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAMAAABk"}
    assert httpx.get(f"http://127.0.0.1:{port}", headers=offer).text == "hello"
    assert not caplog.messages


def test_taken_port() -> None:
    """A taken port is an error with the port, the flag and the variable; several may share one if all want to."""
    with listen("127.0.0.1", 0, "api_port") as sock:
        port = sock.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} on .* set --api-port \(SPANRUNS_API_PORT\)"):
            listen("127.0.0.1", port, "api_port")
    with listen("127.0.0.1", 0, "http_port", reuse_port=True) as sock:
        listen("127.0.0.1", sock.getsockname()[1], "http_port", reuse_port=True).close()


def test_ipv6() -> None:
    """An IPv6 address opens an IPv6 port."""
    with listen("::1", 0, "http_port") as sock:
        assert sock.family == socket.AF_INET6
