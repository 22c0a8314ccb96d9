"""What is printed."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console
from spanruns_receiver.demo.screen import Guide, Screen, cells
from spanruns_receiver.demo.watch import Seen

Make = Callable[..., dict[str, Any]]
NOW = datetime(2026, 3, 1, 10, 0, 5, tzinfo=UTC)
GUIDE = Guide("http://localhost:8321", "http://localhost:4318", "localhost:4317", ".venv/bin/spanruns")


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times of day do not depend on the machine."""
    monkeypatch.setenv("TZ", "UTC")
    import time

    time.tzset()


def test_cells_of_an_ended_run(row: Make) -> None:
    """Duration in seconds, failed tools, the sum of tokens, how soon it was answered; a sub-run is marked."""
    found = row(
        "a",
        parent_run_id="p",
        status="failed",
        tool_call_count=3,
        tool_error_count=1,
        model_call_count=2,
        input_tokens=300,
        output_tokens=50,
    )
    assert cells(Seen(found, after_start_s=0.3, after_end_s=0.84), NOW) == [
        "10:00:00",
        "↳ planner",
        "travel",
        "failed",
        "2.0 s",
        "3 (1 failed)",
        "2",
        "350",
        "0.8 s after its end",
    ]


def test_cells_of_a_running_run(row: Make) -> None:
    """What is not known yet is empty; its time so far is told, and how much is done if it says so."""
    found = row("a", status="running", ended_at=None, duration_ms=None, input_tokens=None, output_tokens=None)
    assert cells(Seen(found, after_start_s=0.51), NOW) == [
        "10:00:00",
        "planner",
        "travel",
        "running",
        "5 s",
        "",
        "",
        "",
        "0.5 s after its start",
    ]
    assert cells(Seen({**found, "progress_done": 3, "progress_total": 12}), NOW)[4] == "5 s (3/12)"


def test_plain_lines(row: Make) -> None:
    """Without a terminal every change is a line, and nothing is coloured or wrapped."""
    out = io.StringIO()
    with Screen(Console(file=out, width=40), GUIDE) as screen:
        screen.say("LangGraph: langgraph not installed, so support-desk stays out: pip install 'spanruns[demo]'")
        one = Seen(row("a", agent_name="[red]planner", model_call_count=2), after_end_s=1.0)
        screen.show([one], [one], NOW)
        screen.show([], [one], NOW)
    assert out.getvalue().splitlines() == [
        "LangGraph: langgraph not installed, so support-desk stays out: pip install 'spanruns[demo]'",
        "10:00:00  [red]planner  travel  success  2.0 s  2  1.0 s after its end",
    ]


def test_terminal_has_table_and_guide(row: Make) -> None:
    """In a terminal the picture has a line for the run and the guide under it."""
    out = io.StringIO()
    with Screen(Console(file=out, force_terminal=True, width=140, color_system=None), GUIDE) as screen:
        one = Seen(row("a", tool_call_count=1), after_end_s=1.0)
        screen.show([one], [one], NOW)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())
    lines = [line.strip() for line in text.splitlines()]
    assert any(re.split(r"\s*[│┃]\s*", line)[1:5] == ["10:00:00", "planner", "travel", "success"] for line in lines)
    assert lines[-len(GUIDE.lines()) :] == [line.strip() for line in GUIDE.lines()]


def test_guide_of_the_usual_ports() -> None:
    """Nothing needs to be said about ports that are the usual ones."""
    assert GUIDE.lines() == [
        "Page  http://localhost:8321/    API  http://localhost:8321/docs    "
        "OTLP  http://localhost:4318 (HTTP)  localhost:4317 (gRPC)",
        "Try:",
        '  .venv/bin/spanruns sql "SELECT agent_name, status, count() FROM runs GROUP BY ALL"',
        "  curl -s http://localhost:8321/api/stats",
        "  OTEL_SERVICE_NAME=my-service .venv/bin/spanruns-instrument python app.py    (or: import spanruns.auto)",
    ]


def test_guide_of_other_ports() -> None:
    """Other ports are in every command that needs them."""
    lines = Guide("http://localhost:7000", "http://localhost:7001", None, "spanruns").lines()
    assert lines[2:] == [
        '  spanruns sql --url http://localhost:7000 "SELECT agent_name, status, count() FROM runs GROUP BY ALL"',
        "  curl -s http://localhost:7000/api/stats",
        "  OTEL_SERVICE_NAME=my-service OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:7001 "
        "spanruns-instrument python app.py    (or: import spanruns.auto)",
    ]
