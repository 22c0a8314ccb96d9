"""Rows of `span_facts` from decoded rows of `otel_traces` and `otel_logs`: `spanruns_schema.dialects.mapping` in Python."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from operator import itemgetter
from typing import Any

from spanruns_schema.dialects import load
from spanruns_schema.dialects.dialect import APART_FROM_INPUT, APART_FROM_OUTPUT, UNTOLD
from spanruns_schema.dialects.program import ContentRecord, Program, compile_program
from spanruns_schema.dialects.rules import (
    CANCELLED,
    CANCELLED_TEXT,
    CONTENT,
    CONTROL_FLOW,
    GENERAL_TYPES,
    INTERNAL_TAG,
    MODALITIES,
    MODEL_PLACE,
    NO_MODELS,
    STACK,
    TEXT_AFTER_TYPE,
    TYPE_IN_MESSAGE,
)

from spanruns_receiver.facts import json_text, numbers
from spanruns_receiver.facts.columns import NAMES
from spanruns_receiver.facts.conditions import Pairs
from spanruns_receiver.facts.reading import Mappings, Raw, Reading, cut

Row = Sequence[Any]
Fact = dict[str, Any]


def _anchored(expression: str) -> re.Pattern[bytes]:
    # Python's `$` also matches before a last line break.
    return re.compile(re.sub(r"\$(?=\)|$)", r"\\Z", expression).encode())


_CANCELLED = _anchored(CANCELLED)
_CANCELLED_TEXT = _anchored(CANCELLED_TEXT)
_CONTROL_FLOW = _anchored(CONTROL_FLOW)
_STACK = _anchored(STACK)
_TYPE_IN_MESSAGE = _anchored(TYPE_IN_MESSAGE)
_TEXT_AFTER_TYPE = _anchored(TEXT_AFTER_TYPE)
_INTERNAL_TAG = _anchored(INTERNAL_TAG)
_MODEL_PLACE = _anchored(MODEL_PLACE)
_TRACEBACKS = (b"Traceback (most recent call last):", b"\n\nNoneType: None")
_GENERAL_TYPES = frozenset(kind.encode() for kind in GENERAL_TYPES)
_NO_MODELS = frozenset(name.encode() for name in NO_MODELS)
_SPACE = b" \t\n\r\f"
_ZEROS = re.compile(rb"\A0+\Z")

_RUNS = frozenset((b"run", b"agent", b"workflow", b"chain"))
_TOOLS = frozenset((b"tool", b"shadow"))
_USERS = _RUNS | {b"model"}
_ENTRIES = frozenset((b"Server", b"Consumer"))
_REF_BYTES = 49
_RECORD_BYTES = 256

MOST_COPIES = 64
"""Bytes of facts that one byte of a log record may become, about."""

_NO_RUN: Fact = {
    "run_id": b"",
    "parent_run_id": b"",
    "run_kind": b"",
    "agent_id": b"",
    "agent_version": b"",
    "trigger": b"",
    "trigger_detail": b"",
    "queued_at": 0,
    "waiting_ms": 0.0,
    "tags": (),
    "parameters": b"",
    "rows_processed": None,
    "progress_done": None,
    "progress_total": None,
    "dry_run": False,
    "sla_ms": None,
    "spans_reported": None,
    "heartbeat_interval_ms": 0,
    "waiting_for": b"",
}
_NO_MODEL: Fact = {"operation": b"", "provider": b"", "response_id": b"", "time_to_first_chunk_ms": None}
_NO_TOOL: Fact = {"tool_call_id": b"", "tool_type": b""}
_NO_USAGE: Fact = {
    "input_tokens": 0,
    "output_tokens": 0,
    "cache_read_tokens": 0,
    "cache_write_tokens": 0,
    "reasoning_tokens": 0,
    **dict.fromkeys(MODALITIES, 0),
    "cost_usd": None,
}

_NOTHING: Fact = {
    **_NO_RUN,
    **_NO_MODEL,
    **_NO_TOOL,
    **_NO_USAGE,
    **dict.fromkeys(("scope", "role", "environment", "workspace", "session_id", "user_id"), b""),
    **dict.fromkeys(("status", "error_type", "error_message"), b""),
    "ended_at": 0,
    "is_shadow": False,
    "is_entry": False,
}

_in_order = itemgetter(*NAMES)


class FactMaker:
    """Makes facts as `program` says; by default as the package's dialects do."""

    def __init__(self, program: Program | None = None) -> None:
        self.program = program or compile_program(load())

    def of_spans(self, rows: Iterable[Row]) -> list[Row]:
        """One fact a row of `otel_traces` (in the order of `decode.columns.TRACES`), in the order of `FACTS`."""
        resources = _Resources()
        return [_in_order(_span(self._spans, row, resources.of(row[8]))) for row in rows]

    def of_records(self, rows: Iterable[Row]) -> list[Row]:
        """The facts of records of the life cycle, of which a heartbeat may stand for many runs, and of records that hold contents of a
        span, among rows of `otel_logs`."""
        return [_in_order(fact) for row in rows for fact in self._of_record(row)]

    def _of_record(self, row: Row) -> Iterator[Fact]:
        attributes, program = dict(row[14]), self.program
        name = attributes.get(b"event.name", b"") or row[15]
        if held := program.contents.get(name):
            return _contents(held, program.no_contents, row, attributes)
        event = program.lifecycle.get(name)
        return iter(()) if event is None else _record(self._records, row, attributes, event)

    @cached_property
    def _spans(self) -> Mappings:
        return Mappings(self.program.spans)

    @cached_property
    def _records(self) -> Reading:
        return Mappings(self.program.records).readings[self.program.record_dialect]


