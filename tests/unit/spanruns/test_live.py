"""Live runs and their spans."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import Span, TracerProvider
from spanruns import _live
from spanruns._live import Registry, RunState


def state() -> tuple[Span, RunState]:
    """A run."""
    span = TracerProvider(shutdown_on_exit=False).get_tracer("t").start_span("r")
    assert isinstance(span, Span)
    return span, RunState(span, {})


def test_counts_are_added_up() -> None:
    """What the run's end says is what was counted."""
    _span, run = state()
    run.count(started=2, ended=1, truncated=3)
    run.count(started=1, dropped=4)
    assert run.completeness() == {
        "spanruns.run.spans.started": 3,
        "spanruns.run.spans.ended": 1,
        "spanruns.run.spans.dropped": 4,
        "spanruns.run.spans.truncated": 3,
    }


def test_open_spans_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans that are never ended do not fill the memory: the oldest is forgotten."""
    monkeypatch.setattr(_live, "MAX_SPANS", 2)
    registry, (_span, run) = Registry(), state()
    for span_id in (1, 2, 3):
        registry.follow(span_id, run)
    assert [registry.run_of(span_id) for span_id in (1, 2, 3)] == [None, run, run]


def test_span_is_left_once() -> None:
    """An ended span has no run any more."""
    registry, (_span, run) = Registry(), state()
    registry.follow(7, run)
    assert (registry.leave(7), registry.leave(7)) == (run, None)


def test_child_process_has_no_runs_of_its_parent() -> None:
    """After a fork nothing is live."""
    registry, (_span, run) = Registry(), state()
    registry.add(run)
    registry.follow(7, run)
    assert registry.live() == [run]
    registry.after_fork()
    assert (registry.live(), registry.run_of(7)) == ([], None)


def test_run_id_is_given_or_made_of_trace_and_span() -> None:
    """The id in the store is the caller's, else that of trace and span."""
    span, run = state()
    context = span.get_span_context()
    assert context is not None
    assert run.run_id == run.key == f"{context.trace_id:032x}-{context.span_id:016x}"
    assert RunState(span, {"spanruns.run.id": "mine"}).run_id == "mine"
