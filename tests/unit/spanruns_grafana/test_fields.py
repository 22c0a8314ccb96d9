"""How columns look."""

from __future__ import annotations

from typing import Any

from spanruns_grafana.datasource import Json
from spanruns_grafana.fields import (
    STATUS_COLORS,
    column,
    dashboard_url,
    hidden,
    link,
    status_column,
    status_series,
)


def properties(override: Json) -> dict[str, Any]:
    """What an override sets."""
    return {found["id"]: found["value"] for found in override["properties"]}


def test_a_column_has_what_it_is_given() -> None:
    """A title always, the rest only where it is said."""
    assert properties(column("n", "N")) == {"displayName": "N"}
    away = link("Open", "http://x", new_tab=True)
    full = column("n", "N", unit="ms", color="red", width=70, links=[away], decimals=1)
    assert full["matcher"] == {"id": "byName", "options": "n"}
    assert properties(full) == {
        "displayName": "N",
        "decimals": 1,
        "unit": "ms",
        "color": {"mode": "fixed", "fixedColor": "red"},
        "custom.width": 70,
        "links": [{"title": "Open", "url": "http://x", "targetBlank": True}],
    }


def test_every_status_has_its_own_colour_everywhere() -> None:
    """In tables by value, in charts by series, whatever is before the label in the name of the series."""
    (mapping,) = properties(status_column())["mappings"]
    in_tables = {status: look["color"] for status, look in mapping["options"].items()}
    in_charts = {
        override["matcher"]["options"]: properties(override)["color"]["fixedColor"] for override in status_series()
    }
    assert in_tables == STATUS_COLORS
    assert in_charts == {f"/(^| ){status}$/": color for status, color in STATUS_COLORS.items()}
    assert len(set(STATUS_COLORS.values())) == len(STATUS_COLORS)


def test_a_hidden_column_is_hidden_in_old_and_new_tables() -> None:
    """Both spellings say it."""
    found = properties(hidden("n"))
    assert (found["custom.hidden"], found["custom.hideFrom"]) == (
        True,
        {"viz": True, "legend": True, "tooltip": True},
    )


def test_a_link_to_a_dashboard_keeps_the_period_and_the_other_filters() -> None:
    """Those it sets are set."""
    assert dashboard_url("runs", ["agent"], status="lost") == (
        "/d/runs?${__url_time_range}&${agent:queryparam}&var-status=lost"
    )
