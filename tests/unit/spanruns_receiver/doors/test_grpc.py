"""OTLP over gRPC, with raw calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from spanruns_receiver.doors.grpc import GrpcDoor
from spanruns_receiver.memory import MemoryBudget
from spanruns_receiver.settings import load_settings
from spanruns_receiver.signals import NAMES, SIGNALS, Exporter, ExportResult, Signal
from spanruns_schema.errors import ConfigError

from tests.support.otlp import REQUESTS, traces
from tests.support.receiver import Front, running_front
from tests.support.spools import contents


def call(
    channel: grpc.Channel,
    payload: bytes,
    signal: Signal = "traces",
    *,
    method: str = "",
    metadata: Sequence[tuple[str, str]] = (),
    compression: grpc.Compression | None = None,
) -> bytes:
    """One unary call with bytes as they are."""
    unary = channel.unary_unary(method or NAMES[signal].grpc_method)
    answer: bytes = unary(payload, timeout=20, metadata=metadata, compression=compression)
    return answer


@pytest.fixture
def channel(front: Front) -> Iterator[grpc.Channel]:
    """A connection to the running door."""
    with grpc.insecure_channel(f"127.0.0.1:{front.grpc_port}") as channel:
        yield channel


def refused(channel: grpc.Channel, payload: bytes, **more: object) -> grpc.RpcError:
    """The error of a call that must fail."""
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, payload, **more)  # type: ignore[arg-type]
    return caught.value


def details(error: grpc.RpcError) -> tuple[status_pb2.Status, error_details_pb2.RetryInfo | None]:
    """The rich status of an error and the `RetryInfo` that the Python SDK looks for."""
    trailers = dict(error.trailing_metadata())
    info = trailers.get("google.rpc.retryinfo-bin")
    return (
        status_pb2.Status.FromString(trailers["grpc-status-details-bin"]),
        None if info is None else error_details_pb2.RetryInfo.FromString(info),
    )


def counted(front: Front, outcome: str, times: int) -> bool:
    """Whether so many calls have this outcome, now or soon: a cancelled one is counted after the client knows."""
    deadline = time.monotonic() + 10
    while (
        found := front.count("requests_total", door="grpc", outcome=outcome)
    ) < times and time.monotonic() < deadline:
        time.sleep(0.01)
    return found == times


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_accepted(front: Front, channel: grpc.Channel, signal: Signal, compression: grpc.Compression) -> None:
    """The answer to a good request is an empty response, and the request is in the spool as it was sent."""
    payload = REQUESTS[signal](1, 2, 3)
    assert call(channel, payload, signal, compression=compression) == b""
    assert contents(front.spool) == [(1, payload)]


def test_empty_request(channel: grpc.Channel) -> None:
    """A request without anything in it succeeds."""
    assert call(channel, b"") == b""


def test_partial_success(channel: grpc.Channel) -> None:
    """Spans that cannot be stored are told, with the status OK."""
    answer = ExportTraceServiceResponse.FromString(call(channel, traces(1, bad=2)))
    assert answer.partial_success.rejected_spans == 2
    assert "trace id is not 16 bytes" in answer.partial_success.error_message


def test_malformed(channel: grpc.Channel) -> None:
    """Bytes that are no request are INVALID_ARGUMENT, without an invitation to retry."""
    error = refused(channel, b"\x0a\xff")
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    status, info = details(error)
    assert (status.code, info) == (3, None)
    assert status.message == error.details()


def test_too_large(front: Front, channel: grpc.Channel) -> None:
    """A request somewhat over the limit is told so by us, one far over by gRPC; neither is repeated, both are counted."""
    error = refused(channel, bytes(100_001))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "100001 bytes" in error.details()
    error = refused(channel, bytes(1_000_000))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "google.rpc.retryinfo-bin" not in dict(error.trailing_metadata())
    assert counted(front, "TooLarge", 1)
    assert counted(front, "NoMessage", 1)


def test_bomb(front: Front, channel: grpc.Channel) -> None:
    """A small compressed message that would become a large one is refused, and the door goes on."""
    error = refused(channel, bytes(300 * 2**20), compression=grpc.Compression.Gzip)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert call(channel, traces(1)) == b""


def test_unknown_method(channel: grpc.Channel) -> None:
    """Another service is UNIMPLEMENTED."""
    error = refused(channel, b"", method="/opentelemetry.proto.collector.profiles.v1/Export")
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


def test_overload(tmp_path: Path) -> None:
    """Without room the status is UNAVAILABLE, with the delay where every SDK looks for it."""
    with (
        running_front(tmp_path, min_free_bytes=2**60) as front,
        grpc.insecure_channel(f"127.0.0.1:{front.grpc_port}") as channel,
    ):
        error = refused(channel, traces(1))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        status, info = details(error)
        assert info is not None
        assert info.retry_delay.seconds == 2
        packed = error_details_pb2.RetryInfo()
        assert status.details[0].Unpack(packed)
        assert packed == info


def test_bearer_token(tmp_path: Path) -> None:
    """Where tokens are set, a call without one is UNAUTHENTICATED."""
    with (
        running_front(tmp_path, ingest_tokens="secret", min_free_bytes=0) as front,
        grpc.insecure_channel(f"127.0.0.1:{front.grpc_port}") as channel,
    ):
        assert refused(channel, traces(1)).code() is grpc.StatusCode.UNAUTHENTICATED
        error = refused(channel, traces(1), metadata=[("authorization", "Bearer other")])
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        assert call(channel, traces(1), metadata=[("authorization", "Bearer secret")]) == b""
        assert len(contents(front.spool)) == 1


class Broken:
    """An exporter with a mistake in it."""

    memory = MemoryBudget(10**9)

    def export(self, signal: Signal, payload: bytes, *, door: str) -> ExportResult:
        """Fail as nobody expected."""
        raise ZeroDivisionError("inside")

    def refused(self, door: str, error: BaseException) -> None:
        """Nobody counts here."""


@contextmanager
def door_of(exporter: Exporter, **flags: object) -> Iterator[GrpcDoor]:
    """A running gRPC door before `exporter`."""
    door = GrpcDoor(exporter, load_settings(grpc_port=0, **flags))
    door.start()
    try:
        yield door
    finally:
        door.stop(1)


def test_mistake_of_ours_is_retryable() -> None:
    """An error that nobody expected is UNAVAILABLE, and nothing from inside is told."""
    with door_of(Broken()) as door, grpc.insecure_channel(f"127.0.0.1:{door.port}") as channel:
        error = refused(channel, b"")
        assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "internal error")


def test_many_calls_at_once(front: Front, channel: grpc.Channel) -> None:
    """More calls than there are threads are all answered."""
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda n: call(channel, traces(n)), range(300)))
    assert answers == [b""] * 300
    assert len(contents(front.spool)) == 300


def test_more_calls_on_a_connection_than_it_takes(front: Front, channel: grpc.Channel) -> None:
    """They wait at the client, and all are answered; none is refused without a word on when to come back."""
    unary = channel.unary_unary(NAMES["traces"].grpc_method)
    for first in (0, 1000):  # a new connection, and one that the limit is known of
        futures = [unary.future(traces(first + n), timeout=60) for n in range(500)]
        assert {future.code() for future in futures} == {grpc.StatusCode.OK}
    assert len(contents(front.spool)) == 1000


def test_many_connections_at_once(front: Front) -> None:
    """None of their calls is cancelled, however many come before the first is looked at."""
    with ExitStack() as open_:
        channels = [
            open_.enter_context(
                grpc.insecure_channel(f"127.0.0.1:{front.grpc_port}", [("grpc.use_local_subchannel_pool", 1)])
            )
            for _ in range(40)
        ]
        futures = [
            channel.unary_unary(NAMES["traces"].grpc_method).future(traces(n), timeout=60)
            for channel in channels
            for n in range(128)
        ]
        assert {future.code() for future in futures} <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


def test_official_exporter_in_many_threads(front: Front, caplog: pytest.LogCaptureFixture) -> None:
    """OpenTelemetry's own exporter, with one connection for all, succeeds each time, and has nothing to say."""
    provider = TracerProvider(shutdown_on_exit=False)
    spans = [provider.get_tracer("test").start_span(f"span {n}") for n in range(500)]
    for span in spans:
        span.end()
    exporter = OTLPSpanExporter(f"127.0.0.1:{front.grpc_port}", insecure=True, timeout=60)
    with ThreadPoolExecutor(len(spans)) as pool:
        results = set(pool.map(lambda span: exporter.export([span]), spans))
    exporter.shutdown()
    assert (results, caplog.records) == ({SpanExportResult.SUCCESS}, [])
    assert len(contents(front.spool)) == 500