@cache
def package_facts() -> FactMaker:
    """The one of the package's dialects."""
    return FactMaker()


class _Resources:
    """Attributes of a resource by key, made once for the rows that follow each other."""

    def __init__(self) -> None:
        self._pairs: Pairs | None = None
        self._found: dict[bytes, bytes] = {}

    def of(self, pairs: Pairs) -> dict[bytes, bytes]:
        if pairs is not self._pairs:
            self._pairs, self._found = pairs, dict(pairs)
        return self._found


def _span(mappings: Mappings, row: Row, resource: dict[bytes, bytes]) -> Fact:
    (start, trace_id, span_id, parent_id, _, name, kind, service, _, scope, _, attributes, duration, code, message) = (
        row[:15]
    )
    raw = Raw(
        attributes,
        resource,
        span_name=name,
        scope_name=scope,
        scope_version=row[10],
        status=code.lower(),
        status_message=message,
        event_names=row[16],
        event_attributes=row[17],
    )
    reading = mappings.reading(raw)
    reading.read(raw)
    marker = reading.marker(raw)
    fact = {
        "trace_id": trace_id,
        "span_id": parent_id if marker else span_id,
        "parent_span_id": _ZEROS.sub(b"", reading.marker_parent(raw)) if marker else parent_id,
        "event": b"started" if marker else b"",
        "event_at": start // 1000 if marker else 0,
        "started_at": start // 1000,
        "is_entry": kind in _ENTRIES,
        "ended_at": 0 if marker else (start + duration) // 1000,
        "scope": scope,
        "service_name": service,
    }
    fact.update(_shared(reading, raw, reading.role(raw), parent_id))
    fact.update(_outcome(reading, raw, code))
    return fact


def _record(reading: Reading, row: Row, attributes: Mapping[bytes, bytes], event: bytes) -> Iterator[Fact]:
    time, trace_id, span_id, service = row[0], row[1], row[2], row[6]
    refs = _references(attributes, trace_id + b"-" + span_id)
    if not refs:
        return
    raw = Raw(row[14], dict(row[9]))
    reading.read(raw)
    workflow = attributes.get(b"gen_ai.operation.name") == b"invoke_workflow" and not attributes.get(b"spanruns.kind")
    started = numbers.signed(attributes.get(b"spanruns.run.started_at", b"")) or 0
    parent_id = attributes.get(b"spanruns.run.parent_span_id", b"")
    fact = {
        "parent_span_id": parent_id,
        "event": event,
        "event_at": time // 1000,
        "started_at": (started if started > 0 else time) // 1000,
        "is_entry": False,
        "ended_at": 0,
        "scope": b"",
        "service_name": service,
        **_shared(reading, raw, b"workflow" if workflow else b"run", parent_id),
        "status": b"",
        "error_type": b"",
        "error_message": b"",
    }
    for ref in refs:
        yield {**fact, "trace_id": ref[:32].lower(), "span_id": ref[33:].lower()}


