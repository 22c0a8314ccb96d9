"""Realistic spans: runs of 16 spans (an agent, its model and tool calls in turn), 15 attributes of few names and random text, as OTLP requests."""

from __future__ import annotations

import random

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

SPANS_PER_TRACE = 16
TEXT_CHARACTERS = 80
"""Of each of two contents of a span."""

_RESOURCE = {
    "service.name": "agent-service",
    "service.instance.id": "7f6c7b6b-276d-4edf-b254-2d2c7690d7ad",
    "telemetry.sdk.language": "python",
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.version": "1.45.2",
}
_NAMES = ("invoke_agent researcher", "chat gpt-5", "execute_tool search")
_OPERATIONS = ("invoke_agent", "chat", "execute_tool")
_NAMED = {
    "gen_ai.agent.name": ("researcher", "support", "travel planner", "reviewer"),
    "gen_ai.provider.name": ("openai", "anthropic", "ollama"),
    "gen_ai.request.model": ("gpt-5", "gpt-4.1-mini", "claude-sonnet-4-5", "house-model"),
    "gen_ai.response.model": (
        "gpt-5-2025-08-07",
        "gpt-4.1-mini-2025-04-14",
        "claude-sonnet-4-5-20250929",
        "house-model",
    ),
    "gen_ai.tool.name": ("search", "fetch", "calculate", "send_mail", "query_orders", "book_flight"),
    "server.address": ("api.openai.com", "api.anthropic.com", "10.0.0.7"),
}
_SHORT = ("gen_ai.conversation.id", "gen_ai.tool.call.id", "user.id")
_LONG = ("gen_ai.input.messages", "gen_ai.output.messages")
_LETTERS = "abcdefghijklmnopqrstuvwxyz "


def request(traces: int, seed: int, start_ns: int) -> bytes:
    """One request with `traces` whole traces that began within a second from `start_ns`; the same for the same arguments."""
    rng = random.Random(seed)
    spans = [span for _ in range(traces) for span in _trace(rng, start_ns + rng.randrange(10**9))]
    scope = ScopeSpans(spans=spans)
    scope.scope.name, scope.scope.version = "bench", "1.0"
    resource = Resource(attributes=[_text(key, value) for key, value in _RESOURCE.items()])
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope])]
    ).SerializeToString()


def _trace(rng: random.Random, start_ns: int) -> list[Span]:
    trace_id, root = rng.randbytes(16), rng.randbytes(8)
    return [_span(rng, position, trace_id, root, start_ns + 1000 * position) for position in range(SPANS_PER_TRACE)]


def _span(rng: random.Random, position: int, trace_id: bytes, root: bytes, start_ns: int) -> Span:
    kind = 1 + position % 2 if position else 0
    failed = position == 5
    return Span(
        trace_id=trace_id,
        span_id=rng.randbytes(8) if position else root,
        parent_span_id=root if position else b"",
        name=_NAMES[kind],
        kind=Span.SPAN_KIND_CLIENT if kind == 1 else Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + rng.randrange(10**9),
        attributes=_attributes(rng, _OPERATIONS[kind]),
        status=Status(
            code=Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_UNSET,
            message=_words(rng, 40) if failed else "",
        ),
    )


def _attributes(rng: random.Random, operation: str) -> list[KeyValue]:
    return [
        _text("gen_ai.operation.name", operation),
        *(_text(key, rng.choice(names)) for key, names in _NAMED.items()),
        *(_text(key, _words(rng, 12)) for key in _SHORT),
        *(_text(key, _words(rng, TEXT_CHARACTERS)) for key in _LONG),
        KeyValue(key="gen_ai.usage.input_tokens", value=AnyValue(int_value=rng.randrange(5000))),
        KeyValue(key="gen_ai.usage.output_tokens", value=AnyValue(int_value=rng.randrange(5000))),
        KeyValue(key="gen_ai.request.temperature", value=AnyValue(double_value=rng.random())),
    ]


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _words(rng: random.Random, size: int) -> str:
    return "".join(rng.choices(_LETTERS, k=size))