def test_calls_that_are_too_many(tmp_path: Path) -> None:
    """When as many as fit into memory wait for a thread, the next is told at once to come back; when they are over it is taken."""
    flags = {"door_threads": 1, "max_memory_bytes": 2**20, "max_request_bytes": 2**19, "min_free_bytes": 0}
    over = threading.Event()
    with running_front(tmp_path, **flags) as front, grpc.insecure_channel(f"127.0.0.1:{front.grpc_port}") as channel:
        stream = channel.stream_unary(NAMES["traces"].grpc_method)
        waiting = [stream.future(never(over), timeout=60) for _ in range(16)]
        while (refusal := retried(channel)) is None:
            pass  # not all of them have come yet
        assert refusal.retry_delay.seconds == 1
        over.set()
        assert {future.code() for future in waiting} == {grpc.StatusCode.INVALID_ARGUMENT}
        assert taken(channel) == b""


def taken(channel: grpc.Channel) -> bytes:
    """The answer to a call, as soon as it is not told to come back: those before it are answered a moment before they are over."""
    while True:
        try:
            return call(channel, traces(1))
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise


def retried(channel: grpc.Channel) -> error_details_pb2.RetryInfo | None:
    """When to come back, where a call is told to; None when it waits for an answer."""
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(NAMES["traces"].grpc_method)(traces(1), timeout=0.5)
    if caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return None
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    return details(caught.value)[1]


