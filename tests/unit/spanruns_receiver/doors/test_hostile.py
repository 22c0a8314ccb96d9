"""Any bytes at the doors: an answer that the specification knows, and a door that stays open."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spanruns_receiver.signals import NAMES, SIGNALS, Signal

from tests.support.otlp import REQUESTS, traces
from tests.support.receiver import Front, running_front

# Retryable statuses would make a client send the same bad bytes for ever.
FINAL = {200, 400, 413, 415}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["resourceSpans", "scopeSpans", "spans", "traceId", "attributes", "key", "value", "x"]),
            inner,
            max_size=4,
        )
    ),
)


@st.composite
def damaged_requests(draw: st.DrawFn) -> tuple[Signal, bytes]:
    """A good request with some of its bytes changed, cut or doubled."""
    signal = draw(st.sampled_from(SIGNALS))
    raw = bytearray(REQUESTS[signal](1, 2, 3))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw)))
        raw[at : at + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return signal, bytes(raw)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """One front for all examples."""
    directory: Path = tmp_path_factory.mktemp("spool")
    with running_front(directory, max_request_bytes=100_000, min_free_bytes=0) as running:
        yield running


@pytest.fixture(scope="module")
def client(front: Front) -> Iterator[httpx.Client]:
    """One HTTP client for all examples."""
    with httpx.Client(base_url=front.url, timeout=30) as client:
        yield client


@settings(max_examples=150, deadline=None)
@given(request=damaged_requests(), compress=st.booleans())
def test_damaged_protobuf_over_http(client: httpx.Client, request: tuple[Signal, bytes], compress: bool) -> None:
    """A damaged request is stored as far as it goes, or refused for good."""
    signal, body = request
    headers = {"content-type": "application/x-protobuf"}
    if compress:
        body, headers["content-encoding"] = gzip.compress(body), "gzip"
    assert client.post(NAMES[signal].http_path, content=body, headers=headers).status_code in FINAL


@settings(max_examples=150, deadline=None)
@given(signal=st.sampled_from(SIGNALS), value=json_values)
def test_any_json_over_http(client: httpx.Client, signal: Signal, value: object) -> None:
    """Any JSON is a request, an empty one, or refused for good."""
    body = json.dumps(value)
    answer = client.post(NAMES[signal].http_path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in FINAL


@settings(max_examples=100, deadline=None)
@given(
    body=st.binary(max_size=200),
    content_type=st.sampled_from(["application/x-protobuf", "application/json", "text/plain"]),
    encoding=st.sampled_from(["identity", "gzip", "deflate", "zstd", "br"]),
)
def test_any_bytes_over_http(client: httpx.Client, body: bytes, content_type: str, encoding: str) -> None:
    """Any bytes under any header are answered with a status that ends the matter."""
    headers = {"content-type": content_type, "content-encoding": encoding}
    assert client.post("/v1/traces", content=body, headers=headers).status_code in FINAL


@settings(max_examples=150, deadline=None)
@given(request=damaged_requests())
def test_damaged_protobuf_over_grpc(front: Front, request: tuple[Signal, bytes]) -> None:
    """Over gRPC it is the same: taken, or INVALID_ARGUMENT."""
    signal, body = request
    with grpc.insecure_channel(f"127.0.0.1:{front.grpc_port}") as channel:
        call = channel.unary_unary(NAMES[signal].grpc_method).future(body, timeout=30)
        assert call.code() in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT)


def test_doors_are_still_open(front: Front, client: httpx.Client) -> None:
    """After all that a good request is taken, and no memory is counted as held."""
    answer = client.post("/v1/traces", content=traces(12345), headers={"content-type": "application/x-protobuf"})
    assert answer.status_code == 200
    assert front.admission.memory.used_bytes == 0
