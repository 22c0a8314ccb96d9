"""The part of OTLP that is stored, as protobuf messages that take any bytes.

Field numbers are those of opentelemetry-proto 1.x. Three differences let one bad value pass without
costing its request, which the generated classes would refuse as a whole: strings are `bytes` (the
generated ones fail on invalid UTF-8), arrays and maps inside an attribute value stay unparsed `bytes`
(the generated ones fail on deep nesting), and what is not stored is not parsed.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from spanruns_receiver.decode.model import Signal, refusal

_PACKAGE = "spanruns.wire"

# message: {field: (number, type)}; "*" repeated, "|name" member of a oneof, a capitalised type is a message.
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Traces": {"resources": (1, "*ResourceSpans")},
    "ResourceSpans": {"resource": (1, "Resource"), "scopes": (2, "*ScopeSpans"), "schema_url": (3, "bytes")},
    "ScopeSpans": {"scope": (1, "Scope"), "items": (2, "*Span"), "schema_url": (3, "bytes")},
    "Span": {
        "trace_id": (1, "bytes"),
        "span_id": (2, "bytes"),
        "trace_state": (3, "bytes"),
        "parent_span_id": (4, "bytes"),
        "name": (5, "bytes"),
        "kind": (6, "int32"),
        "start": (7, "fixed64"),
        "end": (8, "fixed64"),
        "attributes": (9, "*KeyValue"),
        "events": (11, "*Event"),
        "links": (13, "*Link"),
        "status": (15, "Status"),
    },
    "Event": {"time": (1, "fixed64"), "name": (2, "bytes"), "attributes": (3, "*KeyValue")},
    "Link": {
        "trace_id": (1, "bytes"),
        "span_id": (2, "bytes"),
        "trace_state": (3, "bytes"),
        "attributes": (4, "*KeyValue"),
    },
    "Status": {"message": (2, "bytes"), "code": (3, "int32")},
    "Logs": {"resources": (1, "*ResourceLogs")},
    "ResourceLogs": {"resource": (1, "Resource"), "scopes": (2, "*ScopeLogs"), "schema_url": (3, "bytes")},
    "ScopeLogs": {"scope": (1, "Scope"), "items": (2, "*LogRecord"), "schema_url": (3, "bytes")},
    "LogRecord": {
        "time": (1, "fixed64"),
        "severity_number": (2, "int32"),
        "severity_text": (3, "bytes"),
        "body": (5, "AnyValue"),
        "attributes": (6, "*KeyValue"),
        "flags": (8, "fixed32"),
        "trace_id": (9, "bytes"),
        "span_id": (10, "bytes"),
        "observed": (11, "fixed64"),
        "event_name": (12, "bytes"),
    },
    "Metrics": {"resources": (1, "*ResourceMetrics")},
    "ResourceMetrics": {
        "resource": (1, "Resource"),
        "scopes": (2, "*ScopeMetrics"),
        "schema_url": (3, "bytes"),
    },
    "ScopeMetrics": {"scope": (1, "Scope"), "items": (2, "*Metric"), "schema_url": (3, "bytes")},
    "Metric": {
        "name": (1, "bytes"),
        "description": (2, "bytes"),
        "unit": (3, "bytes"),
        "gauge": (5, "Gauge|data"),
        "sum": (7, "Sum|data"),
        "histogram": (9, "Histogram|data"),
        "exp_histogram": (10, "ExpHistogram|data"),
        "summary": (11, "Summary|data"),
    },
    "Gauge": {"points": (1, "*NumberPoint")},
    "Sum": {"points": (1, "*NumberPoint"), "temporality": (2, "int32"), "monotonic": (3, "bool")},
    "Histogram": {"points": (1, "*HistogramPoint"), "temporality": (2, "int32")},
    "ExpHistogram": {"points": (1, "*ExpHistogramPoint"), "temporality": (2, "int32")},
    "Summary": {"points": (1, "*SummaryPoint")},
    "NumberPoint": {
        "start": (2, "fixed64"),
        "time": (3, "fixed64"),
        "as_double": (4, "double|value"),
        "exemplars": (5, "*Exemplar"),
        "as_int": (6, "sfixed64|value"),
        "attributes": (7, "*KeyValue"),
        "flags": (8, "uint32"),
    },
    "HistogramPoint": {
        "start": (2, "fixed64"),
        "time": (3, "fixed64"),
        "count": (4, "fixed64"),
        "sum": (5, "double"),
        "bucket_counts": (6, "*fixed64"),
        "explicit_bounds": (7, "*double"),
        "exemplars": (8, "*Exemplar"),
        "attributes": (9, "*KeyValue"),
        "flags": (10, "uint32"),
        "min": (11, "double"),
        "max": (12, "double"),
    },
    "ExpHistogramPoint": {
        "attributes": (1, "*KeyValue"),
        "start": (2, "fixed64"),
        "time": (3, "fixed64"),
        "count": (4, "fixed64"),
        "sum": (5, "double"),
        "scale": (6, "sint32"),
        "zero_count": (7, "fixed64"),
        "positive": (8, "Buckets"),
        "negative": (9, "Buckets"),
        "flags": (10, "uint32"),
        "exemplars": (11, "*Exemplar"),
        "min": (12, "double"),
        "max": (13, "double"),
    },
    "Buckets": {"offset": (1, "sint32"), "counts": (2, "*uint64")},
    "SummaryPoint": {
        "start": (2, "fixed64"),
        "time": (3, "fixed64"),
        "count": (4, "fixed64"),
        "sum": (5, "double"),
        "quantiles": (6, "*Quantile"),
        "attributes": (7, "*KeyValue"),
        "flags": (8, "uint32"),
    },
    "Quantile": {"quantile": (1, "double"), "value": (2, "double")},
    "Exemplar": {
        "time": (2, "fixed64"),
        "as_double": (3, "double|value"),
        "span_id": (4, "bytes"),
        "trace_id": (5, "bytes"),
        "as_int": (6, "sfixed64|value"),
        "attributes": (7, "*KeyValue"),
    },
    "Resource": {"attributes": (1, "*KeyValue")},
    "Scope": {
        "name": (1, "bytes"),
        "version": (2, "bytes"),
        "attributes": (3, "*KeyValue"),
        "dropped": (4, "uint32"),
    },
    "KeyValue": {"key": (1, "bytes"), "value": (2, "AnyValue")},
    "AnyValue": {
        "string": (1, "bytes|value"),
        "bool": (2, "bool|value"),
        "int": (3, "int64|value"),
        "double": (4, "double|value"),
        "array": (5, "bytes|value"),
        "map": (6, "bytes|value"),
        "bytes": (7, "bytes|value"),
    },
    "ArrayValue": {"values": (1, "*AnyValue")},
    "MapValue": {"values": (1, "*KeyValue")},
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    proto = descriptor_pb2.FileDescriptorProto(name="spanruns/wire.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = proto.message_type.add(name=name)
        for field_name, (number, kind) in fields.items():
            _add_field(message, field_name, number, kind)
    return proto


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: str) -> None:
    base, _, oneof = kind.removeprefix("*").partition("|")
    kinds = descriptor_pb2.FieldDescriptorProto
    field = message.field.add(name=name, number=number)
    field.label = kinds.LABEL_REPEATED if kind.startswith("*") else kinds.LABEL_OPTIONAL
    if base[0].isupper():
        field.type = kinds.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{base}"
    else:
        field.type = kinds.Type.Value(f"TYPE_{base.upper()}")
    if oneof:
        if not message.oneof_decl:
            message.oneof_decl.add(name=oneof)
        field.oneof_index = 0


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())


def _class(name: str) -> type[Message]:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


ArrayValue = _class("ArrayValue")
MapValue = _class("MapValue")
_REQUESTS: dict[Signal, type[Message]] = {
    "traces": _class("Traces"),
    "logs": _class("Logs"),
    "metrics": _class("Metrics"),
}


def parse(signal: Signal, payload: bytes) -> Any:
    """The request in `payload`; raises `Malformed` where it is not a protobuf message of this signal."""
    try:
        return _REQUESTS[signal].FromString(payload)
    except DecodeError as error:
        raise refusal(signal, "malformed") from error