def never(until: threading.Event) -> Iterator[bytes]:
    """The messages of a call that sends none."""
    until.wait(30)
    yield from ()


def test_calls_that_send_nothing(tmp_path: Path) -> None:
    """However many calls never send their message, they are cancelled after a while, and others are answered."""
    flags = {"body_timeout_s": 0.5, "door_threads": 4, "min_free_bytes": 0}
    over = threading.Event()
    with running_front(tmp_path, **flags) as front, grpc.insecure_channel(f"127.0.0.1:{front.grpc_port}") as channel:
        silent = [channel.stream_unary(NAMES["traces"].grpc_method).future(never(over)) for _ in range(12)]
        assert call(channel, traces(1)) == b""
        assert {future.code() for future in silent} == {grpc.StatusCode.CANCELLED}
        over.set()
        assert counted(front, "NotOtlp", 12)


def test_stranger_is_refused_before_the_message(tmp_path: Path) -> None:
    """Without a token nothing is waited for, nor read."""
    over = threading.Event()
    with (
        running_front(tmp_path, ingest_tokens="secret") as front,
        grpc.insecure_channel(f"127.0.0.1:{front.grpc_port}") as channel,
    ):
        silent = channel.stream_unary(NAMES["traces"].grpc_method).future(never(over), timeout=20)
        assert silent.code() is grpc.StatusCode.UNAUTHENTICATED
        over.set()


def test_call_without_a_message(channel: grpc.Channel) -> None:
    """A call that ends without a message is INVALID_ARGUMENT."""
    with pytest.raises(grpc.RpcError) as refused:
        channel.stream_unary(NAMES["traces"].grpc_method)(iter(()), timeout=20)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_call_that_is_cancelled(front: Front, channel: grpc.Channel) -> None:
    """A client that goes away before its message has come leaves nothing behind."""
    over = threading.Event()
    silent = channel.stream_unary(NAMES["traces"].grpc_method).future(never(over))
    assert call(channel, traces(1)) == b""
    silent.cancel()
    over.set()
    assert counted(front, "NoMessage", 1)
    assert call(channel, traces(2)) == b""


