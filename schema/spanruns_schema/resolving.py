"""The statements of a resolver pass (`resolve/*.sql`), with the expressions that come from data filled in."""

from __future__ import annotations

from functools import cache
from importlib import resources

from spanruns_schema.classes import error_class_sql, error_fingerprint_sql

FACT_COLUMNS = """
    trace_id, span_id, event, event_at, started_at, ended_at, role, name, service_name, environment, workspace,
    run_id, parent_run_id, run_kind, agent_id, agent_version, trigger, trigger_detail, session_id, user_id, tags, parameters,
    rows_processed, progress_done, progress_total, dry_run, sla_ms, spans_reported, waiting_for, tool_call_id, tool_type,
    operation, provider, time_to_first_chunk_ms, input, output, input_size, output_size, error_type, error_message
""".strip()
"""What of a fact goes into the rows that are made from it, as it is."""


@cache
def sql(name: str, *, final: bool = True) -> str:
    """The text of `resolve/<name>.sql`; without `final` for facts that are known to be free of duplicates (three times as fast)."""
    text = resources.files("spanruns_schema").joinpath("resolve", f"{name}.sql").read_text()
    text = text.replace("{final}", " FINAL" if final else "").replace("{columns}", FACT_COLUMNS)
    text = text.replace("{error_class}", error_class_sql("error_type", "error_message"))
    return text.replace("{error_fingerprint}", error_fingerprint_sql("error_type", "error_message"))
