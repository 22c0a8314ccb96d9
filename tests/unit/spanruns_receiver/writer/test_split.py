"""Cutting batches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans
from spanruns_receiver.decode import count
from spanruns_receiver.signals import SIGNALS, Signal
from spanruns_receiver.spool import Batch, Record
from spanruns_receiver.writer.split import halves, slice_request

from tests.support.otlp import REQUESTS, RESOURCE, metrics, span, traces


def record(sequence: int, items: int) -> Record:
    """A record with so many items."""
    return Record(sequence, "traces", items, 0, bytes(16), 0, 0)


def test_requests_are_halved() -> None:
    """A batch of several requests is cut between two of them, for the one table."""
    records = [record(3, 1), record(5, 1), record(9, 1)]
    assert halves(Batch("traces", 2, 12), "otel_traces", records) == [
        Batch("traces", 2, 4, "otel_traces"),
        Batch("traces", 5, 12, "otel_traces"),
    ]


def test_items_are_halved() -> None:
    """A batch of one request is cut within it, down to a single item."""
    batch = Batch("traces", 2, 12)
    first, second = halves(batch, "otel_traces", [record(5, 3)])
    assert first == Batch("traces", 5, 5, "otel_traces", (0, 1))
    assert second == Batch("traces", 5, 5, "otel_traces", (1, 3))
    assert halves(first, "otel_traces", [record(5, 3)]) == []
    assert [part.items for part in halves(second, "otel_traces", [record(5, 3)])] == [(1, 2), (2, 3)]
    assert halves(batch, "otel_traces", [record(5, 1)]) == []
    assert halves(batch, "otel_traces", []) == []


@pytest.mark.parametrize("signal", SIGNALS)
@given(start=st.integers(0, 6), size=st.integers(0, 6))
def test_slice_has_the_items_asked_for(signal: Signal, start: int, size: int) -> None:
    """A slice has as many items as it should, and all slices together are the request."""
    payload = REQUESTS[signal](1, 2, 3)
    items = count(signal, payload)
    expected = max(0, min(items, start + size) - start)
    assert count(signal, slice_request(signal, payload, start, start + size)) == expected


def test_slices_keep_resource_scope_and_order() -> None:
    """What is around an item stays around it; what is left without items goes."""
    scopes = [
        ScopeSpans(scope=InstrumentationScope(name="one"), spans=[span(1), span(2)]),
        ScopeSpans(scope=InstrumentationScope(name="two"), spans=[span(3)]),
    ]
    resources = [
        ResourceSpans(resource=RESOURCE, scope_spans=scopes),
        ResourceSpans(scope_spans=[ScopeSpans(spans=[span(4)])]),
    ]
    payload = ExportTraceServiceRequest(resource_spans=resources).SerializeToString()
    sliced = ExportTraceServiceRequest.FromString(slice_request("traces", payload, 1, 3))
    assert sliced == ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=RESOURCE,
                scope_spans=[
                    ScopeSpans(scope=InstrumentationScope(name="one"), spans=[span(2)]),
                    ScopeSpans(scope=InstrumentationScope(name="two"), spans=[span(3)]),
                ],
            )
        ]
    )
    whole = ExportTraceServiceRequest.FromString(slice_request("traces", payload, 0, 4))
    assert whole == ExportTraceServiceRequest.FromString(payload)


def test_slices_of_metrics_are_points() -> None:
    """Points are counted over all metrics of a request, and a metric without points goes."""
    sliced = ExportMetricsServiceRequest.FromString(slice_request("metrics", metrics(1, 2, 3), 2, 4))
    found = sliced.resource_metrics[0].scope_metrics[0].metrics
    points = [(m.name, [p.as_int for p in (m.gauge if m.HasField("gauge") else m.sum).data_points]) for m in found]
    assert points == [("gauge", [3]), ("sum", [1])]


def test_bytes_that_are_not_utf8_survive_slicing() -> None:
    """A request with a broken name can be sliced, and the name stays as it was sent."""
    payload = traces(1, 2).replace(b"span 2.", b"\xff\xff\xff\xff 2.")
    sliced = slice_request("traces", payload, 1, 2)
    assert b"\xff\xff\xff\xff 2." in sliced
    assert b"span 1." not in sliced
