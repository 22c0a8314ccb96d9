"""OpenTelemetry's own exporters, over the whole way into the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from tests.support.up import Up, ask_store, running_up

Exporters = tuple[SpanExporter, LogRecordExporter, MetricExporter]


def over_grpc(up: Up) -> Exporters:
    """The gRPC exporters, compressing."""
    more = {"insecure": True, "compression": grpc.Compression.Gzip}
    return (
        GrpcSpans(up.grpc, **more),
        GrpcLogs(up.grpc, **more),
        GrpcMetrics(up.grpc, **more),
    )


def over_http(up: Up) -> Exporters:
    """The HTTP exporters, compressing."""
    return (
        HttpSpans(f"{up.url}/v1/traces", compression=Compression.Gzip),
        HttpLogs(f"{up.url}/v1/logs", compression=Compression.Gzip),
        HttpMetrics(f"{up.url}/v1/metrics", compression=Compression.Gzip),
    )


def emit(service: str, exporters: Exporters) -> None:
    """Two spans, one log record, one counter and one histogram, as a service would send them."""
    resource = Resource({"service.name": service})
    spans, logs, metrics = exporters
    tracing = TracerProvider(resource=resource)
    tracing.add_span_processor(BatchSpanProcessor(spans))
    tracer = tracing.get_tracer("tests")
    with tracer.start_as_current_span("outer", attributes={"list": [1, 2]}), tracer.start_as_current_span("inner"):
        pass
    tracing.shutdown()
    logging = LoggerProvider(resource=resource)
    logging.add_log_record_processor(BatchLogRecordProcessor(logs))
    record = LogRecord(body="hello", severity_number=SeverityNumber.INFO, event_name="greeting")
    logging.get_logger("tests").emit(record)
    logging.shutdown()
    metering = MeterProvider([PeriodicExportingMetricReader(metrics, 60_000)], resource=resource)
    meter = metering.get_meter("tests")
    meter.create_counter("calls").add(3, {"kind": "a"})
    meter.create_histogram("took").record(0.25)
    metering.shutdown()


@pytest.mark.parametrize("exporters", [over_grpc, over_http])
def test_official_exporters(tmp_path: Path, exporters: Callable[[Up], Exporters]) -> None:
    """All three signals from OpenTelemetry's Python SDK are in their tables after a stop."""
    data = tmp_path / "data"
    with running_up(data) as up:
        emit("shop", exporters(up))
        assert up.stop() == 0
    spans, logs, sums, histograms = ask_store(
        data,
        "SELECT SpanName AS name, ServiceName AS service, SpanAttributes['list'] AS list FROM otel_traces ORDER BY name",
        "SELECT Body AS body, EventName AS event, ServiceName AS service FROM otel_logs",
        "SELECT MetricName AS name, Value AS value, Attributes['kind'] AS kind FROM otel_metrics_sum",
        "SELECT MetricName AS name, Count AS count, Sum AS sum FROM otel_metrics_histogram",
    )
    assert spans == [
        {"name": "inner", "service": "shop", "list": ""},
        {"name": "outer", "service": "shop", "list": "[1,2]"},
    ]
    assert logs == [{"body": "hello", "event": "greeting", "service": "shop"}]
    assert {"name": "calls", "value": 3, "kind": "a"} in sums
    assert {"name": "took", "count": 1, "sum": 0.25} in histograms
