"""Captured requests made to look as if they came in now, each time as other traces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

FIXTURES = Path(__file__).parents[1] / "fixtures"

RUN_ID = "gen_ai.thread.run.id"
"""What makes spans of several traces one run."""


def fresh(names: Sequence[str], salt: str, now_ns: int) -> tuple[list[ExportTraceServiceRequest], list[str]]:
    """The captures with the last span ending at `now_ns` and trace ids that follow from `salt`; and these ids (hex)."""
    requests = [_read(name) for name in names]
    spans = [span for request in requests for span in spans_of(request)]
    later_ns = _whole_ms(now_ns - _ended_ns(requests))
    for span in spans:
        span.start_time_unix_nano += later_ns
        span.end_time_unix_nano += later_ns
        span.trace_id = _other(span.trace_id, salt)
        for attribute in span.attributes:
            if attribute.key == RUN_ID:
                attribute.value.string_value += f" {salt}"
        for event in span.events:
            event.time_unix_nano += later_ns
        for link in span.links:
            link.trace_id = _other(link.trace_id, salt)
    return requests, sorted({span.trace_id.hex() for span in spans})


def fresh_records(names: Sequence[str], salt: str, now_ns: int) -> list[ExportLogsServiceRequest]:
    """The log records that came with the captures, in the same way."""
    later_ns = _whole_ms(now_ns - _ended_ns([_read(name) for name in names]))
    files = [path for name in names if (path := FIXTURES / "logs" / f"{name}.pb").exists()]
    requests = [ExportLogsServiceRequest.FromString(path.read_bytes()) for path in files]
    for record in (record for request in requests for record in _records(request)):
        record.time_unix_nano += later_ns if record.time_unix_nano else 0
        record.observed_time_unix_nano += later_ns
        record.trace_id = _other(record.trace_id, salt)
    return requests


def _read(name: str) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString((FIXTURES / "otlp" / f"{name}.pb").read_bytes())


def _whole_ms(duration_ns: int) -> int:
    """So that what a coarse clock told, as JavaScript's, still looks so."""
    return duration_ns - duration_ns % 1_000_000


def _ended_ns(requests: Sequence[ExportTraceServiceRequest]) -> int:
    ends: list[int] = [span.end_time_unix_nano for request in requests for span in spans_of(request)]
    return max(ends)


def _records(request: ExportLogsServiceRequest) -> Iterator[Any]:
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            yield from scope.log_records


def spans_of(request: ExportTraceServiceRequest) -> Iterator[Any]:
    """The spans of a request, which may be changed."""
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans


def _other(trace_id: bytes, salt: str) -> bytes:
    return hashlib.blake2b(trace_id + salt.encode(), digest_size=16).digest()
