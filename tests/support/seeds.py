"""Rows as the resolver writes them, for tests of what reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from spanruns_schema.store import Store, rows

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)

Value = str | int | float | bool | None | Sequence[str]
Row = Mapping[str, Value]


def keep_forever(store: Store) -> None:
    """Drop the retention of every table, so that rows of a fixed day stay whatever today is."""
    for table in rows(
        store, "SELECT name FROM system.tables WHERE database = currentDatabase() AND create_table_query LIKE '% TTL %'"
    ):
        store.command(f"ALTER TABLE {table['name']} REMOVE TTL")


def at(seconds: float) -> str:
    """The moment `seconds` after noon, as the engine writes it."""
    return (NOON + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S.%f")


def run(run_id: str, started: float = 0, lasted: float | None = 1, **columns: Value) -> Row:
    """A run that started `started` seconds after noon and ended `lasted` seconds later (None: not yet)."""
    return {
        "run_id": run_id,
        "root_run_id": run_id,
        "trace_id": f"trace-{run_id}",
        "span_id": f"span-{run_id}",
        "kind": "agent",
        "agent_name": "planner",
        "service_name": "shop",
        "status": "running" if lasted is None else "success",
        "started_at": at(started),
        "ended_at": None if lasted is None else at(started + lasted),
        "version": 1,
        **columns,
    }


def call(span_id: str, run_id: str, started: float = 0, lasted: float = 1, **columns: Value) -> Row:
    """A tool or model call of a run."""
    return {
        "run_id": run_id,
        "root_run_id": run_id,
        "trace_id": f"trace-{run_id}",
        "span_id": span_id,
        "status": "success",
        "started_at": at(started),
        "ended_at": at(started + lasted),
        "duration_ms": lasted * 1000,
        "version": 1,
        **columns,
    }


def span(
    span_id: str, parent: str = "", started: float = 0, lasted: float = 1, trace: str = "trace-r", **columns: Value
) -> Row:
    """A raw span."""
    return {
        "Timestamp": at(started),
        "TraceId": trace,
        "SpanId": span_id,
        "ParentSpanId": parent,
        "SpanName": f"name of {span_id}",
        "SpanKind": "Internal",
        "ServiceName": "shop",
        "ScopeName": "tests",
        "Duration": round(lasted * 1e9),
        "StatusCode": "Unset",
        **columns,
    }


def insert(store: Store, table: str, *data: Row) -> None:
    """Put rows into `table`; columns that a row does not name get their default."""
    columns = sorted({name for row in data for name in row})
    block = "\n".join(json.dumps(row) for row in data)
    store.insert(
        table,
        columns,
        block.encode(),
        format="JSONEachRow",
        settings={"input_format_null_as_default": 1, "date_time_input_format": "best_effort"},
    )
