"""Panels of each kind."""

from __future__ import annotations

import pytest
from spanruns_grafana.datasource import REF, Format, Json
from spanruns_grafana.fields import column
from spanruns_grafana.panels import bars_over_time, cards, ranking, table

SHOWN = [column("n", "N")]


@pytest.mark.parametrize(
    ("panel", "type", "format"),
    [
        (cards(7, "T", "SELECT 1", SHOWN, description="D"), "stat", Format.TABLE),
        (bars_over_time(7, "T", "SELECT 1", SHOWN, label="l", description="D"), "timeseries", Format.TIME_SERIES),
        (table(7, "T", "SELECT 1", SHOWN, description="D"), "table", Format.TABLE),
        (ranking(7, "T", "SELECT 1", number="n", color="red", description="D"), "bargauge", Format.TABLE),
    ],
)
def test_a_panel_asks_in_the_format_that_its_kind_needs(panel: Json, type: str, format: Format) -> None:
    """A chart over time needs series, the others a table."""
    assert (panel["id"], panel["type"], panel["title"], panel["description"]) == (7, type, "T", "D")
    (target,) = panel["targets"]
    assert (target["rawSql"], target["format"]) == ("SELECT 1", int(format))
    assert panel["datasource"] == REF
    assert panel["fieldConfig"]["overrides"] in ([], SHOWN)


def test_cards_show_each_column() -> None:
    """Of one row; without a row they show zero."""
    panel = cards(1, "", "SELECT 1", SHOWN)
    assert panel["options"]["reduceOptions"] == {"values": False, "calcs": ["lastNotNull"], "fields": "/.*/"}
    assert panel["fieldConfig"]["defaults"]["noValue"] == "0"


def test_a_ranking_shows_each_row() -> None:
    """The number's column alone makes the bars; the text names them."""
    options = ranking(1, "", "SELECT 1", number="failed", color="red")["options"]
    assert (options["reduceOptions"]["values"], options["reduceOptions"]["fields"]) == (True, "/^failed$/")


def test_bars_are_stacked_and_named_after_their_label() -> None:
    """A stack is everything of an interval."""
    defaults = bars_over_time(1, "", "SELECT 1", [], label="status")["fieldConfig"]["defaults"]
    assert defaults["displayName"] == "${__field.labels.status}"
    assert defaults["custom"]["stacking"]["mode"] == "normal"
    assert defaults["custom"]["drawStyle"] == "bars"