def test_port_that_is_taken(front: Front) -> None:
    """A taken port is an error that says which one and how to set another."""
    with pytest.raises(ConfigError, match=rf"port {front.grpc_port} .*--grpc-port \(SPANRUNS_GRPC_PORT\)"):
        GrpcDoor(Broken(), load_settings(grpc_port=front.grpc_port))


def test_shared_port(tmp_path: Path) -> None:
    """With `reuse_port` a second receiver opens the same port."""
    with running_front(tmp_path / "one", reuse_port=True) as first:
        second = GrpcDoor(Broken(), load_settings(grpc_port=first.grpc_port, reuse_port=True))
        assert second.port == first.grpc_port
        second.stop(0)


def test_tls_and_client_certificates(tmp_path: Path) -> None:
    """With TLS files the door speaks TLS, and with an authority for clients only to those it has signed."""
    authority = trustme.CA()
    server, client = authority.issue_cert("localhost"), authority.issue_cert("client")
    stranger = trustme.CA().issue_cert("stranger")
    files = {name: tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem")}
    authority.cert_pem.write_to_path(str(files["ca.pem"]))
    server.cert_chain_pems[0].write_to_path(str(files["cert.pem"]))
    server.private_key_pem.write_to_path(str(files["key.pem"]))
    tls = {"tls_certificate": files["cert.pem"], "tls_key": files["key.pem"], "min_free_bytes": 0}

    def secure(port: int, who: trustme.LeafCert | None) -> grpc.Channel:
        chain = who.cert_chain_pems[0].bytes() if who else None
        key = who.private_key_pem.bytes() if who else None
        return grpc.secure_channel(
            f"localhost:{port}", grpc.ssl_channel_credentials(authority.cert_pem.bytes(), key, chain)
        )

    with running_front(tmp_path / "one", **tls) as front, secure(front.grpc_port, None) as channel:
        assert call(channel, traces(1)) == b""
    with running_front(tmp_path / "two", **tls, tls_client_ca=files["ca.pem"]) as front:
        with secure(front.grpc_port, client) as channel:
            assert call(channel, traces(1)) == b""
        for other in (None, stranger):
            with secure(front.grpc_port, other) as channel:
                assert refused(channel, traces(1)).code() is grpc.StatusCode.UNAVAILABLE


def test_ipv6() -> None:
    """An IPv6 address opens an IPv6 port, and the doors of one process have it alike."""
    with door_of(Broken(), host="::1") as door, grpc.insecure_channel(f"[::1]:{door.port}") as channel:
        assert refused(channel, b"").code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("encrypted", [False, True])
def test_tls_files_that_do_not_fit(tmp_path: Path, encrypted: bool) -> None:
    """The message is about the files, not about the port; nobody is asked for a password."""
    certificate = trustme.CA().issue_cert("localhost")
    chain, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.cert_chain_pems[0].write_to_path(str(chain))
    if encrypted:
        loaded = load_pem_private_key(certificate.private_key_pem.bytes(), None)
        password = BestAvailableEncryption(b"secret")
        key.write_bytes(loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, password))
    else:
        trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(str(key))
    with pytest.raises(ConfigError, match=r"SPANRUNS_TLS_ settings name cannot be used .*unencrypted PEM key"):
        GrpcDoor(Broken(), load_settings(grpc_port=0, tls_certificate=chain, tls_key=key))


def test_missing_tls_file(tmp_path: Path) -> None:
    """A TLS file that cannot be read is an error that names it."""
    settings = load_settings(grpc_port=0, tls_certificate=tmp_path / "x", tls_key=tmp_path / "nokey.pem")
    with pytest.raises(ConfigError, match=r"cannot read .*nokey\.pem"):
        GrpcDoor(Broken(), settings)
