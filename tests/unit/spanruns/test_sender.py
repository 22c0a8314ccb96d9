"""One request over a real connection."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from spanruns._sender import Answer, Sender
from spanruns._settings import Settings

from tests.support.sink import SinkServer


@pytest.fixture
def server() -> Iterator[SinkServer]:
    """A real endpoint."""
    server = SinkServer()
    yield server
    server.close()


@pytest.fixture
def sender(server: SinkServer) -> Iterator[Sender]:
    """A sender to it, with a header of its own."""
    sender = Sender(f"{server.sink.url}/v1/traces", Settings(headers={"authorization": "Bearer x"}))
    yield sender
    sender.close()


def test_request_arrives_as_sent(server: SinkServer, sender: Sender) -> None:
    """Body, content type and headers are those of OTLP."""
    assert sender.post(b"") == Answer("accepted")
    ((path, headers, body),) = server.sink.requests
    assert (path, body) == ("/v1/traces", b"")
    assert headers["content-type"] == "application/x-protobuf"
    assert headers["authorization"] == "Bearer x"


def test_connection_is_kept(server: SinkServer, sender: Sender) -> None:
    """One connection carries all requests."""
    sender.post(b"")
    assert sender._session is not None
    sender.post(b"")
    pools = sender._session.get_adapter("http://").poolmanager.pools  # type: ignore[attr-defined]
    assert [pool.num_connections for pool in pools._container.values()] == [1]


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (202, Answer("accepted")),
        (429, Answer("retry", "status 429")),
        (502, Answer("retry", "status 502")),
        (503, Answer("retry", "status 503")),
        (504, Answer("retry", "status 504")),
        (400, Answer("rejected", "status 400")),
        (401, Answer("rejected", "status 401")),
        (404, Answer("rejected", "status 404")),
        (413, Answer("rejected", "status 413")),
        (500, Answer("rejected", "status 500")),
        (302, Answer("rejected", "status 302")),
    ],
)
def test_status_decides(server: SinkServer, sender: Sender, status: int, answer: Answer) -> None:
    """The statuses mean what the OTLP specification says, and a redirect is not followed."""
    server.sink.status = status
    assert sender.post(b"") == answer


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("9999", 60.0), ("-1", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)]
)
def test_retry_after(server: SinkServer, sender: Sender, header: str, seconds: float | None) -> None:
    """The endpoint may say how long to wait, within reason."""
    server.sink.status, server.sink.headers = 503, {"Retry-After": header}
    assert sender.post(b"").retry_after_s == seconds


def test_partial_success_is_told(server: SinkServer, sender: Sender) -> None:
    """An endpoint that takes only a part says how many items it refused and why."""
    message = ExportTraceServiceResponse()
    message.partial_success.rejected_spans = 3
    message.partial_success.error_message = "too old"
    server.sink.body = message.SerializeToString()
    assert sender.post(b"") == Answer("accepted", "too old", rejected_items=3)


@pytest.mark.parametrize("content_type", ["text/html", "application/x-protobuf"])
def test_rubbish_answer_is_taken_as_accepted(server: SinkServer, sender: Sender, content_type: str) -> None:
    """A 2xx says accepted; what cannot be read beside it changes nothing."""
    server.sink.body, server.sink.headers = b"<html>\xff\xff", {"Content-Type": content_type}
    assert sender.post(b"").outcome == "accepted"


def test_nobody_there_means_retry(server: SinkServer, sender: Sender) -> None:
    """A refused connection is worth another try."""
    server.close()
    assert sender.post(b"") == Answer("retry", "ConnectionError")
    server.open()
    assert sender.post(b"").outcome == "accepted"


def test_endpoint_that_never_answers_means_retry() -> None:
    """A slow endpoint costs no more than the time limit."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sender = Sender(f"http://127.0.0.1:{silent.getsockname()[1]}/v1/traces", Settings())
        assert sender.post(b"", timeout_s=0.2) == Answer("retry", "ReadTimeout")
        sender.close()


def test_endpoint_that_speaks_no_http_means_retry() -> None:
    """Rubbish instead of HTTP is no reason to raise."""
    import threading

    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"SSH-2.0-rubbish\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        sender = Sender(f"http://127.0.0.1:{server.getsockname()[1]}/v1/traces", Settings())
        assert sender.post(b"", timeout_s=5).outcome == "retry"
        sender.close()
        thread.join()


def test_body_is_compressed_on_request(server: SinkServer) -> None:
    """Large bodies are compressed if the settings say so, small ones are not worth it."""
    sender = Sender(f"{server.sink.url}/other", Settings(gzip=True))
    sender.post(b"x" * 10_000)
    sender.post(b"x")
    sender.close()
    (_, first, large), (_, second, small) = server.sink.requests
    assert (first.get("content-encoding"), gzip.decompress(large)) == ("gzip", b"x" * 10_000)
    assert (second.get("content-encoding"), small) == (None, b"x")
