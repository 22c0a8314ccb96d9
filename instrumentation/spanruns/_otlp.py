"""Spans and log records to OTLP request bytes, cleaned on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.trace import Link, Status, StatusCode

from spanruns._content import Cleaner, Role

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from spanruns._live import RunState
    from spanruns._resource import Instance

MESSAGES: Final = frozenset(("exception.message", "exception.stacktrace"))


class Finished(NamedTuple):
    """An ended span on its way out, and the run it belongs to."""

    span: ReadableSpan
    run: RunState | None = None
    is_run: bool = False
    """True if it is the span of that run itself."""
    called_off_by: str | None = None
    """The cancellation that ended it, where the span does not say so itself."""


def role_of(attributes: Mapping[str, Any]) -> Role:
    """`tool` for a span whose content is what a tool was given and answered, whichever dialect says so."""
    if (
        attributes.get("gen_ai.operation.name") in ("execute_tool", "tool_call")
        or attributes.get("openinference.span.kind") == "TOOL"
        or attributes.get("traceloop.span.kind") == "tool"
        or attributes.get("langsmith.span.kind") == "tool"
        or attributes.get("mlflow.spanType") in ("TOOL", '"TOOL"')
        or attributes.get("ai.operationId") == "ai.toolCall"
        or "mcp.method.name" in attributes
    ):
        return "tool"
    return "other"


def clean_span(item: Finished, cleaner: Cleaner, instance: Instance | None = None) -> ReadableSpan:
    """A copy of the span as it may leave; that of a run says what is known by now of the spans below it."""
    from opentelemetry.sdk.trace import ReadableSpan

    span = item.span
    before = cleaner.truncated
    raw = dict(span.attributes or {})
    role = role_of(raw)
    attributes = cleaner.attributes(raw, role)
    if item.called_off_by is not None:
        attributes["error.type"] = item.called_off_by
    events = [_clean_event(event, cleaner, role) for event in span.events]
    status = _clean_status(span.status, cleaner)
    cut = cleaner.truncated - before
    if item.run is not None:
        if cut:
            item.run.count(truncated=cut)
        if item.is_run:
            attributes.update(item.run.completeness())
    return ReadableSpan(
        name=cleaner.text("name", span.name),
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource if instance is None else instance.of(span.resource),
        attributes=attributes,
        events=events,
        links=[_clean_link(link, cleaner, role) for link in span.links],
        kind=span.kind,
        status=status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=_clean_scope(span.instrumentation_scope, cleaner),
    )


def _clean_event(event: Event, cleaner: Cleaner, role: Role) -> Event:
    from opentelemetry.sdk.trace import Event

    raw = dict(event.attributes or {})
    if event.name == "exception":
        role = "other"
        if not cleaner.keeps_messages:
            raw = {key: value for key, value in raw.items() if key not in MESSAGES}
    elif event.name == "gen_ai.tool.message":
        role = "tool"
    return Event(cleaner.text("name", event.name), cleaner.attributes(raw, role), event.timestamp)


def _clean_link(link: Link, cleaner: Cleaner, role: Role) -> Link:
    return Link(link.context, cleaner.attributes(link.attributes, role)) if link.attributes else link


def _clean_scope(scope: InstrumentationScope | None, cleaner: Cleaner) -> InstrumentationScope | None:
    """Loggers are named by the service, and their names are scopes."""
    if scope is None:
        return None
    name, attributes = cleaner.text("name", scope.name), cleaner.resource(scope.attributes or {})
    if name == scope.name and attributes == (scope.attributes or {}):
        return scope
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    return InstrumentationScope(name, scope.version, scope.schema_url, attributes)


def _clean_status(status: Status, cleaner: Cleaner) -> Status:
    if not status.description or status.status_code is not StatusCode.ERROR:
        return status
    return Status(
        StatusCode.ERROR,
        cleaner.text("exception.message", status.description) if cleaner.keeps_messages else None,
    )


def pack_spans(spans: Sequence[ReadableSpan]) -> bytes:
    """Bytes of an ExportTraceServiceRequest."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    return encode_spans(spans).SerializeToString()


def clean_log(record: ReadableLogRecord, cleaner: Cleaner, instance: Instance | None = None) -> ReadableLogRecord:
    """A copy of the log record as it may leave."""
    import copy

    inner = copy.copy(record.log_record)
    inner.attributes = cleaner.attributes(inner.attributes)
    if inner.event_name:
        inner.event_name = cleaner.text("name", inner.event_name)
    if not cleaner.keeps_messages:
        for key in MESSAGES:
            inner.attributes.pop(key, None)
        inner.body = None
    elif isinstance(inner.body, str):
        inner.body = cleaner.text("body", inner.body)
    elif inner.body is not None:
        inner.body = cleaner.attributes({"body": inner.body}).get("body")
    resource = record.resource if instance is None else instance.of(record.resource)
    scope = _clean_scope(record.instrumentation_scope, cleaner)
    return replace(record, log_record=inner, resource=resource, instrumentation_scope=scope)


def pack_logs(records: Sequence[ReadableLogRecord]) -> bytes:
    """Bytes of an ExportLogsServiceRequest."""
    from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs

    return encode_logs(records).SerializeToString()
