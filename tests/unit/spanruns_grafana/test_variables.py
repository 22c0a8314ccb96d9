"""Variables of a dashboard."""

from __future__ import annotations

import pytest
from spanruns_grafana.datasource import REF, Json
from spanruns_grafana.variables import listed, queried, text


@pytest.mark.parametrize("variable", [queried("agent", "Agent", "SELECT 1"), listed("status", "Status", ["a", "b"])])
def test_a_filter_takes_several_values_or_all(variable: Json) -> None:
    """All is chosen at first, and puts nothing but a comment into a query."""
    assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, "/* all */")
    assert variable["current"]["value"] == ["$__all"]


def test_a_queried_filter_asks_again_when_the_time_range_changes() -> None:
    """What it offers is what there is in that range."""
    variable = queried("agent", "Agent", "SELECT 1")
    assert (variable["type"], variable["refresh"], variable["datasource"]) == ("query", 2, REF)
    assert variable["query"]["rawSql"] == variable["definition"] == "SELECT 1"


def test_a_listed_filter_offers_its_values() -> None:
    """Whether they occur or not."""
    variable = listed("status", "Status", ["a", "b"])
    assert variable["query"] == "a,b"
    assert [option["value"] for option in variable["options"]] == ["$__all", "a", "b"]


def test_a_text_can_be_changed() -> None:
    """It begins with its default."""
    variable = text("page", "Page", "http://localhost:8321")
    assert (variable["type"], variable["hide"]) == ("textbox", 0)
    assert variable["current"]["value"] == variable["query"] == "http://localhost:8321"
