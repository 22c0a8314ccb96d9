"""The ClickHouse data source that every query goes to, and the shape in which its plugin takes them."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

Json = dict[str, Any]
"""A JSON object of Grafana's dashboard model."""

TYPE = "grafana-clickhouse-datasource"
UID = "clickhouse"  # as in provisioning/datasources/clickhouse.yaml
PLUGIN_VERSION = "4.20.0"  # without one the query editor takes a query for that of version 3 and rewrites it

REF: Json = {"type": TYPE, "uid": UID}


class Format(IntEnum):
    """What the plugin makes of a result."""

    TIME_SERIES = 0  # a time, labels (text) and values: one series for each combination of labels
    TABLE = 1


_QUERY_TYPES = {Format.TIME_SERIES: "timeseries", Format.TABLE: "table"}


def target(sql: str, format: Format = Format.TABLE, *, ref_id: str = "A") -> Json:
    """The query of a panel or an annotation."""
    return {
        "refId": ref_id,
        "datasource": REF,
        "editorType": "sql",
        "format": int(format),
        "queryType": _QUERY_TYPES[format],
        "pluginVersion": PLUGIN_VERSION,
        "rawSql": sql,
        "meta": {},
    }


def variable_query(sql: str) -> Json:
    """The query of a variable: one column for values, or two, the value first and then its text."""
    return {
        "refId": "variable",
        "editorType": "sql",
        "queryType": "sql",
        "pluginVersion": PLUGIN_VERSION,
        "rawSql": sql,
    }
