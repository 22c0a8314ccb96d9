"""Panels: one builder for each kind that is used."""

from __future__ import annotations

from collections.abc import Sequence

from spanruns_grafana.datasource import REF, Format, Json, target
from spanruns_grafana.fields import COUNT


def cards(id: int, title: str, sql: str, overrides: Sequence[Json], *, description: str = "") -> Json:
    """A card for each column of the one row of `sql`."""
    defaults = {"unit": COUNT, "noValue": "0", "color": {"mode": "fixed", "fixedColor": "text"}}
    options = {
        "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": "/.*/"},
        "orientation": "auto",
        "textMode": "value_and_name",
        "wideLayout": True,
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "center",
        "showPercentChange": False,
    }
    return _panel("stat", id, title, target(sql), description, defaults, overrides, options)


def bars_over_time(
    id: int, title: str, sql: str, overrides: Sequence[Json], *, label: str, description: str = ""
) -> Json:
    """Stacked bars: a time, a text `label` that makes the series, and a number."""
    defaults = {
        "unit": COUNT,
        "decimals": 0,
        "min": 0,
        "displayName": f"${{__field.labels.{label}}}",
        "color": {"mode": "palette-classic"},
        "custom": {
            "drawStyle": "bars",
            "barAlignment": 1,  # a bar stands on the interval that begins at its time
            "barWidthFactor": 0.9,
            "lineWidth": 0,
            "fillOpacity": 80,
            "gradientMode": "none",
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal", "group": "A"},
            "axisPlacement": "auto",
            "axisBorderShow": False,
        },
    }
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": ["sum"]},
        "tooltip": {"mode": "multi", "sort": "none", "hideZeros": True},
    }
    panel = _panel("timeseries", id, title, target(sql, Format.TIME_SERIES), description, defaults, overrides, options)
    return panel | {"maxDataPoints": 120}


def table(id: int, title: str, sql: str, overrides: Sequence[Json], *, description: str = "") -> Json:
    """A table with every column of `sql`."""
    defaults = {"custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": False, "inspect": False}}
    return _panel(
        "table",
        id,
        title,
        target(sql),
        description,
        defaults,
        overrides,
        {"showHeader": True, "cellHeight": "sm", "frameIndex": 0},
    )


def ranking(id: int, title: str, sql: str, *, number: str, color: str, description: str = "") -> Json:
    """A horizontal bar for each row of `sql`, which is a text and the column `number`."""
    defaults = {"unit": COUNT, "decimals": 0, "min": 0, "color": {"mode": "fixed", "fixedColor": color}}
    options = {
        "reduceOptions": {"values": True, "calcs": [], "fields": f"/^{number}$/", "limit": 20},
        "orientation": "horizontal",
        "displayMode": "basic",
        "valueMode": "color",
        "namePlacement": "auto",
        "showUnfilled": True,
        "sizing": "auto",
        "minVizHeight": 16,
        "maxVizHeight": 32,
    }
    return _panel("bargauge", id, title, target(sql), description, defaults, [], options)


def _panel(
    type: str,
    id: int,
    title: str,
    query: Json,
    description: str,
    defaults: Json,
    overrides: Sequence[Json],
    options: Json,
) -> Json:
    return {
        "id": id,
        "type": type,
        "title": title,
        "description": description,
        "datasource": REF,
        "targets": [query],
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "options": options,
    }