def _contents(
    held: ContentRecord, nothing: Sequence[bytes], row: Row, attributes: Mapping[bytes, bytes]
) -> Iterator[Fact]:
    """What a record tells of its span: it hangs below that, and is known by what it says."""
    trace_id, span_id, at = row[1], row[2], row[0] // 1000
    known = {**attributes, b"$body": row[7]}

    def first(sources: Sequence[bytes]) -> bytes:
        values = (known.get(source, b"") for source in sources)
        return next((value for value in values if value not in nothing), b"")

    parts = tuple(map(first, (held.input, held.output, held.error_type, held.error_message)))
    input_, output, error_type, error_message = parts
    if len(trace_id) == 32 and len(span_id) == 16 and any(parts):
        yield {
            **_NOTHING,
            "trace_id": trace_id,
            "span_id": b"%b-%d" % (span_id, zlib.crc32(b"".join(parts))),
            "parent_span_id": span_id,
            "event": CONTENT.encode(),
            "event_at": at,
            "started_at": at,
            "dialect": held.dialect,
            "name": held.message,
            "service_name": row[6],
            "input": cut(input_),
            "output": cut(output),
            "input_size": len(input_),
            "output_size": len(output),
            "error_type": error_type,
            "error_message": cut(error_message),
        }


def _references(attributes: Mapping[bytes, bytes], own: bytes) -> list[bytes]:
    """The runs that a record stands for: what it says itself is copied for each, so a large one stands for fewer."""
    listed = attributes.get(b"spanruns.run.spans", b"")
    if not listed:
        return [own] if len(own) == _REF_BYTES else []
    size = _RECORD_BYTES + sum(map(len, attributes.values())) - len(listed)
    most = MOST_COPIES * (size + len(listed)) // size
    return [ref for ref in json_text.strings(listed) if len(ref) == _REF_BYTES][:most]


def _outcome(reading: Reading, raw: Raw, code: bytes) -> Fact:
    said, type_, text = reading.field("run_status")(raw), *_error(reading, raw)
    said_failed = reading.failed(raw)
    is_error = code == b"Error" and not reading.blamed(raw)
    said_cancelled = not is_error and reading.cancelled(raw)
    ok = code == b"Ok" and not (said_failed or said_cancelled or reading.ok_is_default)
    cancelled = not ok and bool(said_cancelled or _CANCELLED.search(type_) or _CANCELLED_TEXT.search(text))
    typed = not ok and any(value for key, value in raw.attributes if key == b"error.type")
    failed = (is_error or said_failed or (typed and not reading.blamed(raw))) and not (
        _CONTROL_FLOW.search(type_) or _CONTROL_FLOW.search(text)
    )
    status = said or (b"cancelled" if cancelled else b"failed" if failed else b"success" if ok else b"")
    if not (failed or cancelled):
        return {"status": status, "error_type": b"", "error_message": b""}
    return {"status": status, "error_type": type_ or (b"" if cancelled else b"_OTHER"), "error_message": text}


def _error(reading: Reading, raw: Raw) -> tuple[bytes, bytes]:
    """Type and message. Frames glued to the message are not the message, nor is that a type; one may stand in front of it only."""
    kind, message = reading.field("error_type")(raw), reading.field("error_message")(raw)
    if kind == message and b" " in kind:
        kind = b""
    found_at = [at for text in _TRACEBACKS if (at := message.find(text, 1)) > 0]
    if found_at:
        message = message[: min(found_at)].rstrip(_SPACE) or message[:1]
    message = _STACK.sub(rb"\1", message)
    message = cut(message)
    if not message or kind not in _GENERAL_TYPES:
        return kind, message
    found = _TYPE_IN_MESSAGE.search(message)
    if not found:
        return kind, message
    text = _TEXT_AFTER_TYPE.sub(rb"\1\2", message)
    return found[1], text


def _shared(reading: Reading, raw: Raw, role: bytes, parent_id: bytes) -> Fact:
    """The columns that spans and lifecycle records have in common."""
    field = reading.field
    uses, tool = role in _USERS, role in _TOOLS
    holds = uses or (not role and not parent_id)  # a root may turn out to be a run
    input_ = field("input")(raw) if holds else field("arguments")(raw) if tool else b""
    output = field("output")(raw) if holds else field("result")(raw) if tool else b""
    return {
        "dialect": reading.name,
        "role": b"tool" if role == b"shadow" else role,
        "is_shadow": role == b"shadow",
        "name": json_text.string(_name(reading, raw, role)),
        "environment": field("environment")(raw),
        "workspace": field("workspace")(raw),
        "session_id": field("session_id")(raw),
        "user_id": field("user_id")(raw),
        **(_run(reading, raw) if role in _RUNS else _NO_RUN),
        **(_tool(reading, raw) if tool else _NO_TOOL),
        **(_model(reading, raw) if role == b"model" else _NO_MODEL),
        **(_usage(reading, raw) if uses else _NO_USAGE),
        "input": cut(input_),
        "output": cut(output),
        "input_size": len(input_),
        "output_size": len(output),
    }


