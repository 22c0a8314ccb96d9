"""Calls of parameterised views."""

from __future__ import annotations

from spanruns_schema.calls import call, parameters


def test_parameters_come_from_the_view() -> None:
    """Names and types are read from the view's own text, comments left out."""
    assert parameters("runs_over_time") == {
        "step_s": "UInt32",
        "filter": "Map(String, Array(String))",
        "from": "DateTime64(6, 'UTC')",
        "to": "DateTime64(6, 'UTC')",
    }


def test_a_call_binds_every_parameter() -> None:
    """A call names each parameter with its type."""
    assert call("run_timeline") == "run_timeline(run_id = {run_id:String}, limit = {limit:UInt32})"
