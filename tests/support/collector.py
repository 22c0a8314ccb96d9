"""What a Collector with the `clickhouse` exporter does to ClickHouse: its tables, and the rows it inserts.

Tables and column lists as in opentelemetry-collector-contrib, exporter/clickhouseexporter; values as the Collector's
`pcommon.Value.AsString` spells them. Two times: what it does now (a real one holds it to that, `test_real_collector.py`), and what
versions did that are no longer to be had.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from tests.support.resolving import expected_outcomes, records_of

EXPECTED = expected_outcomes()
DIRECTORY = Path(__file__).parents[1] / "fixtures" / "collector"
KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
CODES = ("Unset", "Ok", "Error")

Request = ExportTraceServiceRequest | ExportLogsServiceRequest


@dataclass(frozen=True)
class Exporter:
    """One version of the exporter: its tables in `fixtures/collector/<name>.sql`, and how it spells enums."""

    name: str
    is_old: bool

    def create_schema(self, url: str) -> None:
        """What it does at its start."""
        database = urlsplit(url).path.strip("/")
        with _client(url, "default") as client:
            client.command(f"CREATE DATABASE IF NOT EXISTS {database}")
        with _client(url, database) as client:
            for statement in self.statements():
                client.command(statement)

    def statements(self) -> list[str]:
        """Its DDL."""
        text = re.sub(r"(?m)^-- .*\n", "", (DIRECTORY / f"{self.name}.sql").read_text())
        return text.rstrip("\n").split("\n--------\n")

    def export(self, url: str, *requests: Request) -> None:
        """Insert requests, one batch a table."""
        spans = [row for r in requests if isinstance(r, ExportTraceServiceRequest) for row in self._spans(r)]
        logs = [row for r in requests if isinstance(r, ExportLogsServiceRequest) for row in self._logs(r)]
        with _client(url, urlsplit(url).path.strip("/")) as client:
            for table, rows in (("otel_traces", spans), ("otel_logs", logs)):
                if rows:
                    block = "\n".join(map(json.dumps, rows)).encode()
                    client.raw_insert(table, list(rows[0]), block, fmt="JSONEachRow")

    def stored(self, request: Request) -> Request:
        """What is left of a request: versions up to 0.139 knew no event names."""
        if self.is_old and isinstance(request, ExportLogsServiceRequest):
            for record in (r for of in request.resource_logs for scope in of.scope_logs for r in scope.log_records):
                record.ClearField("event_name")
        return request

    def stores_whole(self, capture: str) -> bool:
        """Whether nothing is lost of a capture and its log records."""
        return not (self.is_old and any(map(records_of, EXPECTED[capture]["files"])))

    def _spans(self, request: ExportTraceServiceRequest) -> Iterator[dict[str, Any]]:
        for resource in request.resource_spans:
            of_resource = _map(resource.resource.attributes)
            for scope in resource.scope_spans:
                for span in scope.spans:
                    row = {
                        "Timestamp": _time(span.start_time_unix_nano),
                        "TraceId": span.trace_id.hex(),
                        "SpanId": span.span_id.hex(),
                        "ParentSpanId": span.parent_span_id.hex(),
                        "TraceState": span.trace_state,
                        "SpanName": span.name,
                        "SpanKind": self._spelled("SPAN_KIND", KINDS[span.kind]),
                        "ServiceName": of_resource.get("service.name", ""),
                        "ResourceAttributes": of_resource,
                        "ScopeName": scope.scope.name,
                        "ScopeVersion": scope.scope.version,
                        "SpanAttributes": _map(span.attributes),
                        "Duration": span.end_time_unix_nano - span.start_time_unix_nano,
                        "StatusCode": self._spelled("STATUS_CODE", CODES[span.status.code]),
                        "StatusMessage": span.status.message,
                        "Events.Timestamp": [_time(event.time_unix_nano) for event in span.events],
                        "Events.Name": [event.name for event in span.events],
                        "Events.Attributes": [_map(event.attributes) for event in span.events],
                        "Links.TraceId": [link.trace_id.hex() for link in span.links],
                        "Links.SpanId": [link.span_id.hex() for link in span.links],
                        "Links.TraceState": [link.trace_state for link in span.links],
                        "Links.Attributes": [_map(link.attributes) for link in span.links],
                    }
                    # The column list is part of the INSERT; it need not have the order of the table.
                    yield dict(reversed(row.items())) if self.is_old else row

    def _logs(self, request: ExportLogsServiceRequest) -> Iterator[dict[str, Any]]:
        for resource in request.resource_logs:
            of_resource = _map(resource.resource.attributes)
            for scope in resource.scope_logs:
                for log in scope.log_records:
                    yield {
                        "Timestamp": _time(log.time_unix_nano or log.observed_time_unix_nano),
                        "TraceId": log.trace_id.hex(),
                        "SpanId": log.span_id.hex(),
                        "TraceFlags": log.flags & 0xFF,
                        "SeverityText": log.severity_text,
                        "SeverityNumber": int(log.severity_number),
                        "ServiceName": of_resource.get("service.name", ""),
                        "Body": _text(log.body),
                        "ResourceSchemaUrl": resource.schema_url,
                        "ResourceAttributes": of_resource,
                        "ScopeSchemaUrl": scope.schema_url,
                        "ScopeName": scope.scope.name,
                        "ScopeVersion": scope.scope.version,
                        "ScopeAttributes": _map(scope.scope.attributes),
                        "LogAttributes": _map(log.attributes),
                        **({} if self.is_old else {"EventName": log.event_name}),
                    }

    def _spelled(self, prefix: str, word: str) -> str:
        return f"{prefix}_{word.upper()}" if self.is_old else word


CURRENT = Exporter("current", is_old=False)
OLDER = Exporter("older", is_old=True)


def _client(url: str, database: str) -> Any:
    parts = urlsplit(url)
    return clickhouse_connect.get_client(
        host=parts.hostname or "",
        port=parts.port or 0,
        username=parts.username or "",
        password=unquote(parts.password or ""),
        database=database,
        autogenerate_session_id=False,
        dedicated_pool=True,
    )


def _time(unix_ns: int) -> str:
    seconds, nanos = divmod(unix_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{nanos:09d}"


def _map(attributes: Iterable[KeyValue]) -> dict[str, str]:
    return dict(sorted((item.key, _text(item.value)) for item in attributes))


def _text(value: AnyValue) -> str:
    raw = _raw(value)
    if raw is None:
        return ""
    return raw if isinstance(raw, str) else _json(raw)


def _raw(value: AnyValue) -> Any:
    """The value as Go's encoding/json would be given it."""
    match value.WhichOneof("value"):
        case None:
            return None
        case "double_value":
            of = value.double_value
            return int(of) if of.is_integer() and abs(of) < 1e21 else of
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case "array_value":
            return [_raw(item) for item in value.array_value.values]
        case "kvlist_value":
            return {item.key: _raw(item.value) for item in value.kvlist_value.values}
        case kind:
            return getattr(value, kind)


def _json(raw: Any) -> str:
    text = json.dumps(raw, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    for character in "<>&\u2028\u2029":  # Go escapes what HTML could misread
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
