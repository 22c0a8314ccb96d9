"""Calls of parameterised views."""

from __future__ import annotations

from spanruns_schema.calls import call, parameters, qualified


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


def test_calls_inside_a_view_name_their_database() -> None:
    """Called views, and nothing else, get the name of the database."""
    sql = "WITH (SELECT a FROM one(x = {x:String})) AS a SELECT count(), b FROM two(\n  y = 1) WHERE c IN (SELECT d FROM three)"
    assert qualified(sql, "db") == (
        "WITH (SELECT a FROM db.one(x = {x:String})) AS a SELECT count(), b FROM db.two(\n  y = 1) WHERE c IN (SELECT d FROM three)"
    )
