"""The dialects' data as SQL: the materialized views that turn raw rows into facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from spanruns_schema.dialects.dialect import (
    APART_FROM_INPUT,
    APART_FROM_OUTPUT,
    BASE,
    UNTOLD,
    Dialect,
    Implied,
    Record,
    When,
    load,
)
from spanruns_schema.dialects.slots import EXTRAS, Slots, scoped
from spanruns_schema.dialects.sql import (
    affixes,
    between,
    decoded,
    detect_by_name,
    every,
    first,
    inside,
    match_any,
    of_event,
    quote,
    raw_at,
    stripped,
    translated,
    under_prefix,
)

CONTENT_LIMIT = 16_384
"""Characters of an input, output, argument or result kept in facts and runs; the whole stays in the raw row."""

MODALITIES = (
    "audio_input_tokens",
    "audio_output_tokens",
    "audio_cache_read_tokens",
    "image_input_tokens",
    "image_output_tokens",
    "image_cache_read_tokens",
)
"""Fields and columns for the tokens of a call that are no text: parts of its input, output and cached tokens."""

FACTS_WRITTEN = "spanruns:facts"
"""`log_comment` of an insert whose writer has made the facts itself, so that the views leave its rows alone."""

CANCELLED = r"(?i)(cancell?ed(error|exception)?|cancell?ation|aborterror|cancell?ed by (the )?user)$"

CANCELLED_TEXT = r"(?i)((^|: )((the|this) operation was aborted|request was aborted|context cancell?ed)\.?(\x22\})?|^(error: )?abort(ed)?)$"
"""What is said where the type says nothing: in JavaScript it is a code (`20`) or `Error`, in Go every error's."""

CONTROL_FLOW = r"(^|\.)(ParentCommand|GraphInterrupt|NodeInterrupt|GraphBubbleUp)$"
"""Exceptions that are no failure: LangGraph hands over to another agent, or asks a person, by raising one."""

TRACEBACK = r"(?s)^(.+?)\s*(?:Traceback \(most recent call last\):|\n\nNoneType: None).*$"
"""What Python puts behind a message; LangSmith does so where there is no traceback, too."""
STACK = r"(?s)^(?:.*?\n\n)??([\w.$]+(?: \[\w+\])?(?:: .*?)?)\n[ \t]+at .+$"
"""What JavaScript and Java put under a message: what stands in front of the frames says it again, with its type."""
TYPE_IN_MESSAGE = (
    r'^(?:Error (?:in agent run|running tool)[^{]*\{(?:"tool_name":"[^"]*",)?"error":")?'  # OpenAI Agents in JavaScript
    r"(Error|ParentCommand|[A-Za-z_][\w.]*(?:Error|Exception|Warning|Interrupt|Exit|Timeout|Cancell?ed|Triggered|Failure))(?:\(|: |$)"
)
TEXT_AFTER_TYPE = r"(?s)^[\w.]+(?:\(['\"]?(.*?)['\"]?,?\)|: (.*))$"
GENERAL_TYPES = (
    "",
    "_OTHER",
    "Error",
    "Exception",
    "java.lang.RuntimeException",
    "java.util.concurrent.CompletionException",
    "java.util.concurrent.ExecutionException",
)
"""Types that say less than one at the beginning of the message."""

NO_VALUES = ("", "null", "<REDACTED>", "_OTHER")
"""What stands in the place of an attribute's value that there is not; of `_OTHER`, an error's type, an event may know more."""

NO_CONTENTS = (*NO_VALUES, "{}", "[]")
"""The same of contents."""

NO_MODELS = ("unknown", "none")
"""What stands in the place of a model that nobody knows."""

MODEL_PLACE = (
    r"^(arn:aws[\w-]*:bedrock:[^/]*:(foundation-model|inference-profile)/|((projects|publishers)/.*/)?models/)"
)
"""Where a model is kept, in front of its name: Google's and Amazon's names of resources."""

