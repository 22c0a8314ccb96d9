"""The columns of `span_facts` that a writer fills, with their ClickHouse types. ClickHouse computes the others (DEFAULT)."""

from __future__ import annotations

TABLE = "span_facts"

LABEL = "LowCardinality(String)"
TIME = "DateTime64(6)"

FACTS: tuple[tuple[str, str], ...] = (
    ("trace_id", "String"),
    ("span_id", "String"),
    ("parent_span_id", "String"),
    ("event", LABEL),
    ("event_at", TIME),
    ("started_at", TIME),
    ("ended_at", TIME),
    ("dialect", LABEL),
    ("scope", LABEL),
    ("role", LABEL),
    ("is_shadow", "Bool"),
    ("is_entry", "Bool"),
    ("name", "String"),
    ("service_name", LABEL),
    ("environment", LABEL),
    ("workspace", LABEL),
    ("run_id", "String"),
    ("parent_run_id", "String"),
    ("run_kind", LABEL),
    ("agent_id", "String"),
    ("agent_version", LABEL),
    ("trigger", LABEL),
    ("trigger_detail", "String"),
    ("status", LABEL),
    ("queued_at", TIME),
    ("waiting_ms", "Float64"),
    ("session_id", "String"),
    ("user_id", "String"),
    ("tags", f"Array({LABEL})"),
    ("parameters", "String"),
    ("rows_processed", "Nullable(Int64)"),
    ("progress_done", "Nullable(Int64)"),
    ("progress_total", "Nullable(Int64)"),
    ("dry_run", "Bool"),
    ("sla_ms", "Nullable(Float64)"),
    ("spans_reported", "Nullable(UInt64)"),
    ("heartbeat_interval_ms", "UInt32"),
    ("waiting_for", LABEL),
    ("tool_call_id", "String"),
    ("tool_type", LABEL),
    ("operation", LABEL),
    ("provider", LABEL),
    ("response_id", "String"),
    ("time_to_first_chunk_ms", "Nullable(Float64)"),
    ("input_tokens", "UInt64"),
    ("output_tokens", "UInt64"),
    ("cache_read_tokens", "UInt64"),
    ("cache_write_tokens", "UInt64"),
    ("reasoning_tokens", "UInt64"),
    ("cost_usd", "Nullable(Float64)"),
    ("input", "String"),
    ("output", "String"),
    ("input_size", "UInt64"),
    ("output_size", "UInt64"),
    ("error_type", LABEL),
    ("error_message", "String"),
)

NAMES: tuple[str, ...] = tuple(name for name, _ in FACTS)
