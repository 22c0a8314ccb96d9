"""Captured requests as they come where contents are not told: switched off, masked, or taken out on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from spanruns_schema.dialects.dialect import load

from tests.support.captures import spans_of

INPUT, OUTPUT = ("input", "arguments"), ("output", "result")
LISTED = {
    "input": ("input.", "llm.input_messages.", "gen_ai.prompt."),
    "output": ("output.", "llm.output_messages.", "gen_ai.completion."),
}
"""Contents of which each message, or its type, has keys of its own."""


def without(payload: bytes, *fields: str) -> bytes:
    """A request without the attributes from which these fields are read; some of them tell more (usage, a failure)."""
    is_content = _contents(fields)
    request = ExportTraceServiceRequest.FromString(payload)
    for span in spans_of(request):
        told: Any
        for told in (span, *(event for event in span.events if event.name != "exception")):
            left = [attribute for attribute in told.attributes if not is_content(attribute)]
            del told.attributes[:]
            told.attributes.extend(left)
    return request.SerializeToString()


def _contents(fields: Sequence[str]) -> Callable[[KeyValue], bool]:
    """Which attributes hold one of these fields, and none of the other contents."""
    keys, others = _keys(fields), _keys([name for name in (*INPUT, *OUTPUT) if name not in fields])
    listed = tuple(start for name in fields for start in LISTED.get(name, ()))
    return lambda attribute: attribute.key in keys - others or attribute.key.startswith(listed)


def _keys(fields: Sequence[str]) -> set[str]:
    sources = [source for dialect in load() for name in fields for source in dialect.fields.get(name, ())]
    return {source.removeprefix("last_").split("#")[0].split("/")[-1] for source in sources if source[0] != "$"}