INTERNAL_TAG = r"^(seq|graph):step:\d+$"

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
        "kind_": f"if({kind} = {message} AND position({kind}, ' ') > 0, '', {kind})",
        "said_": f"if({message} = '' OR kind_ NOT IN ({_list(GENERAL_TYPES)}), '', extract(message_, {quote(TYPE_IN_MESSAGE)}))",
        "type_": "if(said_ != '', said_, kind_)",
        "text_": f"if(said_ != '', replaceRegexpOne(message_, {quote(TEXT_AFTER_TYPE)}, '\\\\1\\\\2'), message_)",
        "said_failed_": mapping.says(lambda dialect: dialect.failed),
        "blamed_": mapping.says(lambda dialect: dialect.blamed),
        "is_error_": "StatusCode IN ('Error', 'STATUS_CODE_ERROR') AND NOT blamed_",
        "said_cancelled_": f"NOT is_error_ AND {mapping.says(lambda dialect: dialect.cancelled)}",
        "is_ok_": "StatusCode IN ('Ok', 'STATUS_CODE_OK') AND NOT said_failed_ AND NOT said_cancelled_ "
        f"AND NOT {_ok_is_default(dialects)}",
    }
    outcome = {
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


LIFECYCLE = ("queued", "started", "heartbeat", "waiting", "resumed", "progress")


def content_facts_select(dialects: Sequence[Dialect]) -> str:
    """The SELECT that maps log records that tell of a span to facts: each hangs below its span, and is known by what it says."""
    records = content_records(dialects)
    by_dialect, by_event = [[name for name, _ in records.values()], [record.message for _, record in records.values()]]

    def of_event(words: Sequence[str]) -> str:
        return f"transform(event_, [{_list(list(records))}], [{_list(words)}], '')"

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
    says_something = " OR ".join(f"{name} != ''" for name in whole)
    return _select(
        [{"event_": EVENT_NAME}, whole],
        columns,
        f"(SELECT * FROM otel_logs WHERE {EVENT_NAME} IN ({_list(list(records))}))",
        f"length(TraceId) = 32 AND length(SpanId) = 16 AND ({says_something}) "
        f"AND getSetting('log_comment') != '{FACTS_WRITTEN}'",
    )


CONTENT = "content"
"""The event of facts that tell of another fact's span: contents, or why it failed."""

EVENT_NAME = "if(LogAttributes['event.name'] != '', LogAttributes['event.name'], EventName)"


def content_records(dialects: Sequence[Dialect]) -> dict[str, tuple[str, Record]]:
    """By the name of an event, what its log record holds, and the dialect that says so: the first in their order."""
    found = [(event, (dialect.name, said)) for dialect in dialects for event, said in dialect.records.items()]
    return dict(reversed(found))


def _content_source(source: str) -> str:
    value = "Body" if source == "$body" else f"LogAttributes[{quote(source)}]"
    return f"if({value} IN ({_list(NO_CONTENTS)}), '', {value})"


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
        "name": _unquoted(
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
        "reasoning_tokens": f"{tokens('reasoning_tokens')} + {untold}",
        **{name: tokens(name) for name in MODALITIES},
        "cost_usd": only("has_usage_", f"toFloat64OrNull({field('cost_usd')})", "NULL"),
        "input": _cut(whole_input),
        "output": _cut(whole_output),
        "input_size": f"length({whole_input})",
        "output_size": f"length({whole_output})",
    }


_OF_SPANS = {"$status": "lower(replaceOne(StatusCode, 'STATUS_CODE_', ''))", "$status_message": "StatusMessage"}
"""Sources that log records do not have."""


class RowMapping:
    """SQL expressions over one raw row, made from the dialects' data.

    The attributes are looked at once: every key that any dialect names has a slot (a field's, or its own where more than one
    rule asks for it) and a rank in it; the values (`v_`) are sorted by both, and the first of a slot (`s_`) is its value: short names, as they
    are written a thousand times, and ClickHouse keeps no view of more than 262,144 characters (`max_query_size`). So the cost
    of a row does not grow with the number of dialects, and neither does the statement's, which is analysed at every insert.
    """

    def __init__(self, dialects: Sequence[Dialect], attributes: str) -> None:
        self._base = next(dialect for dialect in dialects if dialect.name == BASE)
        self._dialects = [dialect for dialect in dialects if dialect.name != BASE]
        self._attributes = attributes
        self._slots = Slots([*self._dialects, self._base])
        self._fields: dict[str, str] = {}
        self._derived: dict[str, str] = {}
        self._paths: dict[tuple[int, str], int] = {}

    def stages(self) -> list[dict[str, str]]:
        """What has to be computed before roles and fields: the dialect, then the values in slot order."""
        told = f"rank > 0 AND v NOT IN ({_list(NO_VALUES)})"
        values = f"arrayFilter((v, rank) -> {told}, mapValues({self._attributes}), every_rank_)"
        decoded = [dialect for dialect in self._dialects if dialect.json_values]
        if decoded:
            unquoted = _unquoted("v")
            values = f"if({_among(decoded)}, arrayMap(v -> {unquoted}, {values}), {values})"
        return [
            {"dialect": self._dialect()},
            {"every_rank_": f"arrayMap(k -> {self._slots.rank('k')}, mapKeys({self._attributes}))"},
            {
                "ranks_": f"arrayFilter((rank, v) -> {told}, every_rank_, mapValues({self._attributes}))",
                "unsorted_": values,
            },
            {
                "s_": f"arrayMap(rank -> intDiv(rank, {Slots.RANKS}), arraySort(ranks_))",
                "v_": "arraySort((v, rank) -> rank, unsorted_, ranks_)",
            },
        ]

    def inside(self) -> list[dict[str, str]]:
        """What has to be computed after the stages: what stands at the paths that anything asked for so far, each once."""
        asked = [(slot, *inside(path)) for slot, path in self._paths]
        raw = {f"raw_{n}": raw_at(f"v_[indexOf(s_, {slot})]", path) for n, (slot, path, *_) in enumerate(asked)}
        found = {
            f"inside_{n}": between(decoded(f"raw_{n}") if path else f"raw_{n}", *around)
            for n, (_, path, *around) in enumerate(asked)
        }
        return [raw, found] if raw else []

    def role(self) -> str:
        """What the span is; `shadow` for a tool call that repeats the one around it."""
        branches = []
        for dialect in [*self._dialects, self._base]:
            for role in dialect.roles:
                branches += [
                    self._rule(dialect, role.when),
                    quote("shadow" if role.shadow else role.role),
                ]
        return f"multiIf({', '.join(branches)}, '')"

    def field(self, name: str) -> str:
        """The alias of a field's value: the first non-empty of the dialects' own keys, then of the base's."""
        self._fields.setdefault(f"f_{name}", first([self._source(source) for source in self._slots.sources(name)]))
        return f"f_{name}"

    def alias(self, name: str, expression: str) -> str:
        """`name`, standing for an expression over fields from here on."""
        self._derived[name] = expression
        return name

    def fields(self) -> dict[str, str]:
        """Alias and expression of every field asked for so far."""
        return self._fields

    def derived(self) -> dict[str, str]:
        """Alias and expression of what was derived from fields."""
        return self._derived

    def says(self, of: Callable[[Dialect], Sequence[When]]) -> str:
        """Whether the span meets one of these conditions of its dialect, or of the base."""
        return self._any([(dialect, when) for dialect in [*self._dialects, self._base] for when in of(dialect)])

    def apart(self, field: str) -> str:
        """Whether the span's sums leave out the tokens of this field."""
        return self.says(lambda dialect: [said.when for said in dialect.implied if field in said.apart])

    def provider(self) -> str:
        """The provider of the model; empty where the value names a framework."""
        value = self.alias("provider_", f"lower({_unquoted(self.field('provider'))})")
        no_provider = {"": self._base.frameworks}
        said = translated(value, [no_provider, *(d.providers for d in [*self._dialects, self._base])])
        return self._implied(lambda implied: implied.provider, said)

    def operation(self) -> str:
        """What the model was asked for, in the convention's words."""
        said = translated(self.field("operation"), [d.operations for d in [*self._dialects, self._base]])
        return self._implied(lambda implied: implied.operation, f"if({self.field('operation')} = '', 'chat', {said})")

    def _implied(self, word: Callable[[Implied], str], said: str) -> str:
        """What a span's dialect implies, if anything, else what is said."""
        branches = [
            part
            for dialect in [*self._dialects, self._base]
            for implied in dialect.implied
            if word(implied)
            for part in (self._rule(dialect, implied.when), quote(word(implied)))
        ]
        return f"multiIf({', '.join([*branches, said])})" if branches else said

    def marker(self) -> tuple[str, str]:
        """Whether the span is only a sign that another has begun, and that one's parent."""
        markers = [(dialect, dialect.marker) for dialect in self._dialects if dialect.marker]
        conditions = [every(self._when(dialect, marker.when)) for dialect, marker in markers]
        return " OR ".join(conditions) or "false", first([self._source(marker.parent) for _, marker in markers])

    def span_name(self) -> str:
        """The span's name without what the dialect puts around it."""
        base = affixes(self._base)
        branches = [
            part
            for dialect in self._dialects
            if affixes(dialect)
            for part in (f"dialect = {quote(dialect.name)}", stripped("SpanName", affixes(dialect) + base))
        ]
        otherwise = stripped("SpanName", base)
        return f"multiIf({', '.join([*branches, otherwise])})" if branches else otherwise

    def _dialect(self) -> str:
        """The name of the first dialect that recognises the row; the base when none does."""
        by_key = {key: n for n, d in reversed([*enumerate(self._dialects, 1)]) for key in d.attributes}
        none = len(self._dialects) + 1
        keys, orders = ", ".join(map(quote, by_key)), ", ".join(map(str, by_key.values()))
        found = f"arrayMap(k -> transform(k, [{keys}], [{orders}], {none}), mapKeys({self._attributes}))"
        branches = [
            part for n, d in enumerate(self._dialects, 1) if (scope := detect_by_name(d)) for part in (scope, str(n))
        ]
        scope = f"multiIf({', '.join(branches)}, {none})" if branches else str(none)
        names = ", ".join(quote(dialect.name) for dialect in [*self._dialects, self._base])
        return f"[{names}][least(arrayMin(arrayPushBack({found}, {none})), {scope})]"

    def _any(self, rules: Sequence[tuple[Dialect, When]]) -> str:
        return f"({' OR '.join(self._rule(of, when) for of, when in rules)})" if rules else "false"

    def _rule(self, dialect: Dialect, when: When) -> str:
        """Whether the row is of the dialect and meets every condition."""
        return every([*self._mine(dialect), *self._when(dialect, when)])

    def _mine(self, dialect: Dialect) -> list[str]:
        """The condition that a row is of the dialect; the base's rules are for all."""
        return [] if dialect is self._base else [f"dialect = {quote(dialect.name)}"]

    def _when(self, dialect: Dialect, when: When) -> list[str]:
        special = {"$span_name": "SpanName", "$scope": "ScopeName", "$scope_version": "ScopeVersion"}
        conditions = []
        for key, values in when.items():
            value = special.get(key) or self._source(scoped(dialect, key))
            if "$span_name" in values:
                conditions.append(f"{value} = {stripped('SpanName', affixes(dialect) + affixes(self._base))}")
            else:
                conditions.append(match_any(value, values))
        return conditions

    def _source(self, source: str) -> str:
        if source.isdigit():  # a slot
            return f"v_[indexOf(s_, {source})]"
        if source == "$span_name":
            return self.span_name()
        if source in _OF_SPANS:
            return _OF_SPANS[source] if self._attributes == "SpanAttributes" else "''"
        tied, _, own = source.rpartition("|")
        kind, _, rest = own.partition(":")
        if tied and (kind in EXTRAS or own.startswith("=")):
            return f"if(dialect = {quote(tied)}, {self._source(own.removeprefix('='))}, '')"
        if kind == "resource":
            return f"ResourceAttributes[{quote(rest)}]"
        if kind == "prefix":
            return under_prefix(self._attributes, rest)
        if kind in ("event", "last_event"):
            return of_event(rest, last=kind == "last_event") if self._attributes == "SpanAttributes" else "''"
        key, hash_, path = source.partition("#")
        if not hash_:
            return f"v_[indexOf(s_, {self._slots.of(key)})]"
        place = self._paths.setdefault((self._slots.of(key), path), len(self._paths))
        return f"inside_{place}"


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


def _among(dialects: Sequence[Dialect]) -> str:
    if not dialects:
        return ""
    return match_any("dialect", [dialect.name for dialect in dialects])


def _unquoted(expression: str) -> str:
    return f"if(startsWith({expression}, '\"'), JSONExtractString({expression}), {expression})"


def _list(words: Sequence[str]) -> str:
    return ", ".join(map(quote, words))


def _known_model(answered: str, requested: str) -> str:
    """The model that answered, where that is unknown the one that was asked for; without the place where it is kept."""
    unknown = _list(NO_MODELS)
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
