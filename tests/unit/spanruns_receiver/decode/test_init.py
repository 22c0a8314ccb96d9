"""Which decoder is used, and that callers get the same from either."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import spanruns_receiver.decode as package
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from spanruns_receiver.decode import Checked, compiled, count, decode, decoder_name, validate
from spanruns_receiver.facts import NAMES
from spanruns_schema.errors import ConfigError


@pytest.fixture(autouse=True)
def choose_again() -> Iterator[None]:
    """Have the choice made anew in a test, and after it."""
    package._decoder.cache_clear()
    yield
    package._decoder.cache_clear()


@pytest.mark.skipif(not compiled.AVAILABLE, reason="the compiled decoder is not installed")
def test_the_compiled_decoder_is_used_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has to be set for it."""
    monkeypatch.delenv("SPANRUNS_DECODER", raising=False)

    assert decoder_name() == "native"


def test_the_portable_decoder_is_used_where_nothing_was_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has to be set for that either."""
    monkeypatch.delenv("SPANRUNS_DECODER", raising=False)
    monkeypatch.setattr(compiled, "AVAILABLE", False)

    assert decoder_name() == "portable"


@pytest.mark.parametrize("name", ["native", "portable"])
def test_a_decoder_can_be_forced(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """By the environment."""
    if name == "native" and not compiled.AVAILABLE:
        pytest.skip("the compiled decoder is not installed")
    monkeypatch.setenv("SPANRUNS_DECODER", name)

    assert decoder_name() == name


@pytest.mark.parametrize(
    "built", [{}, {"VERSION": compiled.VERSION, "FACTS": ["trace_id"]}, {"VERSION": 0, "FACTS": NAMES}]
)
def test_a_compiled_decoder_of_another_version_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, built: dict[str, object]
) -> None:
    """One that was built from other sources is noticed when it is imported; one line says what to do."""
    monkeypatch.delenv("SPANRUNS_DECODER", raising=False)
    stale = ModuleType("spanruns_receiver._native")
    vars(stale).update(built)
    monkeypatch.setitem(sys.modules, "spanruns_receiver._native", stale)

    found, problem = compiled._load()
    monkeypatch.setattr(compiled, "AVAILABLE", found is not None)
    monkeypatch.setattr(compiled, "PROBLEM", problem)

    assert [decoder_name(), decoder_name()] == ["portable", "portable"]
    assert [record.message for record in caplog.records] == [
        "decoding in Python, much slower than compiled: "
        "the compiled decoder is of another version than spanruns; reinstall spanruns (make install)"
    ]


def test_forcing_what_is_not_there_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver that was to be fast must not be slow in silence."""
    monkeypatch.setenv("SPANRUNS_DECODER", "native")
    monkeypatch.setattr(compiled, "AVAILABLE", False)
    monkeypatch.setattr(compiled, "PROBLEM", "it is not there; install it")

    with pytest.raises(ConfigError, match="it is not there; install it, or set SPANRUNS_DECODER=portable"):
        decoder_name()


def test_an_unknown_decoder_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message lists what may be set."""
    monkeypatch.setenv("SPANRUNS_DECODER", "cython")

    with pytest.raises(ConfigError, match="SPANRUNS_DECODER=cython: set native, portable, or nothing"):
        decoder_name()


@pytest.mark.parametrize("name", ["native", "portable"])
def test_callers_decode_count_and_validate_with_the_chosen_decoder(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Three functions, one payload."""
    if name == "native" and not compiled.AVAILABLE:
        pytest.skip("the compiled decoder is not installed")
    monkeypatch.setenv("SPANRUNS_DECODER", name)
    span = Span(trace_id=b"\1" * 16, span_id=b"\2" * 8)
    scope = ScopeSpans(spans=[span, Span()])
    payload = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[scope])]).SerializeToString()

    decoded = decode("traces", [payload], received_ns=[10**18])

    assert decoded.blocks["otel_traces"].rows == 1
    assert (decoded.cleaned, decoded.rejected) == ({"time": 1}, {"trace id is not 16 bytes": 1})
    assert decoded.blocks.keys() == {"otel_traces"}
    assert decode("traces", [payload], facts=True).blocks["span_facts"].rows == 1
    assert validate("traces", payload) == Checked(2, 1, "1 spans: trace id is not 16 bytes")
    assert count("traces", payload) == 2
