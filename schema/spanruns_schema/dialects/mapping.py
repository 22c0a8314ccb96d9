"""The dialects' data as SQL: the materialized views that turn raw rows into facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from spanruns_schema.dialects.dialect import APART_FROM_INPUT, APART_FROM_OUTPUT, BASE, UNTOLD, Dialect, Record, load
from spanruns_schema.dialects.row_mapping import RowMapping
from spanruns_schema.dialects.rules import (
    CANCELLED,
    CANCELLED_TEXT,
    CONTENT,
    CONTENT_LIMIT,
    CONTROL_FLOW,
    FACTS_WRITTEN,
    GENERAL_TYPES,
    INTERNAL_TAG,
    LIFECYCLE,
    MODALITIES,
    MODEL_PLACE,
    NO_CONTENTS,
    NO_MODELS,
    STACK,
    TEXT_AFTER_TYPE,
    TRACEBACK,
    TYPE_IN_MESSAGE,
    content_records,
)
from spanruns_schema.dialects.sql import first, listed, match_any, quote, unquoted

FLAGS = {
    "is_run_": "role_ IN ('run', 'agent', 'workflow', 'chain')",
    "is_tool_": "role_ IN ('tool', 'shadow')",
    "is_model_": "role_ = 'model'",
    "has_usage_": "role_ IN ('run', 'agent', 'workflow', 'chain', 'model')",
    # A root may turn out to be a run.
    "has_content_": "role_ IN ('run', 'agent', 'workflow', 'chain', 'model') OR (role_ = '' AND ParentSpanId = '')",
}


def mapping_views(dialects: Sequence[Dialect] | None = None) -> dict[str, str]:
    """Name and text of the materialized views that fill `span_facts`, from spans and from log records."""
    dialects = dialects if dialects is not None else load()
    return {
        "span_facts_mv": _view("span_facts_mv", span_facts_select(dialects)),
        "event_facts_mv": _view("event_facts_mv", event_facts_select(dialects)),
        "content_facts_mv": _view("content_facts_mv", content_facts_select(dialects)),
    }


def span_facts_select(dialects: Sequence[Dialect]) -> str:
    """The SELECT that maps rows of `otel_traces` to facts."""
    mapping = RowMapping(dialects, "SpanAttributes")
    marker, marker_parent = mapping.marker()
    field = mapping.field
    columns = {
        "trace_id": "TraceId",
        "span_id": "if(marker_, ParentSpanId, SpanId)",
        "parent_span_id": f"if(marker_, replaceRegexpOne({marker_parent}, '^0+$', ''), ParentSpanId)",
        "event": "if(marker_, 'started', '')",
        "event_at": "if(marker_, toDateTime64(Timestamp, 6, 'UTC'), toDateTime64(0, 6, 'UTC'))",
        "started_at": "toDateTime64(Timestamp, 6, 'UTC')",
        "is_entry": "SpanKind IN ('Server', 'Consumer', 'SPAN_KIND_SERVER', 'SPAN_KIND_CONSUMER')",
        "ended_at": "if(marker_, toDateTime64(0, 6, 'UTC'), "
        "toDateTime64(Timestamp + toIntervalNanosecond(Duration), 6, 'UTC'))",
        "scope": "ScopeName",
        **_shared(mapping),
        "status": f"multiIf({field('run_status')} != '', {field('run_status')}, cancelled_, 'cancelled', "
        "failed_, 'failed', is_ok_, 'success', '')",
        "error_type": "multiIf(NOT (failed_ OR cancelled_), '', type_ != '' OR cancelled_, type_, '_OTHER')",
        "error_message": "if(failed_ OR cancelled_, text_, '')",
    }
    kind, message = field("error_type"), field("error_message")
    # A traceback glued to the message is not the message; a type may stand in front of it only: `KeyError('x')`, `KeyError: x`.
    error = {
        "message_": f"if({message} = '', '', substringUTF8(replaceRegexpOne("
        f"replaceRegexpOne({message}, {quote(TRACEBACK)}, '\\\\1'), {quote(STACK)}, '\\\\1'), 1, {CONTENT_LIMIT}))",
        # A message in the type's place would be a type of its own for every failure.
        "kind_": f"multiIf({kind} != {message}, {kind}, position({kind}, ' ') > 0, '', {kind})",
        "said_": f"if({message} = '' OR kind_ NOT IN ({listed(GENERAL_TYPES)}), '', extract(message_, {quote(TYPE_IN_MESSAGE)}))",
        "type_": "if(said_ != '', said_, kind_)",
        "text_": f"if(said_ != '', replaceRegexpOne(message_, {quote(TEXT_AFTER_TYPE)}, '\\\\1\\\\2'), message_)",
        "said_failed_": mapping.says(lambda dialect: dialect.failed),
        "blamed_": mapping.says(lambda dialect: dialect.blamed),
        "says_cancelled_": mapping.says(lambda dialect: dialect.cancelled),
    }
    outcome = {
        "is_error_": "StatusCode IN ('Error', 'STATUS_CODE_ERROR') AND NOT blamed_",
        "said_cancelled_": "NOT is_error_ AND says_cancelled_",
        "is_ok_": "StatusCode IN ('Ok', 'STATUS_CODE_OK') AND NOT said_failed_ AND NOT said_cancelled_ "
        f"AND NOT {_ok_is_default(dialects)}",
        "cancelled_": f"NOT is_ok_ AND (match(type_, {quote(CANCELLED)}) OR match(text_, {quote(CANCELLED_TEXT)}) OR said_cancelled_)",
        "failed_": "(is_error_ OR said_failed_ OR "
        f"(SpanAttributes['error.type'] != '' AND NOT is_ok_ AND NOT blamed_)) AND NOT (match(type_, {quote(CONTROL_FLOW)}) "
        f"OR match(text_, {quote(CONTROL_FLOW)}))",
    }
    role = mapping.role()
    return _select(
        [
            *mapping.stages(),
            *mapping.inside(),
            {"role_": role, "marker_": marker},
            mapping.fields() | FLAGS,
            mapping.derived() | error,
            outcome,
        ],
        columns,
        "otel_traces",
        f"TraceId != '' AND SpanId != '' AND getSetting('log_comment') != '{FACTS_WRITTEN}'",
    )


def event_facts_select(dialects: Sequence[Dialect]) -> str:
    """The SELECT that maps lifecycle records of `otel_logs` to facts; a heartbeat may stand for many runs."""
    mapping = RowMapping([d for d in dialects if d.name in (BASE, "spanruns")], "LogAttributes")
    record = {
        "event_": EVENT_NAME,
        "started_": "toInt64OrZero(LogAttributes['spanruns.run.started_at'])",
        "dialect": "'spanruns'",
        "role_": "if(LogAttributes['gen_ai.operation.name'] = 'invoke_workflow' AND LogAttributes['spanruns.kind'] = '', "
        "'workflow', 'run')",
        "SpanName": "''",
        "ParentSpanId": "LogAttributes['spanruns.run.parent_span_id']",
        "ref_": "arrayJoin(if(LogAttributes['spanruns.run.spans'] != '', "
        "JSONExtract(LogAttributes['spanruns.run.spans'], 'Array(String)'), [concat(TraceId, '-', SpanId)]))",
    }
    columns = {
        "trace_id": "lower(substring(ref_, 1, 32))",
        "span_id": "lower(substring(ref_, 34))",
        "parent_span_id": "ParentSpanId",
        "event": "substring(event_, 14)",
        "event_at": "toDateTime64(Timestamp, 6, 'UTC')",
        "started_at": "toDateTime64(if(started_ > 0, fromUnixTimestamp64Nano(started_, 'UTC'), Timestamp), 6, 'UTC')",
        "ended_at": "toDateTime64(0, 6, 'UTC')",
        "scope": "''",
        **_shared(mapping),
        "status": "''",
        "error_type": "''",
        "error_message": "''",
    }
    events = ", ".join(f"'spanruns.run.{event}'" for event in LIFECYCLE)
    return _select(
        [record, *mapping.stages()[1:], *mapping.inside(), mapping.fields() | FLAGS, mapping.derived()],
        columns,
        "(SELECT * FROM otel_logs WHERE startsWith(EventName, 'spanruns.run.') "
        "OR startsWith(LogAttributes['event.name'], 'spanruns.run.'))",
        f"event_ IN ({events}) AND length(ref_) = 49 AND getSetting('log_comment') != '{FACTS_WRITTEN}'",
    )


def _ok_is_default(dialects: Sequence[Dialect]) -> str:
    """Whether a status of OK says nothing."""
    names = [dialect.name for dialect in dialects if dialect.ok_is_default]
    return match_any("dialect", names) if names else "false"


def content_facts_select(dialects: Sequence[Dialect]) -> str:
    """The SELECT that maps log records that tell of a span to facts: each hangs below its span, and is known by what it says."""
    records = content_records(dialects)
    by_dialect, by_event = [[name for name, _ in records.values()], [record.message for _, record in records.values()]]

    def of_event(words: Sequence[str]) -> str:
        return f"transform(event_, [{listed(list(records))}], [{listed(words)}], '')"

    def content(sources_of: Callable[[Record], Sequence[str]]) -> str:
        events: dict[tuple[str, ...], list[str]] = {}
        for event, (_, record) in records.items():
            events.setdefault(tuple(sources_of(record)), []).append(event)
        branches = [
            part
            for sources, names in events.items()
            if sources
            for part in (match_any("event_", names), first([_content_source(source) for source in sources]))
        ]
        return f"multiIf({', '.join(branches)}, '')" if branches else "''"

    at = "toDateTime64(Timestamp, 6, 'UTC')"
    whole = {
        "whole_input_": content(lambda record: record.input),
        "whole_output_": content(lambda record: record.output),
        "whole_error_type_": content(lambda record: record.error_type),
        "whole_error_message_": content(lambda record: record.error_message),
    }
    columns = {
        "trace_id": "TraceId",
        "span_id": f"concat(SpanId, '-', toString(CRC32(concat({', '.join(whole)}))))",
        "parent_span_id": "SpanId",
        "event": quote(CONTENT),
        "event_at": at,
        "started_at": at,
        "dialect": of_event(by_dialect),
        "name": of_event(by_event),
        "service_name": "ServiceName",
        "input": _cut("whole_input_"),
        "output": _cut("whole_output_"),
        "input_size": "length(whole_input_)",
        "output_size": "length(whole_output_)",
        "error_type": "whole_error_type_",
        "error_message": _cut("whole_error_message_"),
    }
    events = listed(list(records))
    says_something = " OR ".join(f"{name} != ''" for name in whole)
    return _select(
        [{"event_": EVENT_NAME}, whole],
        columns,
        f"(SELECT * FROM otel_logs WHERE EventName IN ({events}) OR LogAttributes['event.name'] IN ({events}))",
        f"length(TraceId) = 32 AND length(SpanId) = 16 AND ({says_something}) "
        f"AND getSetting('log_comment') != '{FACTS_WRITTEN}'",
    )


EVENT_NAME = "if(LogAttributes['event.name'] = '', EventName, LogAttributes['event.name'])"
"""An event's name. Asked the other way round (`!= ''`) the engine (26.9) does not find the column again below an `arrayJoin`."""


