"""OTLP over HTTP, with raw requests."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import httpx
import pytest
import trustme
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from spanruns_receiver.signals import NAMES, SIGNALS, Signal

from tests.support.otlp import REQUESTS, traces
from tests.support.receiver import Front, running_front
from tests.support.spools import contents

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
BROKEN_OFF = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"


@pytest.fixture
def client(front: Front) -> Iterator[httpx.Client]:
    """A client of the running door."""
    with httpx.Client(base_url=front.url, timeout=20) as client:
        yield client


def as_json(payload: bytes) -> bytes:
    """A trace request in OTLP's JSON: as protobuf's, but ids in hex."""
    request = MessageToDict(ExportTraceServiceRequest.FromString(payload))
    spans = ExportTraceServiceRequest.FromString(payload).resource_spans[0].scope_spans[0].spans
    for written, sent in zip(request["resourceSpans"][0]["scopeSpans"][0]["spans"], spans, strict=True):
        written["traceId"], written["spanId"] = sent.trace_id.hex(), sent.span_id.hex()
    return json.dumps(request).encode()


@pytest.mark.parametrize("signal", SIGNALS)
def test_protobuf(front: Front, client: httpx.Client, signal: Signal) -> None:
    """The answer to a good request is an empty response of the same type, and the request is in the spool."""
    payload = REQUESTS[signal](1, 2)
    answer = client.post(NAMES[signal].http_path, content=payload, headers=PROTOBUF)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert contents(front.spool) == [(1, payload)]


def test_json(front: Front, client: httpx.Client) -> None:
    """A JSON request is stored like a protobuf one, and answered in JSON."""
    payload = traces(1, 2)
    answer = client.post(
        "/v1/traces", content=as_json(payload), headers={"content-type": "Application/JSON; charset=utf-8"}
    )
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["content-type"] == "application/json"
    ((_, stored),) = contents(front.spool)
    assert ExportTraceServiceRequest.FromString(stored) == ExportTraceServiceRequest.FromString(payload)


def test_sent_again_on_purpose(front: Front, client: httpx.Client) -> None:
    """The same bytes are stored once, unless the header says that they are meant to be stored again."""
    for headers in (PROTOBUF, PROTOBUF, {**PROTOBUF, "spanruns-again": "1"}):
        assert client.post("/v1/traces", content=traces(1), headers=headers).status_code == 200
    assert len(contents(front.spool)) == 2


@pytest.mark.parametrize(
    ("named", "table"),
    [("otel_traces", "otel_traces"), ("span_facts", "span_facts"), ("otel_logs", ""), ("x", ""), ("", "")],
)
def test_sent_again_for_one_table(front: Front, client: httpx.Client, named: str, table: str) -> None:
    """Only a table that has rows of the signal: a request for another one would be stored nowhere."""
    headers = {**PROTOBUF, "spanruns-again": named}
    assert client.post("/v1/traces", content=traces(1), headers=headers).status_code == 200
    ((record, _),), _ = front.spool.read(1, 1, 1)
    assert record.table == table


def test_gzip(front: Front, client: httpx.Client) -> None:
    """A compressed request is stored uncompressed."""
    payload = traces(*range(50))
    headers = {**PROTOBUF, "content-encoding": "gzip"}
    assert client.post("/v1/traces", content=gzip.compress(payload), headers=headers).status_code == 200
    assert contents(front.spool) == [(1, payload)]


@pytest.mark.parametrize("headers", [PROTOBUF, JSON])
def test_empty_request(client: httpx.Client, headers: dict[str, str]) -> None:
    """A request without anything in it succeeds."""
    content = b"{}" if headers is JSON else b""
    answer = client.post("/v1/logs", content=content, headers=headers)
    assert (answer.status_code, answer.content) == (200, content)


def test_partial_success(client: httpx.Client) -> None:
    """Spans that cannot be stored are told in a 200, in the encoding of the request."""
    answer = client.post("/v1/traces", content=traces(1, bad=2), headers=PROTOBUF)
    assert answer.status_code == 200
    told = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert told.rejected_spans == 2
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "ab", "spanId": "00" * 8, "name": "x"}]}]}]}
    answer = client.post("/v1/traces", json=body)
    assert answer.status_code == 200
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "1"


def test_malformed(client: httpx.Client) -> None:
    """Bytes that are no request are 400, with a `Status` in the encoding of the request, and no retry."""
    answer = client.post("/v1/traces", content=b"\x0a\xff", headers=PROTOBUF)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/x-protobuf")
    assert "retry-after" not in answer.headers
    assert status_pb2.Status.FromString(answer.content).code == 3
    answer = client.post("/v1/traces", content=b"{", headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    answer = client.post("/v1/traces", content=b"plain", headers={**PROTOBUF, "content-encoding": "gzip"})
    assert answer.status_code == 400


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/grpc"])
def test_other_content_types(client: httpx.Client, content_type: str) -> None:
    """What is neither protobuf nor JSON is 415, and the answer says what is."""
    headers = {"content-type": content_type} if content_type else {}
    answer = client.post("/v1/traces", content=b"x", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (415, "text/plain; charset=utf-8")
    assert "send application/x-protobuf or application/json" in answer.text


def test_other_encoding(client: httpx.Client) -> None:
    """An unknown content coding is 415, and the answer says which are known."""
    answer = client.post("/v1/traces", content=b"x", headers={**PROTOBUF, "content-encoding": "br"})
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip, deflate, zstd")


def test_other_paths_and_methods(client: httpx.Client) -> None:
    """Unknown paths are 404, other methods 405 with what is allowed."""
    assert client.post("/v1/profiles", content=b"", headers=PROTOBUF).status_code == 404
    assert client.get("/").status_code == 404
    answer = client.get("/v1/traces")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    answer = client.post("/healthz", content=b"")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


def test_too_large(client: httpx.Client) -> None:
    """A body over the limit is 413, told by its length or found while reading; the connection lives on."""

    def without_length() -> Iterator[bytes]:
        for _ in range(30):
            yield bytes(10_000)

    assert client.post("/v1/traces", content=bytes(100_001), headers=PROTOBUF).status_code == 413
    assert client.post("/v1/traces", content=without_length(), headers=PROTOBUF).status_code == 413
    bomb = gzip.compress(bytes(50 * 2**20))
    answer = client.post("/v1/traces", content=bomb, headers={**PROTOBUF, "content-encoding": "gzip"})
    assert (answer.status_code, "retry-after" in answer.headers) == (413, False)
    assert client.post("/v1/traces", content=traces(1), headers=PROTOBUF).status_code == 200


def test_overload(tmp_path: Path) -> None:
    """Without room the status is 503 with a delay, in the header and as `RetryInfo`."""
    with running_front(tmp_path, min_free_bytes=2**60) as front:
        answer = httpx.post(f"{front.url}/v1/traces", content=traces(1), headers=PROTOBUF)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        info = error_details_pb2.RetryInfo()
        assert status_pb2.Status.FromString(answer.content).details[0].Unpack(info)
        assert info.retry_delay.seconds == 2
        answer = httpx.post(f"{front.url}/v1/traces", content=as_json(traces(1)), headers=JSON)
        assert answer.json()["details"][0]["retryDelay"] == "2s"
        ready = httpx.get(f"{front.url}/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "refusing")
        assert ready.json()["refusals"][0].startswith("the disk is full")
        assert httpx.get(f"{front.url}/healthz").status_code == 200


def test_bearer_token(tmp_path: Path) -> None:
    """Where tokens are set, a request without one is 401; health needs none."""
    with running_front(tmp_path, ingest_tokens="secret", min_free_bytes=0) as front:
        answer = httpx.post(f"{front.url}/v1/traces", content=traces(1), headers=PROTOBUF)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        headers = {**PROTOBUF, "authorization": "Bearer secret"}
        answer = httpx.post(f"{front.url}/v1/traces", content=traces(1), headers=headers)
        assert answer.status_code == 200
        assert httpx.get(f"{front.url}/healthz").status_code == 200


def test_keep_alive(front: Front, client: httpx.Client) -> None:
    """Many requests and refusals go over one connection."""
    for number in range(20):
        assert client.post("/v1/traces", content=traces(number), headers=PROTOBUF).status_code == 200
        assert client.post("/v1/traces", content=b"\xff", headers=PROTOBUF).status_code == 400
    assert front.count("requests_total", door="http", outcome="accepted") == 20
    assert front.count("requests_total", door="http", outcome="Malformed") == 20


def test_many_requests_at_once(front: Front) -> None:
    """More requests than there are threads are all answered and all stored."""
    limits = httpx.Limits(max_connections=64)
    with (
        httpx.Client(base_url=front.url, timeout=30, limits=limits) as client,
        ThreadPoolExecutor(64) as pool,
    ):
        answers = pool.map(
            lambda n: client.post("/v1/traces", content=traces(n), headers=PROTOBUF).status_code, range(200)
        )
        assert list(answers) == [200] * 200
    assert len(contents(front.spool)) == 200


def test_slow_body(tmp_path: Path) -> None:
    """A client that does not send its body is told so after a while."""
    with (
        running_front(tmp_path, body_timeout_s=0.2) as front,
        socket.create_connection(("127.0.0.1", front.http_port), timeout=10) as connection,
    ):
        connection.sendall(BROKEN_OFF)
        assert connection.recv(100).startswith(b"HTTP/1.1 408")


def test_refusal_before_the_body(front: Front) -> None:
    """Who asks whether to send its body at all is refused without having sent it."""
    head = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nExpect: 100-continue\r\n"
    with socket.create_connection(("127.0.0.1", front.http_port), timeout=10) as connection:
        connection.sendall(head + b"Content-Length: 5000000\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(1000), b""))
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()
    with socket.create_connection(("127.0.0.1", front.http_port), timeout=10) as connection:
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(traces(1)))
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(traces(1))
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("target", [b"/v1/traces", b"/v1/traces?from=here", b"http://proxied.example:4318/v1/traces"])
def test_target_of_a_request(front: Front, target: bytes) -> None:
    """A path, with a query too, or a whole URL, as HTTP allows it."""
    body = traces(1)
    with socket.create_connection(("127.0.0.1", front.http_port), timeout=10) as connection:
        connection.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n" % target)
        connection.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_client_that_goes_away(front: Front, client: httpx.Client) -> None:
    """A connection that breaks within a body leaves nothing behind."""
    with socket.create_connection(("127.0.0.1", front.http_port), timeout=10) as connection:
        connection.sendall(BROKEN_OFF)
    assert client.post("/v1/traces", content=traces(1), headers=PROTOBUF).status_code == 200
    assert len(contents(front.spool)) == 1


def test_health_and_metrics(front: Front, client: httpx.Client) -> None:
    """The door tells that it is alive, that it takes data, and its numbers."""
    client.post("/v1/traces", content=traces(1, 2), headers=PROTOBUF)
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready", "refusals": []}
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'spanruns_receiver_accepted_items_total{signal="traces"} 2.0' in answer.text.splitlines()
    assert client.head("/metrics").content == b""


def test_tls_and_client_certificates(tmp_path: Path) -> None:
    """With TLS files the door speaks TLS, and with an authority for clients only to those it has signed."""
    authority = trustme.CA()
    server, client = authority.issue_cert("localhost"), authority.issue_cert("client")
    files = {name: tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem")}
    authority.cert_pem.write_to_path(str(files["ca.pem"]))
    server.cert_chain_pems[0].write_to_path(str(files["cert.pem"]))
    server.private_key_pem.write_to_path(str(files["key.pem"]))
    flags = {
        "tls_certificate": files["cert.pem"],
        "tls_key": files["key.pem"],
        "tls_client_ca": files["ca.pem"],
        "min_free_bytes": 0,
    }
    context = ssl.create_default_context(cafile=str(files["ca.pem"]))
    with running_front(tmp_path / "spool", **flags) as front:
        url = f"https://localhost:{front.http_port}/v1/traces"
        with pytest.raises((httpx.ReadError, httpx.ConnectError, httpx.RemoteProtocolError)):
            httpx.post(url, content=traces(1), headers=PROTOBUF, verify=context)
        client.configure_cert(context)
        assert httpx.post(url, content=traces(1), headers=PROTOBUF, verify=context).status_code == 200


def test_overload_of_the_threads(tmp_path: Path) -> None:
    """When more requests wait for a thread than are let in, the rest are told to retry, at once."""
    with running_front(tmp_path, door_threads=1, min_free_bytes=0) as front:
        gate = threading.Event()
        export = front.admission.export

        def slow(signal: Signal, payload: bytes, *, door: str, again: bool, table: str) -> object:
            gate.wait(20)
            return export(signal, payload, door=door, again=again, table=table)

        front.admission.export = slow  # type: ignore[method-assign,assignment]
        limits = httpx.Limits(max_connections=32)
        with (
            httpx.Client(base_url=front.url, timeout=30, limits=limits) as client,
            ThreadPoolExecutor(32) as pool,
        ):
            sent = [pool.submit(client.post, "/v1/traces", content=traces(n), headers=PROTOBUF) for n in range(20)]
            refused = list(itertools.islice(as_completed(sent, 20), 11))
            assert [future.result().status_code for future in refused] == [503] * 11
            gate.set()
            codes = sorted(future.result().status_code for future in sent)
        assert codes == [200] * 9 + [503] * 11


def test_requests_that_wait_for_a_thread_are_in_memory(tmp_path: Path) -> None:
    """They are counted until they are answered, and refused where there is no memory for more."""
    more = {"max_memory_bytes": 2**20, "max_request_bytes": 2**19, "door_threads": 1, "min_free_bytes": 0}
    with running_front(tmp_path, **more) as front:
        gate = threading.Event()
        export = front.admission.export

        def slow(*args: object, **named: object) -> object:
            gate.wait(20)
            return export(*args, **named)  # type: ignore[arg-type]

        front.admission.export = slow  # type: ignore[method-assign,assignment]
        with httpx.Client(base_url=front.url, timeout=30) as client, ThreadPoolExecutor(8) as pool:
            large = [traces(*range(n * 10_000, n * 10_000 + 7000)) for n in range(1, 7)]
            assert 2 * len(large[0]) < 2**20 < 3 * len(large[0])
            sent = [pool.submit(client.post, "/v1/traces", content=body, headers=PROTOBUF) for body in large]
            refused = list(itertools.islice(as_completed(sent, 20), 4))
            assert [future.result().status_code for future in refused] == [503] * 4
            assert front.admission.memory.used_bytes == 2 * len(large[0])
            gate.set()
            assert sorted(future.result().status_code for future in sent) == [200] * 2 + [503] * 4
        assert front.admission.memory.used_bytes == 0
