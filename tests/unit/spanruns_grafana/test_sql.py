"""Calls of views."""

from __future__ import annotations

import pytest
from spanruns_grafana.sql import call, chosen, quoted, select


def test_a_call_has_every_parameter() -> None:
    """Filter, period, and what the view takes beside them, each on a line."""
    assert call("runs_over_time", "map('agent', [])", step_s="60").splitlines() == [
        "runs_over_time(",
        "  filter = map('agent', []),",
        "  from = toTimeZone($__fromTime_ms, 'UTC'),",
        "  to = toTimeZone($__toTime_ms, 'UTC'),",
        "  step_s = 60)",
    ]


@pytest.mark.parametrize("arguments", [{}, {"step": "60"}, {"step_s": "60", "limit": "1"}])
def test_a_call_with_other_parameters_is_an_error(arguments: dict[str, str]) -> None:
    """A view that changes its parameters stops the generator, not a panel."""
    with pytest.raises(ValueError, match="runs_over_time takes filter, from, step_s, to, not "):
        call("runs_over_time", "map('agent', [])", **arguments)


def test_a_filter_holds_variables_and_fixed_values() -> None:
    """Variables are quoted by Grafana."""
    assert chosen("agent", "service", status="lost").split() == [
        "map(",
        "'agent',",
        "[${agent:singlequote}],",
        "'service',",
        "[${service:singlequote}],",
        "'status',",
        "['lost'])",
    ]


def test_a_statement_is_a_line_a_clause() -> None:
    """It is what people see when they open a panel."""
    assert select("a, b", "t", "WHERE a > 0", "LIMIT 1") == "SELECT a, b\nFROM t\nWHERE a > 0\nLIMIT 1"
    assert quoted("agent") == "'agent'"
