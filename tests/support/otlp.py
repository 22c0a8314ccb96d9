"""Real OTLP requests, small and numbered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    Exemplar,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
    Summary,
    SummaryDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from spanruns_receiver.signals import Signal

START_NS = 1_750_000_000_000_000_000
RESOURCE = Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value="tests"))])


def span(number: int, *, trace_id: bytes | None = None, start_ns: int = START_NS) -> Span:
    """A span whose ids and times follow from `number`."""
    return Span(
        trace_id=(number + 1).to_bytes(16, "big") if trace_id is None else trace_id,
        span_id=(number + 1).to_bytes(8, "big"),
        name=f"span {number}.",
        start_time_unix_nano=start_ns + number,
        end_time_unix_nano=start_ns + number + 1000,
    )


def traces(*numbers: int, bad: int = 0, start_ns: int = START_NS) -> bytes:
    """A trace request with one span a number, and `bad` spans whose trace id is too short."""
    spans = [span(number, start_ns=start_ns) for number in numbers]
    spans += [span(900 + n, trace_id=b"short") for n in range(bad)]
    request = ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=RESOURCE, scope_spans=[ScopeSpans(spans=spans)])]
    )
    return request.SerializeToString()


def logs(*numbers: int) -> bytes:
    """A log request with one record a number."""
    records = [LogRecord(time_unix_nano=START_NS + n, body=AnyValue(string_value=f"record {n}.")) for n in numbers]
    request = ExportLogsServiceRequest(
        resource_logs=[ResourceLogs(resource=RESOURCE, scope_logs=[ScopeLogs(log_records=records)])]
    )
    return request.SerializeToString()


def metrics(*numbers: int) -> bytes:
    """A metric request: for each number a gauge point and a sum point."""
    points = [NumberDataPoint(time_unix_nano=START_NS + n, as_int=n) for n in numbers]
    found = [
        Metric(name="gauge", gauge=Gauge(data_points=points)),
        Metric(name="sum", sum=Sum(data_points=points)),
    ]
    request = ExportMetricsServiceRequest(
        resource_metrics=[ResourceMetrics(resource=RESOURCE, scope_metrics=[ScopeMetrics(metrics=found)])]
    )
    return request.SerializeToString()


def every_metric(at_ns: int) -> bytes:
    """A metric request with one point of each kind, with an exemplar where there may be one."""
    exemplar = Exemplar(time_unix_nano=at_ns, as_double=0.5, trace_id=bytes(range(16)), span_id=bytes(range(8)))
    point: dict[str, Any] = {
        "start_time_unix_nano": START_NS,
        "time_unix_nano": at_ns,
        "attributes": RESOURCE.attributes,
    }
    seen: dict[str, Any] = {**point, "count": 3, "sum": 6.5, "min": 1.0, "max": 3.5, "exemplars": [exemplar]}
    kept: dict[str, Any] = {"aggregation_temporality": AGGREGATION_TEMPORALITY_CUMULATIVE}
    buckets = ExponentialHistogramDataPoint.Buckets(offset=-4, bucket_counts=[1, 2])
    quantile = SummaryDataPoint.ValueAtQuantile(quantile=0.5, value=1.25)
    found = [
        Metric(name="gauge", gauge=Gauge(data_points=[NumberDataPoint(**point, as_double=1.5, exemplars=[exemplar])])),
        Metric(name="sum", sum=Sum(data_points=[NumberDataPoint(**point, as_int=-3)], is_monotonic=True, **kept)),
        Metric(
            name="histogram",
            histogram=Histogram(
                data_points=[HistogramDataPoint(**seen, bucket_counts=[1, 2], explicit_bounds=[2.5])], **kept
            ),
        ),
        Metric(
            name="exp_histogram",
            exponential_histogram=ExponentialHistogram(
                data_points=[ExponentialHistogramDataPoint(**seen, scale=-2, zero_count=1, positive=buckets)], **kept
            ),
        ),
        Metric(
            name="summary",
            summary=Summary(data_points=[SummaryDataPoint(**point, count=5, sum=9.5, quantile_values=[quantile])]),
        ),
    ]
    request = ExportMetricsServiceRequest(
        resource_metrics=[ResourceMetrics(resource=RESOURCE, scope_metrics=[ScopeMetrics(metrics=found)])]
    )
    return request.SerializeToString()


REQUESTS: dict[Signal, Callable[..., bytes]] = {"traces": traces, "logs": logs, "metrics": metrics}