def _content_source(source: str) -> str:
    value = "Body" if source == "$body" else f"LogAttributes[{quote(source)}]"
    return f"if({value} IN ({listed(NO_CONTENTS)}), '', {value})"


def _shared(mapping: RowMapping) -> dict[str, str]:
    """The columns that spans and lifecycle records have in common, by name."""
    field = mapping.field
    run, tool, model = "is_run_", "is_tool_", "is_model_"

    def only(condition: str, expression: str, default: str = "''") -> str:
        return f"if({condition}, {expression}, {default})"

    def integer(name: str, condition: str) -> str:
        return only(condition, f"toInt64OrNull({field(name)})", "NULL")

    def tokens(name: str) -> str:
        return only("has_usage_", _unsigned(field(name)), "0")

    def whole(name: str, parts: Sequence[str]) -> str:
        apart = [f"if({mapping.apart(part)}, {tokens(part)}, 0)" for part in parts]
        return mapping.alias(f"whole_{name}_", " + ".join([tokens(name), *apart]))

    def content(condition: str, run_or_model: str, of_tool: str) -> str:
        return f"multiIf({condition}, {field(run_or_model)}, {tool}, {field(of_tool)}, '')"

    input_tokens, output_tokens = whole("input_tokens", APART_FROM_INPUT), whole("output_tokens", APART_FROM_OUTPUT)
    told, total = f"{input_tokens} + {output_tokens}", mapping.alias("total_tokens_", tokens("total_tokens"))
    untold = f"if({mapping.alias('untold_', mapping.apart(UNTOLD))}, if({total} > {told}, {total} - ({told}), 0), 0)"
    whole_input = mapping.alias("whole_input_", content("has_content_", "input", "arguments"))
    whole_output = mapping.alias("whole_output_", content("has_content_", "output", "result"))
    return {
        "dialect": "dialect",
        "role": "if(role_ = 'shadow', 'tool', role_)",
        "is_shadow": "role_ = 'shadow'",
        "name": unquoted(
            mapping.alias(
                "name_",
                f"multiIf(role_ IN ('run', 'agent'), {field('agent_name')}, {run}, {field('workflow_name')}, "
                f"{tool}, {field('tool_name')}, {model}, {_known_model(field('model'), field('requested_model'))}, "
                "role_ = 'step', '', SpanName)",
            )
        ),
        "service_name": "ServiceName",
        "environment": field("environment"),
        "workspace": field("workspace"),
        "run_id": only(run, f"substring({field('run_id')}, 1, 64)"),
        "parent_run_id": only(run, f"substring({field('parent_run_id')}, 1, 64)"),
        "run_kind": only(run, field("run_kind")),
        "agent_id": only(run, field("agent_id")),
        "agent_version": only(run, field("agent_version")),
        "trigger": only(run, field("trigger")),
        "trigger_detail": only(run, field("trigger_detail")),
        "queued_at": only(
            run,
            f"toDateTime64(fromUnixTimestamp64Nano(toInt64OrZero({field('queued_at')}), 'UTC'), 6, 'UTC')",
            "toDateTime64(0, 6, 'UTC')",
        ),
        "waiting_ms": only(run, f"greatest(0, toFloat64OrZero({field('waiting_ms')}))", "0"),
        "session_id": field("session_id"),
        "user_id": field("user_id"),
        "tags": only(run, _strings(field("tags")), "[]"),
        "parameters": only(run, f"substringUTF8({field('parameters')}, 1, {CONTENT_LIMIT})"),
        "rows_processed": integer("rows_processed", run),
        "progress_done": integer("progress_done", run),
        "progress_total": integer("progress_total", run),
        "dry_run": only(run, f"{field('dry_run')} = 'true'", "false"),
        "sla_ms": only(run, f"toFloat64OrNull({field('sla_ms')})", "NULL"),
        "spans_reported": only(run, f"toUInt64OrNull({field('spans_reported')})", "NULL"),
        "heartbeat_interval_ms": only(run, f"toUInt32OrZero({field('heartbeat_interval_ms')})", "0"),
        "waiting_for": only(run, field("waiting_for")),
        "tool_call_id": only(tool, f"replaceOne({field('tool_call_id')}, '<not specified>', '')"),
        "tool_type": only(tool, field("tool_type")),
        "operation": only(model, mapping.operation()),
        "provider": only(model, mapping.provider()),
        "response_id": only(model, field("response_id")),
        "time_to_first_chunk_ms": only(
            model,
            f"coalesce(toFloat64OrNull({field('time_to_first_chunk_s')}) * 1000, toFloat64OrNull({field('time_to_first_chunk_ms')}))",
            "NULL",
        ),
        "input_tokens": input_tokens,
        "output_tokens": f"{output_tokens} + {untold}",
        "cache_read_tokens": tokens("cache_read_tokens"),
        "cache_write_tokens": tokens("cache_write_tokens"),
        "reasoning_tokens": f"greatest({tokens('reasoning_tokens')}, {untold})",
        **{name: tokens(name) for name in MODALITIES},
        "cost_usd": only("has_usage_", f"toFloat64OrNull({field('cost_usd')})", "NULL"),
        "input": _cut(whole_input),
        "output": _cut(whole_output),
        "input_size": f"length({whole_input})",
        "output_size": f"length({whole_output})",
    }


