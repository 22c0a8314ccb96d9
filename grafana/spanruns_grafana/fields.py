"""How columns look: titles, units, colours, links. A column is named in SQL as everywhere; people see its title."""

from __future__ import annotations

from collections.abc import Sequence

from spanruns_grafana.datasource import Json

STATUS_COLORS = {
    "queued": "#8E8E8E",
    "running": "blue",
    "waiting": "yellow",
    "success": "green",
    "failed": "red",
    "cancelled": "semi-dark-purple",
    "lost": "dark-orange",
}
"""Every status of a run, in the order of its life."""

MILLISECONDS, DOLLARS, SHARE, COUNT = "ms", "currencyUSD", "percentunit", "short"


def column(
    name: str,
    title: str,
    *,
    unit: str = "",
    color: str = "",
    width: int = 0,
    links: Sequence[Json] = (),
    **others: object,
) -> Json:
    """An override for the column `name`. A `width` is in pixels; `others` are properties by Grafana's names."""
    properties: dict[str, object] = {"displayName": title, **others}
    if unit:
        properties["unit"] = unit
    if color:
        properties["color"] = {"mode": "fixed", "fixedColor": color}
    if width:
        properties["custom.width"] = width
    if links:
        properties["links"] = list(links)
    return _override("byName", name, properties)


def hidden(name: str) -> Json:
    """An override for a column that only links use: as older and as newer tables are told."""
    return _override(
        "byName", name, {"custom.hidden": True, "custom.hideFrom": {"viz": True, "legend": True, "tooltip": True}}
    )


def status_column(name: str = "status") -> Json:
    """An override for a column of statuses: each on its colour."""
    mapped = {status: {"color": color, "index": index} for index, (status, color) in enumerate(STATUS_COLORS.items())}
    properties = {
        "displayName": "Status",
        "mappings": [{"type": "value", "options": mapped}],
        "custom.cellOptions": {"type": "color-background", "mode": "basic"},
        "custom.width": 100,
    }
    return _override("byName", name, properties)


def status_series() -> list[Json]:
    """Overrides for one series a status. Grafana names a series after its label, alone or behind the column's name."""
    return [
        _override("byRegexp", f"/(^| ){status}$/", {"color": {"mode": "fixed", "fixedColor": color}})
        for status, color in STATUS_COLORS.items()
    ]


def link(title: str, url: str, *, new_tab: bool = False) -> Json:
    """A data link."""
    return {"title": title, "url": url, "targetBlank": new_tab}


def dashboard_url(uid: str, kept: Sequence[str] = (), **values: str) -> str:
    """The address of a dashboard for the same period: the variables `kept` as they are, those of `values` set."""
    parts = ["${__url_time_range}", *(f"${{{name}:queryparam}}" for name in kept)]
    parts += [f"var-{name}={value}" for name, value in values.items()]
    return f"/d/{uid}?" + "&".join(parts)


def _override(matcher: str, of: str, properties: dict[str, object]) -> Json:
    return {
        "matcher": {"id": matcher, "options": of},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }
