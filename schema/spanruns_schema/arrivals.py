"""Arrivals: tables that keep nothing; the views on them map what is inserted there to facts.

Views on the raw tables are analysed at every insert, also where they have nothing to map. Where nobody but the receiver
writes (the embedded store) the raw tables have none: it inserts the facts itself, or the raw rows here a second time.
"""

from __future__ import annotations

from collections.abc import Mapping

from spanruns_schema.dialects import mapping_views

ARRIVALS: Mapping[str, str] = {"otel_traces": "otel_traces_arrivals", "otel_logs": "otel_logs_arrivals"}
"""Raw table to the table where its rows arrive that the store is to map."""


def arrival_tables() -> dict[str, str]:
    """Name and text of the tables."""
    return {name: f"CREATE TABLE IF NOT EXISTS {name} AS {raw} ENGINE = Null" for raw, name in ARRIVALS.items()}


def arrival_views() -> dict[str, str]:
    """Name and text of the mapping's views, on these tables instead of the raw ones."""
    return {f"arrived_{name}": _moved(name, sql) for name, sql in mapping_views().items()}


def _moved(name: str, sql: str) -> str:
    sql = sql.replace(name, f"arrived_{name}", 1)
    for raw, arrivals in ARRIVALS.items():
        for before, after in ((f"FROM {raw})", f"FROM {arrivals})"), (f"FROM {raw} WHERE", f"FROM {arrivals} WHERE")):
            sql = sql.replace(before, after)
    return sql
