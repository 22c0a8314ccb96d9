"""Variables of a dashboard: what its filters offer, and constants that people may change."""

from __future__ import annotations

from collections.abc import Sequence

from spanruns_grafana.datasource import REF, Json, variable_query

ALL = "/* all */"
"""What All puts into a query. Grafana would else list the values it offers, which leaves out those it does not."""

_ALL_CHOSEN: Json = {"selected": True, "text": ["All"], "value": ["$__all"]}
_ON_TIME_RANGE_CHANGE = 2


def queried(name: str, label: str, sql: str) -> Json:
    """A filter with several values, offered by a query whenever the time range changes."""
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": REF,
        "query": variable_query(sql),
        "definition": sql,
        "refresh": _ON_TIME_RANGE_CHANGE,
        "regex": "",
        "sort": 0,
        "options": [],
        **_several(),
    }


def listed(name: str, label: str, values: Sequence[str]) -> Json:
    """A filter with several values out of a fixed list."""
    everything = {"selected": True, "text": "All", "value": "$__all"}
    return {
        "type": "custom",
        "name": name,
        "label": label,
        "query": ",".join(values),
        "options": [everything, *({"selected": False, "text": value, "value": value} for value in values)],
        **_several(),
    }


def text(name: str, label: str, value: str) -> Json:
    """A text that people may change."""
    chosen = {"selected": True, "text": value, "value": value}
    return {
        "type": "textbox",
        "name": name,
        "label": label,
        "query": value,
        "current": chosen,
        "options": [chosen],
        "hide": 0,
        "skipUrlSync": False,
    }


def _several() -> Json:
    return {
        "multi": True,
        "includeAll": True,
        "allValue": ALL,
        "allowCustomValue": True,
        "current": _ALL_CHOSEN,
        "hide": 0,
        "skipUrlSync": False,
    }
