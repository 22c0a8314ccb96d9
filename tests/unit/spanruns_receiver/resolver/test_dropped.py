"""What did not arrive makes nothing false: every capture without each of its steps, and as if its conversations had been long."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.dropped import of_a_long_conversation, without_each_step
from tests.support.resolving import FIXTURES, Bench, request

CAPTURES = sorted(path.stem for path in (FIXTURES / "otlp").glob("*.pb"))
UNCLEAR = (
    "_three_",
    "_five_",
    "_two_",
    "mastra_0",
    "haystack_2_openinference",
    "temporal_",
    "openlit_google_adk",
    "livekit_agents_handoff",
)
"""Where several instrumentations tell of several runs at once, a run is an entry, or one wrapper stands in another, a dropped step leaves
more open."""

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def whole(shared_bench: Bench) -> Rows:
    """All rows when everything arrived."""
    return shared_bench.rows_of(*map(request, CAPTURES))


def test_a_dropped_step_makes_no_run_and_leaves_no_call_alone(shared_bench: Bench, whole: Rows) -> None:
    """What is below a span that is missing goes to a run that was there before."""
    of = {table: {row["span_id"] for row in rows if table == "runs" or row["run_id"]} for table, rows in whole.items()}
    known = {(row["trace_id"], row["span_id"]) for rows in whole.values() for row in rows}
    clear = [name for name in CAPTURES if not any(part in name for part in UNCLEAR)]
    found = shared_bench.rows_of(*(part for name in clear for part in without_each_step(request(name), known)))
    assert len(found["runs"]) > 1000
    assert [run["agent_name"] for run in found["runs"] if run["span_id"] not in of["runs"]] == []
    calls = [(table, call) for table in ("tool_calls", "model_calls") for call in found[table]]
    assert [call for table, call in calls if not call["run_id"] and call["span_id"] in of[table]] == []


def test_a_long_conversation_is_no_failure_and_still_a_call(shared_bench: Bench, whole: Rows) -> None:
    """SDKs keep 128 attributes of a span, and what is told beside the messages is not among them."""
    found = shared_bench.rows_of(*(of_a_long_conversation(request(name)) for name in CAPTURES))
    assert ill(found["runs"]) - ill(whole["runs"]) == set()
    assert len(ill(found["model_calls"])) <= len(ill(whole["model_calls"]))
    answered = {
        call["span_id"] for call in whole["model_calls"] if call["status"] == "success" and call["output_tokens"]
    }
    assert answered - {call["span_id"] for call in found["model_calls"]} == set()


def ill(rows: list[dict[str, Any]]) -> set[str]:
    """Which of them did not end well."""
    return {row["span_id"] for row in rows if row["status"] in ("failed", "cancelled")}
