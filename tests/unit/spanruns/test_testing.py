"""The capture for users' tests."""

from __future__ import annotations

import pytest
import spanruns
from spanruns import _guard
from spanruns.testing import START_NS, Clock, capture


def test_every_capture_starts_alike() -> None:
    """Ids and times are the same in every test, so whole spans can be compared."""
    spans = []
    for _ in range(2):
        with capture() as captured, spanruns.run("r"):
            pass
        spans.append(captured.spans)
    assert spans[0] == spans[1]
    assert (spans[0][0].trace_id, spans[0][0].start_ns) == (f"{1:032x}", START_NS)


def test_captures_nest() -> None:
    """An inner capture takes what is made inside it, the outer one goes on afterwards."""
    with capture() as outer:
        with capture() as inner, spanruns.run("inner"):
            pass
        with spanruns.run("outer"):
            pass
    assert [[run.attributes["gen_ai.agent.name"] for run in c.runs] for c in (outer, inner)] == [["outer"], ["inner"]]


def test_nothing_is_captured_afterwards() -> None:
    """After the block everything is as before."""
    with capture() as captured:
        pass
    with spanruns.run("r") as run:
        run.set_output(1)
    assert captured.spans == []


def test_own_errors_are_raised_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of ours shows up in the tests of a service."""
    monkeypatch.setattr(_guard, "_raise", False)
    with capture(), spanruns.run("r") as run, pytest.raises(ValueError, match="many"):
        run.add_rows("many")  # type: ignore[arg-type]
    with spanruns.run("r") as run:
        run.add_rows("many")  # type: ignore[arg-type]


def test_asking_for_what_is_not_there_says_so() -> None:
    """A wrong name fails with the name."""
    with capture() as captured, spanruns.run("r"), spanruns.run("r"):
        pass
    with pytest.raises(AssertionError, match="2 recorded with the name 'r', not 1"):
        captured.run("r")
    with pytest.raises(AssertionError, match="0 recorded with the name 't', not 1"):
        captured.tool("t")


def test_clock() -> None:
    """Time passes with each reading, and on request."""
    clock = Clock(start_ns=0, step_ns=1)
    readings = [clock(), clock()]
    clock.advance(1)
    assert [*readings, clock()] == [0, 1, 1_000_000_002]
