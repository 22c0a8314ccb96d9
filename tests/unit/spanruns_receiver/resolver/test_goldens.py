"""Captured requests of real frameworks, received and resolved: what the store must hold afterwards.

`fixtures/expected.json` was written by hand from the captures. `fixtures/rows` is what comes out today, field by field, looked
through once: a change there is to be looked through again (`SPANRUNS_WRITE_GOLDENS=1 pytest …` writes it).
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.support.resolving import FIXTURES, Bench, differences, expected_outcomes, outcome, traces_of

pytestmark = pytest.mark.parametrize("shared_bench", [False, True], ids=["read", "kept"], indirect=True, scope="module")

EXPECTED = expected_outcomes()
ROWS = FIXTURES / "rows"
WIDTH = 80
ALONE = " alone"
LEFT_OUT = {
    "cost_usd",  # of most models it changes with the package that has the prices
    "cost_source",
    "unpriced_call_count",
    "trace_id",
    "span_id",
    "run_id",
    "root_run_id",
    "parent_run_id",
    "error_fingerprint",
    "duration_ms",
    "total_ms",
}


Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def together(shared_bench: Bench) -> Rows:
    """All rows when every capture has come in one batch."""
    files = sorted({file for expected in EXPECTED.values() for file in expected["files"]})
    shared_bench.receive_captures(*files)
    shared_bench.resolve()
    return shared_bench.everything()


@pytest.mark.parametrize("name", [name for name in EXPECTED if not name.endswith(ALONE)])
def test_fixture(together: Rows, name: str) -> None:
    """Every run, tool call and model call of the capture is there, once, with its status, parent and tokens; and the rows
    are the reviewed ones."""
    traces = {trace for file in EXPECTED[name]["files"] for trace in traces_of(file)}
    check(name, {table: [row for row in rows if row["trace_id"] in traces] for table, rows in together.items()})


@pytest.mark.parametrize("name", [name for name in EXPECTED if name.endswith(ALONE)])
def test_part_of_a_trace(together: Rows, bench: Bench, name: str) -> None:
    """What one process of a trace over two tells by itself."""
    bench.receive_captures(*EXPECTED[name]["files"])
    bench.resolve()
    check(name, bench.everything())


def check(name: str, rows: Rows) -> None:
    """Compare rows with both goldens of a fixture."""
    assert differences(EXPECTED[name], outcome(rows)) == []
    path = ROWS / f"{name.replace(' ', '_')}.json"
    if os.environ.get("SPANRUNS_WRITE_GOLDENS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(said(rows), indent=1, ensure_ascii=False) + "\n")
    assert said(rows) == json.loads(path.read_text())


def said(found: Rows) -> Rows:
    """Rows without ids and times, cut, only what they say; who is whose by name."""
    names = {run["run_id"]: run["agent_name"] for run in found["runs"]}
    return {
        table: [
            {"of": names.get(row["parent_run_id" if table == "runs" else "run_id"], "")} | _said(row) for row in rows
        ]
        for table, rows in found.items()
    }


def _said(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value[:WIDTH] if isinstance(value, str) else value
        for name, value in row.items()
        if value not in ("", None, 0, []) and name not in LEFT_OUT and not name.endswith("_at")
    }
