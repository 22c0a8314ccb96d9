"""Captured requests without a part that does not arrive: spans of full queues, attributes beyond an SDK's limit."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Set

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

SPAN_ATTRIBUTES = 128
"""What a span has at most, by default."""

LONG = 130
"""Messages of a long conversation."""

_MESSAGE = re.compile(r"(llm\.input_messages|gen_ai\.prompt)\.(\d+)\.")
_OWN_SCOPES = ("opentelemetry.instrumentation.", "openinference.instrumentation.", "@arizeai/", "@traceloop/")


def without_each_step(payload: bytes, rows: Set[tuple[str, str]]) -> Iterator[bytes]:
    """For each inner span that is no row (trace and span id) but has spans below it: its trace without it, under an id of its own."""
    traces: dict[bytes, list[tuple[ResourceSpans, ScopeSpans, Span]]] = defaultdict(list)
    for of in ExportTraceServiceRequest.FromString(payload).resource_spans:
        for scope in of.scope_spans:
            for span in scope.spans:
                traces[span.trace_id].append((of, scope, span))
    for trace, held in traces.items():
        spans, parents = ({span.span_id for *_, span in held}, {span.parent_span_id for *_, span in held})
        for number, (*_, step) in enumerate(held):
            is_inner = step.parent_span_id in spans and step.span_id in parents
            if is_inner and (trace.hex(), step.span_id.hex()) not in rows:
                yield _request(held[:number] + held[number + 1 :], bytes((*step.span_id, *trace[8:])))


def _request(held: list[tuple[ResourceSpans, ScopeSpans, Span]], trace: bytes) -> bytes:
    request = ExportTraceServiceRequest()
    for of, scope, span in held:
        resource = request.resource_spans.add(resource=of.resource)
        resource.scope_spans.add(scope=scope.scope).spans.add().CopyFrom(span)
        resource.scope_spans[0].spans[0].trace_id = trace
    return request.SerializeToString()


def of_a_long_conversation(payload: bytes) -> bytes:
    """A request whose instrumentors give each message attributes of its own, with what an SDK keeps of them: Python's the last, others the first."""
    request = ExportTraceServiceRequest.FromString(payload)
    for of in request.resource_spans:
        language = next((a.value.string_value for a in of.resource.attributes if a.key == "telemetry.sdk.language"), "")
        kept = slice(-SPAN_ATTRIBUTES, None) if language == "python" else slice(SPAN_ATTRIBUTES)
        for scope in of.scope_spans:
            if language and scope.scope.name.startswith(_OWN_SCOPES):
                for span in scope.spans:
                    left = _longer(list(span.attributes))[kept]
                    del span.attributes[:]
                    span.attributes.extend(left)
    return request.SerializeToString()


def _longer(attributes: list[KeyValue]) -> list[KeyValue]:
    last = max((n for n, attribute in enumerate(attributes) if _MESSAGE.match(attribute.key)), default=-1)
    if last < 0 or not (found := _MESSAGE.match(attributes[last].key)):
        return attributes
    role = "message.role" if found[1] == "llm.input_messages" else "role"
    more = [KeyValue(key=f"{found[1]}.{int(found[2]) + number}.{role}") for number in range(1, LONG)]
    for attribute in more:
        attribute.value.string_value = "user"
    return [*attributes[: last + 1], *more, *attributes[last + 1 :]]
