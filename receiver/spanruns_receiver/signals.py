"""The three OTLP signals: their names on both doors and the shape of their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from spanruns_receiver.decode.model import Signal
from spanruns_receiver.memory import MemoryBudget

__all__ = ["NAMES", "SIGNALS", "ExportResult", "Exporter", "Signal", "SignalNames", "response"]

SIGNALS: tuple[Signal, ...] = ("traces", "logs", "metrics")


@dataclass(frozen=True)
class ExportResult:
    """What became of a request: `accepted` items are durable, `rejected` ones never will be; items are spans,
    log records or data points.
    """

    accepted: int
    rejected: int = 0
    message: str = ""


@dataclass(frozen=True)
class SignalNames:
    """How a signal is called on the wire."""

    http_path: str
    grpc_method: str


NAMES: dict[Signal, SignalNames] = {
    "traces": SignalNames("/v1/traces", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
    "logs": SignalNames("/v1/logs", "/opentelemetry.proto.collector.logs.v1.LogsService/Export"),
    "metrics": SignalNames("/v1/metrics", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"),
}


class Exporter(Protocol):
    """The one function behind both doors, and the `memory` that they have."""

    memory: MemoryBudget

    def export(self, signal: Signal, payload: bytes, *, door: str) -> ExportResult:
        """Make one `Export*ServiceRequest` durable; raises what `spanruns_schema.errors` lists."""

    def refused(self, door: str, error: BaseException) -> None:
        """Count a request that the door answers with `error`."""


def response(signal: Signal, result: ExportResult) -> Message:
    """The `Export*ServiceResponse` for `result`; `partial_success` only where items were rejected (OTLP,
    Partial Success).
    """
    partial = bool(result.rejected or result.message)
    if signal == "traces":
        traces = ExportTracePartialSuccess(rejected_spans=result.rejected, error_message=result.message)
        return ExportTraceServiceResponse(partial_success=traces if partial else None)
    if signal == "logs":
        logs = ExportLogsPartialSuccess(rejected_log_records=result.rejected, error_message=result.message)
        return ExportLogsServiceResponse(partial_success=logs if partial else None)
    metrics = ExportMetricsPartialSuccess(rejected_data_points=result.rejected, error_message=result.message)
    return ExportMetricsServiceResponse(partial_success=metrics if partial else None)