def _view(name: str, select: str) -> str:
    return f"CREATE MATERIALIZED VIEW IF NOT EXISTS {name} TO span_facts AS\n{select}"


def _select(stages: Sequence[Mapping[str, str]], columns: Mapping[str, str], source: str, where: str) -> str:
    """A SELECT whose stages each see the one before as columns: repeated aliases would be analysed again at every use."""
    inner = source
    for stage in stages:
        added = ",\n    ".join(f"{expression} AS {name}" for name, expression in stage.items())
        inner = f"(SELECT *,\n    {added}\nFROM {inner})"
    out = ",\n    ".join(e if e == name else f"{e} AS {name}" for name, e in columns.items())
    return f"SELECT\n    {out}\nFROM {inner}\nWHERE {where}"


def _known_model(answered: str, requested: str) -> str:
    """The model that answered, where that is unknown the one that was asked for; without the place where it is kept."""
    unknown = listed(NO_MODELS)
    known = f"multiIf({answered} NOT IN ({unknown}), {answered}, {requested} NOT IN ({unknown}), {requested}, '')"
    return f"replaceRegexpOne({known}, {quote(MODEL_PLACE)}, '')"


def _unsigned(expression: str) -> str:
    return f"accurateCastOrDefault(toFloat64OrZero({expression}), 'UInt64')"


def _cut(expression: str) -> str:
    return f"if(length({expression}) > {CONTENT_LIMIT}, substringUTF8({expression}, 1, {CONTENT_LIMIT}), {expression})"


def _strings(expression: str) -> str:
    """A JSON array or a comma-separated list as Array(String)."""
    return (
        f"if({expression} = '', [], arrayFilter(tag -> NOT match(tag, {quote(INTERNAL_TAG)}), if(startsWith({expression}, '['), "
        f"JSONExtract({expression}, 'Array(String)'), arrayMap(tag -> trimBoth(tag), splitByChar(',', {expression})))))"
    )
