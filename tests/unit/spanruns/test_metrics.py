"""Metrics of runs and tool calls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import spanruns
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from spanruns import _metrics, _pipeline
from spanruns._metrics import AGENT_S, MAX_NAMES, TOOL_S, Names, RunMetrics
from spanruns.testing import capture


@pytest.fixture
def reader() -> Iterator[InMemoryMetricReader]:
    """Reads what the runs of the test recorded."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    with capture():
        pipeline = _pipeline.current()
        assert pipeline is not None
        pipeline.metrics = RunMetrics(provider, lambda: len(pipeline.registry.live()))
        yield reader
    provider.shutdown()


def points(reader: InMemoryMetricReader, name: str) -> list[Any]:
    """The data points of a metric."""
    data = reader.get_metrics_data()
    assert data is not None
    metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]
    return [point for metric in metrics if metric.name == name for point in metric.data.data_points]


def test_runs_are_counted_by_outcome(reader: InMemoryMetricReader) -> None:
    """Outcomes, kinds, triggers; nothing that has many values."""
    for fail in (False, True, True):
        try:
            with spanruns.run("r", trigger="cli", session_id="s"):
                if fail:
                    raise RuntimeError("no")
        except RuntimeError:
            pass
    known = {"gen_ai.agent.name": "r", "spanruns.run.kind": "job", "spanruns.run.trigger": "cli"}
    counted = {point.value: dict(point.attributes) for point in points(reader, "spanruns.run.count")}
    assert counted == {
        1: {**known, "spanruns.run.status": "success"},
        2: {**known, "spanruns.run.status": "failed"},
    }


def test_durations_have_the_convention_s_buckets(reader: InMemoryMetricReader) -> None:
    """Agent and tool durations are histograms with the boundaries of the GenAI convention, in seconds."""
    with spanruns.run("a", kind="agent"), spanruns.tool("t"):
        pass
    (agent,) = points(reader, "gen_ai.invoke_agent.duration")
    (tool,) = points(reader, "gen_ai.execute_tool.duration")
    assert (agent.explicit_bounds, dict(agent.attributes), agent.sum) == (AGENT_S, {"gen_ai.agent.name": "a"}, 4.0)
    assert (tool.explicit_bounds, dict(tool.attributes), tool.sum) == (TOOL_S, {"gen_ai.tool.name": "t"}, 1.0)


def test_framework_run_counts_but_its_convention_metrics_are_its_own(reader: InMemoryMetricReader) -> None:
    """A framework's instrumentation records the convention's metrics itself: twice would be wrong."""
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "f"}
    with trace.get_tracer("framework").start_as_current_span("invoke_agent f", attributes=attributes):
        pass
    (run,) = points(reader, "spanruns.run.duration")
    assert dict(run.attributes) == {
        "gen_ai.agent.name": "f",
        "spanruns.run.kind": "agent",
        "spanruns.run.status": "success",
    }
    assert points(reader, "gen_ai.invoke_agent.duration") == []


def test_live_runs_are_a_gauge(reader: InMemoryMetricReader) -> None:
    """How many runs are live is observed."""
    with spanruns.run("a"), spanruns.run("b"):
        inside = [point.value for point in points(reader, "spanruns.run.active")]
    outside = [point.value for point in points(reader, "spanruns.run.active")]
    assert (inside, outside) == ([2], [0])


def test_process_is_observed(reader: InMemoryMetricReader) -> None:
    """CPU time and memory of the process have the convention's names."""
    assert points(reader, "process.cpu.time")[0].value > 0
    assert points(reader, "process.memory.usage")[0].value > 1_000_000


def test_every_metric_is_on_the_page(reader: InMemoryMetricReader) -> None:
    """Name, unit and attributes, as they arrive: dashboards of one's own are made from them."""
    kinds: tuple[Literal["agent", "workflow", "job"], ...] = ("agent", "workflow", "job")
    for kind in kinds:
        with pytest.raises(ValueError, match="no"), spanruns.run("r", kind=kind, trigger="cli"), spanruns.tool("t"):
            raise ValueError("no")
    data = reader.get_metrics_data()
    assert data is not None
    sent = {
        metric.name: (metric.unit, {str(key) for point in metric.data.data_points for key in point.attributes or {}})
        for each in data.resource_metrics
        for scope in each.scope_metrics
        for metric in scope.metrics
    }
    page = (Path(__file__).parents[3] / "docs" / "service-owner.md").read_text()
    section = page.split("## Metrics\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([a-z_.]+)` \| `([^`]+)` \| [^|]+ \|([^|]*)\|$", section, re.MULTILINE)
    assert {name: (unit, set(re.findall("`([^`]+)`", attributes))) for name, unit, attributes in rows} == sent


def test_names_are_bounded() -> None:
    """A service that makes up names cannot make metrics without end."""
    names = Names()
    assert [names.bounded(number) for number in range(MAX_NAMES)][-1] == str(MAX_NAMES - 1)
    assert (names.bounded("one more"), names.bounded(0)) == ("_other", "0")


def test_cancelled_tool_is_counted_as_cancelled(reader: InMemoryMetricReader) -> None:
    """A cancelled call is neither a success nor a failure."""
    with pytest.raises(KeyboardInterrupt), spanruns.tool("t"):
        raise KeyboardInterrupt
    (point,) = points(reader, "spanruns.tool.count")
    assert dict(point.attributes) == {"gen_ai.tool.name": "t", "spanruns.tool.status": "cancelled"}


def test_run_buckets_are_sorted() -> None:
    """Boundaries must rise."""
    for bounds in (_metrics.TOOL_S, _metrics.AGENT_S, _metrics.WORKFLOW_S, _metrics.RUN_S):
        assert list(bounds) == sorted(set(bounds))