def _name(reading: Reading, raw: Raw, role: bytes) -> bytes:
    if role in (b"run", b"agent"):
        return reading.field("agent_name")(raw)
    if role in _RUNS:
        return reading.field("workflow_name")(raw)
    if role in _TOOLS:
        return reading.field("tool_name")(raw)
    if role == b"model":
        model = reading.field("model")(raw)
        if model in _NO_MODELS:
            model = reading.field("requested_model")(raw)
        return b"" if model in _NO_MODELS else _MODEL_PLACE.sub(b"", model)
    return b"" if role == b"step" else raw.span_name


def _run(reading: Reading, raw: Raw) -> Fact:
    field = reading.field
    return {
        "run_id": field("run_id")(raw)[:64],
        "parent_run_id": field("parent_run_id")(raw)[:64],
        "run_kind": field("run_kind")(raw),
        "agent_id": field("agent_id")(raw),
        "agent_version": field("agent_version")(raw),
        "trigger": field("trigger")(raw),
        "trigger_detail": field("trigger_detail")(raw),
        "queued_at": _microseconds(numbers.signed(field("queued_at")(raw)) or 0),
        "waiting_ms": _at_least_0(numbers.double(field("waiting_ms")(raw)) or 0.0),
        "tags": _tags(field("tags")(raw)),
        "parameters": cut(field("parameters")(raw)),
        "rows_processed": numbers.signed(field("rows_processed")(raw)),
        "progress_done": numbers.signed(field("progress_done")(raw)),
        "progress_total": numbers.signed(field("progress_total")(raw)),
        "dry_run": field("dry_run")(raw) == b"true",
        "sla_ms": numbers.double(field("sla_ms")(raw)),
        "spans_reported": numbers.unsigned(field("spans_reported")(raw)),
        "heartbeat_interval_ms": numbers.unsigned(field("heartbeat_interval_ms")(raw), bits=32) or 0,
        "waiting_for": field("waiting_for")(raw),
    }


def _tool(reading: Reading, raw: Raw) -> Fact:
    return {
        "tool_call_id": reading.field("tool_call_id")(raw).replace(b"<not specified>", b"", 1),
        "tool_type": reading.field("tool_type")(raw),
    }


def _model(reading: Reading, raw: Raw) -> Fact:
    seconds = numbers.double(reading.field("time_to_first_chunk_s")(raw))
    milliseconds = numbers.double(reading.field("time_to_first_chunk_ms")(raw))
    return {
        "operation": reading.operation(raw),
        "provider": reading.provider(raw),
        "response_id": reading.field("response_id")(raw),
        "time_to_first_chunk_ms": milliseconds if seconds is None else seconds * 1000,
    }


def _usage(reading: Reading, raw: Raw) -> Fact:
    def tokens(*fields: str) -> int:
        return sum(numbers.tokens(reading.field(field)(raw)) for field in fields) % 2**64

    apart = reading.apart(raw)
    input_tokens = tokens("input_tokens", *(field for field in APART_FROM_INPUT if field in apart))
    output_tokens = tokens("output_tokens", *(field for field in APART_FROM_OUTPUT if field in apart))
    untold = max(0, tokens("total_tokens") - (input_tokens + output_tokens) % 2**64) if UNTOLD in apart else 0
    return {
        "input_tokens": input_tokens,
        "output_tokens": (output_tokens + untold) % 2**64,
        "cache_read_tokens": tokens("cache_read_tokens"),
        "cache_write_tokens": tokens("cache_write_tokens"),
        "reasoning_tokens": max(tokens("reasoning_tokens"), untold),
        **{name: tokens(name) for name in MODALITIES},
        "cost_usd": numbers.double(reading.field("cost_usd")(raw)),
    }


def _tags(text: bytes) -> list[bytes]:
    """A JSON array or a comma-separated list."""
    if not text:
        return []
    tags = json_text.strings(text) if text.startswith(b"[") else [tag.strip(b" ") for tag in text.split(b",")]
    return [tag for tag in tags if not _INTERNAL_TAG.search(tag)]


def _microseconds(nanoseconds: int) -> int:
    """Cut towards zero, as ClickHouse does."""
    return nanoseconds // 1000 if nanoseconds >= 0 else -(-nanoseconds // 1000)


def _at_least_0(value: float) -> float:
    return 0.0 if value < 0 else value
