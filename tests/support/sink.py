"""A tiny real OTLP/HTTP endpoint: what arrives is decoded and kept, and may be waited for."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

REQUESTS: Mapping[str, type[Message]] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
}


def plain(value: AnyValue) -> Any:
    """An attribute value as Python has it."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return named(value.kvlist_value.values)
    return None if kind is None else getattr(value, kind)


def named(pairs: Any) -> dict[str, Any]:
    """Attributes by key."""
    return {pair.key: plain(pair.value) for pair in pairs if isinstance(pair, KeyValue)}


@dataclass(frozen=True)
class SinkSpan:
    """A span as it arrived."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    status: int
    message: str
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    resource: dict[str, Any]
    scope: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class SinkLog:
    """A log record as it arrived."""

    event: str
    trace_id: str
    span_id: str
    body: Any
    severity: int
    attributes: dict[str, Any]
    resource: dict[str, Any]
    scope: str
    arrived: float


@dataclass
class Sink:
    """What has arrived so far. `status` and `headers` are what the next requests are answered with."""

    port: int = 0
    spans: list[SinkSpan] = field(default_factory=list)
    logs: list[SinkLog] = field(default_factory=list)
    metrics: list[Any] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}"

    def events(self, name: str | None = None) -> list[SinkLog]:
        """Lifecycle events, in order of arrival."""
        return [log for log in self.logs if log.event and name in (None, log.event.removeprefix("spanruns.run."))]

    def span(self, name: str) -> SinkSpan:
        """The one span of this name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def wait(self, ready: Callable[[Sink], object], timeout_s: float = 15.0) -> None:
        """Until `ready(self)` is true; fails with what has arrived otherwise."""
        end = time.monotonic() + timeout_s
        with self.changed:
            while not ready(self):
                left = end - time.monotonic()
                if left <= 0:
                    spans, events = [s.name for s in self.spans], [log.event for log in self.logs]
                    raise AssertionError(f"not arrived: spans {spans}, logs {events}")
                self.changed.wait(left)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """Keep one request."""
        with self.changed:
            self.requests.append((path, headers, body))
            if self.status == 200 and path in REQUESTS:
                message = REQUESTS[path]()
                message.ParseFromString(gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body)
                self._keep(message)
            self.changed.notify_all()

    def _keep(self, message: Any) -> None:
        if isinstance(message, ExportTraceServiceRequest):
            self.spans.extend(_spans(message))
        elif isinstance(message, ExportLogsServiceRequest):
            self.logs.extend(_logs(message))
        else:
            for resource in message.resource_metrics:
                for scope in resource.scope_metrics:
                    self.metrics.extend(scope.metrics)


def _spans(message: ExportTraceServiceRequest) -> Iterator[SinkSpan]:
    for resource in message.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield SinkSpan(
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    kind=span.kind,
                    status=span.status.code,
                    message=span.status.message,
                    attributes=named(span.attributes),
                    events=[(event.name, named(event.attributes)) for event in span.events],
                    resource=named(resource.resource.attributes),
                    scope=scope.scope.name,
                    start_ns=span.start_time_unix_nano,
                    end_ns=span.end_time_unix_nano,
                )


def _logs(message: ExportLogsServiceRequest) -> Iterator[SinkLog]:
    for resource in message.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                yield SinkLog(
                    event=record.event_name,
                    trace_id=record.trace_id.hex(),
                    span_id=record.span_id.hex(),
                    body=plain(record.body),
                    severity=record.severity_number,
                    attributes=named(record.attributes),
                    resource=named(resource.resource.attributes),
                    scope=scope.scope.name,
                    arrived=time.monotonic(),
                )


class SinkServer:
    """Serves a `Sink` on a port of its own until closed; closed and opened again, it keeps the port."""

    def __init__(self, port: int = 0) -> None:
        self.sink = Sink(port)
        self.open()

    def open(self) -> None:
        """Start listening."""
        sink = self.sink

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                sink.take(self.path, {key.lower(): value for key, value in self.headers.items()}, body)
                self.send_response(sink.status)
                for key, value in {"Content-Type": "application/x-protobuf", **sink.headers}.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(sink.body)))
                self.end_headers()
                self.wfile.write(sink.body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that was killed is part of the tests."""

        self._server = Server(("127.0.0.1", sink.port), Handler)
        sink.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; connections that are open stay so until they are idle."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
