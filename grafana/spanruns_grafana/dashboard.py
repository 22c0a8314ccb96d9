"""A dashboard: panels on their grid, variables, annotations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spanruns_grafana.datasource import REF, Json, target

SCHEMA_VERSION = 41  # Grafana 11.6, the oldest that the plugin runs on; newer ones read it
TAG = "spanruns"
GRID_WIDTH = 24

Row = tuple[int, Sequence[tuple[int, Json]]]
"""A height, and the panels from left to right, each with its width."""


def dashboard(
    uid: str,
    title: str,
    description: str,
    *,
    rows: Iterable[Row],
    variables: Sequence[Json],
    annotations: Sequence[Json] = (),
    links: Sequence[Json] = (),
    period: str = "now-24h",
    refresh: str = "10s",
) -> Json:
    """A dashboard in Grafana's classic JSON model, as it is provisioned from a file."""
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "fiscalYearStartMonth": 0,
        "time": {"from": period, "to": "now"},
        "timepicker": {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m", "15m", "1h"]},
        "refresh": refresh,
        "liveNow": False,
        "templating": {"list": list(variables)},
        "annotations": {"list": [_BUILT_IN, *annotations]},
        "links": [_OTHERS, *links],
        "panels": _placed(rows),
    }


def annotation(name: str, sql: str, color: str) -> Json:
    """Marks on every chart over time: `sql` gives `time`, `title` and `text`."""
    return {"name": name, "datasource": REF, "enable": True, "hide": False, "iconColor": color, "target": target(sql)}


def outside_link(title: str, url: str, tooltip: str) -> Json:
    """A link beside the title that leaves Grafana."""
    return {
        "type": "link",
        "title": title,
        "url": url,
        "tooltip": tooltip,
        "icon": "external link",
        "targetBlank": True,
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
        "tags": [],
    }


def _placed(rows: Iterable[Row]) -> list[Json]:
    placed, y = [], 0
    for height, panels in rows:
        if sum(width for width, _ in panels) > GRID_WIDTH:
            raise ValueError(f"wider than {GRID_WIDTH}: {[panel['title'] for _, panel in panels]}")
        x = 0
        for width, panel in panels:
            placed.append(panel | {"gridPos": {"x": x, "y": y, "w": width, "h": height}})
            x += width
        y += height
    return placed


_BUILT_IN: Json = {
    "builtIn": 1,
    "type": "dashboard",
    "name": "Annotations & Alerts",
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
}

_OTHERS: Json = {
    "type": "dashboards",
    "title": "Dashboards",
    "tags": [TAG],
    "asDropdown": True,
    "includeVars": True,
    "keepTime": True,
    "targetBlank": False,
    "icon": "external link",
    "tooltip": "",
    "url": "",
}
