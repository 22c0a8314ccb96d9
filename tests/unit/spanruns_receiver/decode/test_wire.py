"""The messages that take any bytes, against the ones that OTLP is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from spanruns_receiver.decode import Signal, wire
from spanruns_schema.errors import Malformed

FIXTURES = sorted((Path(__file__).parents[3] / "fixtures" / "otlp").glob("*.pb"))
REQUESTS: dict[Signal, Any] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
# Types that look the same on the wire; arrays and maps stay unread.
SAME_ON_THE_WIRE = {
    (FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_STRING),
    (FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_MESSAGE),
    (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_ENUM),
}


def differences(ours: Descriptor, theirs: Descriptor | None, seen: set[str]) -> list[str]:
    """Where a field of `ours` is not what it is in `theirs`, in all messages below."""
    if ours.full_name in seen:
        return []
    seen.add(ours.full_name)
    found: list[str] = []
    if theirs is None:
        return [f"{ours.name} is no message there"]
    for field in ours.fields:
        other = theirs.fields_by_number[field.number]
        if field.message_type is not None:
            found += differences(field.message_type, other.message_type, seen)
        elif field.type != other.type and (field.type, other.type) not in SAME_ON_THE_WIRE:
            found.append(f"{ours.name}.{field.name}")
    return found


@pytest.mark.parametrize("signal", REQUESTS)
def test_fields_are_those_of_otlp(signal: Signal) -> None:
    """Every field has the number and type that it has in opentelemetry-proto."""
    assert differences(type(wire.parse(signal, b"")).DESCRIPTOR, REQUESTS[signal].DESCRIPTOR, set()) == []


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_captured_spans_read_as_they_do_with_otlps_own_classes(path: Path) -> None:
    """The same spans with the same ids, names and numbers of attributes."""
    payload = path.read_bytes()
    ours = wire.parse("traces", payload)
    theirs = ExportTraceServiceRequest.FromString(payload)

    assert [
        (span.trace_id, span.span_id, span.name.decode(), span.start, span.end, len(span.attributes))
        for resource in ours.resources
        for scope in resource.scopes
        for span in scope.items
    ] == [
        (
            span.trace_id,
            span.span_id,
            span.name,
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            len(span.attributes),
        )
        for resource in theirs.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def test_bytes_that_are_not_protobuf_are_refused() -> None:
    """By the name of what they should have been."""
    with pytest.raises(Malformed, match="not an OTLP metrics request: malformed protobuf"):
        wire.parse("metrics", b"\x0a\x05abc")
