"""Hand-made OTLP requests: spans and lifecycle records with ids and times that follow from small numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

START_NS = 1_760_000_000_000_000_000
STATUS = {"": 0, "ok": 1, "error": 2}


def value(of: Any) -> AnyValue:
    """Any Python value as an attribute value."""
    match of:
        case bool():
            return AnyValue(bool_value=of)
        case int():
            return AnyValue(int_value=of)
        case float():
            return AnyValue(double_value=of)
        case str():
            return AnyValue(string_value=of)
        case Mapping():
            return AnyValue(kvlist_value=KeyValueList(values=attributes(of)))
    return AnyValue(array_value=ArrayValue(values=[value(item) for item in of]))


def attributes(of: Mapping[str, Any]) -> list[KeyValue]:
    """Attributes by key."""
    return [KeyValue(key=key, value=value(item)) for key, item in of.items()]


def trace_id(number: int) -> str:
    """The id of a numbered trace, hex."""
    return f"{number:032x}"


def span(
    number: int,
    name: str,
    of: Mapping[str, Any] | None = None,
    *,
    parent: int = 0,
    trace: int = 1,
    start_ms: int | None = None,
    end_ms: int | None = None,
    status: str = "",
    message: str = "",
    events: Iterable[tuple[str, Mapping[str, Any]]] = (),
) -> Span:
    """Span `number` of a trace, from `number` ms after the start and 1 s long unless given; status '' (unset), ok or error."""
    start = START_NS + (number if start_ms is None else start_ms) * 1_000_000
    end = start + 1_000_000_000 if end_ms is None else START_NS + end_ms * 1_000_000
    return Span(
        trace_id=trace.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent else b"",
        name=name,
        start_time_unix_nano=start,
        end_time_unix_nano=end,
        attributes=attributes(of or {}),
        status=Status(code=STATUS[status], message=message),  # type: ignore[arg-type]
        events=[Span.Event(time_unix_nano=end, name=event, attributes=attributes(held)) for event, held in events],
    )


def exception(kind: str, message: str) -> tuple[str, dict[str, str]]:
    """The span event of an exception."""
    return ("exception", {"exception.type": kind, "exception.message": message})


def spans_request(spans: Sequence[Span], *, scope: str = "tests", service: str = "shop", **resource: Any) -> bytes:
    """One export of spans of one scope."""
    held = ScopeSpans(scope=InstrumentationScope(name=scope), spans=spans)
    named = Resource(attributes=attributes({"service.name": service, **resource}))
    request = ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=named, scope_spans=[held])])
    return request.SerializeToString()


def record(
    event: str, number: int, of: Mapping[str, Any] | None = None, *, at_ms: int, parent: int = 0, trace: int = 1
) -> LogRecord:
    """The lifecycle record `spanruns.run.<event>` of span `number`, begun `number` ms after the start."""
    held = {
        "spanruns.run.started_at": START_NS + number * 1_000_000,
        **({"spanruns.run.parent_span_id": f"{parent:016x}"} if parent else {}),
        **(of or {}),
    }
    return LogRecord(
        time_unix_nano=START_NS + at_ms * 1_000_000,
        event_name=f"spanruns.run.{event}",
        trace_id=trace.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        attributes=attributes(held),
    )


def content(
    event: str, number: int, body: Any = None, of: Mapping[str, Any] | None = None, *, at_ms: int, trace: int = 1
) -> LogRecord:
    """A log record of span `number` that holds contents of it."""
    return LogRecord(
        time_unix_nano=START_NS + at_ms * 1_000_000,
        event_name=event,
        body=None if body is None else value(body),
        trace_id=trace.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        attributes=attributes(of or {}),
    )


def logs_request(records: Sequence[LogRecord], *, service: str = "shop") -> bytes:
    """One export of log records."""
    named = Resource(attributes=attributes({"service.name": service}))
    held = ScopeLogs(scope=InstrumentationScope(name="spanruns"), log_records=records)
    return ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=named, scope_logs=[held])]).SerializeToString()
