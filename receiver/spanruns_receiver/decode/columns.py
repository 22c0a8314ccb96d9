"""The raw tables' columns, in the order in which blocks carry them, with their ClickHouse types.

Names and order are those of the Collector's ClickHouse exporter (its `*_insert.sql` templates). A type
written here is the type inside the block; where a table has another one, ClickHouse converts on insert.
"""

from __future__ import annotations

Column = tuple[str, str]

ATTRIBUTES = "Map(LowCardinality(String), String)"
LABEL = "LowCardinality(String)"
TIME = "DateTime64(9)"

TRACES: tuple[Column, ...] = (
    ("Timestamp", TIME),
    ("TraceId", "String"),
    ("SpanId", "String"),
    ("ParentSpanId", "String"),
    ("TraceState", "String"),
    ("SpanName", LABEL),
    ("SpanKind", LABEL),
    ("ServiceName", LABEL),
    ("ResourceAttributes", ATTRIBUTES),
    ("ScopeName", "String"),
    ("ScopeVersion", "String"),
    ("SpanAttributes", ATTRIBUTES),
    ("Duration", "UInt64"),
    ("StatusCode", LABEL),
    ("StatusMessage", "String"),
    ("Events.Timestamp", f"Array({TIME})"),
    ("Events.Name", f"Array({LABEL})"),
    ("Events.Attributes", f"Array({ATTRIBUTES})"),
    ("Links.TraceId", "Array(String)"),
    ("Links.SpanId", "Array(String)"),
    ("Links.TraceState", "Array(String)"),
    ("Links.Attributes", f"Array({ATTRIBUTES})"),
)

LOGS: tuple[Column, ...] = (
    ("Timestamp", TIME),
    ("TraceId", "String"),
    ("SpanId", "String"),
    ("TraceFlags", "UInt8"),
    ("SeverityText", LABEL),
    ("SeverityNumber", "UInt8"),
    ("ServiceName", LABEL),
    ("Body", "String"),
    ("ResourceSchemaUrl", LABEL),
    ("ResourceAttributes", ATTRIBUTES),
    ("ScopeSchemaUrl", LABEL),
    ("ScopeName", "String"),
    ("ScopeVersion", LABEL),
    ("ScopeAttributes", ATTRIBUTES),
    ("LogAttributes", ATTRIBUTES),
    ("EventName", "String"),
)

_POINT: tuple[Column, ...] = (
    ("ResourceAttributes", ATTRIBUTES),
    ("ResourceSchemaUrl", "String"),
    ("ScopeName", "String"),
    ("ScopeVersion", "String"),
    ("ScopeAttributes", ATTRIBUTES),
    ("ScopeDroppedAttrCount", "UInt32"),
    ("ScopeSchemaUrl", "String"),
    ("ServiceName", LABEL),
    ("MetricName", "String"),
    ("MetricDescription", "String"),
    ("MetricUnit", "String"),
    ("Attributes", ATTRIBUTES),
    ("StartTimeUnix", TIME),
    ("TimeUnix", TIME),
)

_EXEMPLARS: tuple[Column, ...] = (
    ("Exemplars.FilteredAttributes", f"Array({ATTRIBUTES})"),
    ("Exemplars.TimeUnix", f"Array({TIME})"),
    ("Exemplars.Value", "Array(Float64)"),
    ("Exemplars.SpanId", "Array(String)"),
    ("Exemplars.TraceId", "Array(String)"),
)

_NUMBER: tuple[Column, ...] = (*_POINT, ("Value", "Float64"), ("Flags", "UInt32"), *_EXEMPLARS)

_EXTREMES: tuple[Column, ...] = (
    ("Flags", "UInt32"),
    ("Min", "Float64"),
    ("Max", "Float64"),
    ("AggregationTemporality", "Int32"),
)

TABLES: dict[str, tuple[Column, ...]] = {
    "otel_traces": TRACES,
    "otel_logs": LOGS,
    "otel_metrics_gauge": _NUMBER,
    "otel_metrics_sum": (*_NUMBER, ("AggregationTemporality", "Int32"), ("IsMonotonic", "Bool")),
    "otel_metrics_histogram": (
        *_POINT,
        ("Count", "UInt64"),
        ("Sum", "Float64"),
        ("BucketCounts", "Array(UInt64)"),
        ("ExplicitBounds", "Array(Float64)"),
        *_EXEMPLARS,
        *_EXTREMES,
    ),
    "otel_metrics_exp_histogram": (
        *_POINT,
        ("Count", "UInt64"),
        ("Sum", "Float64"),
        ("Scale", "Int32"),
        ("ZeroCount", "UInt64"),
        ("PositiveOffset", "Int32"),
        ("PositiveBucketCounts", "Array(UInt64)"),
        ("NegativeOffset", "Int32"),
        ("NegativeBucketCounts", "Array(UInt64)"),
        *_EXEMPLARS,
        *_EXTREMES,
    ),
    "otel_metrics_summary": (
        *_POINT,
        ("Count", "UInt64"),
        ("Sum", "Float64"),
        ("ValueAtQuantiles.Quantile", "Array(Float64)"),
        ("ValueAtQuantiles.Value", "Array(Float64)"),
        ("Flags", "UInt32"),
    ),
}


def names(table: str) -> tuple[str, ...]:
    """The column names of `table`, in block order."""
    return tuple(name for name, _ in TABLES[table])
