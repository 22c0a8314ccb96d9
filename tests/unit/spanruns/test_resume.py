"""One run over a pause."""

from __future__ import annotations

import pytest
import spanruns
from spanruns.testing import Captured


def suspend() -> str:
    """A run that waits for an approval."""
    with spanruns.run("order", kind="agent", version="2", session_id="s", trigger="cli") as run:
        return run.suspend("approval by bob")


def test_resumed_run_is_the_same_run(captured: Captured) -> None:
    """Same id, name, session and trigger; the first span ends as waiting, the second one's end is the run's."""
    token = suspend()
    with spanruns.resume(token) as run:
        run.set_output("done")
    first, second = captured.runs
    assert first.attributes["spanruns.run.status"] == "waiting"
    assert second.attributes["spanruns.run.status"] == "success"
    assert second.attributes["spanruns.run.id"] == f"{first.trace_id}-{first.span_id}" == run.run_id
    assert first.attributes["spanruns.run.id"] == run.run_id
    assert (second.name, second.parent_id) == (first.name, None)
    same = ("gen_ai.agent.name", "gen_ai.agent.version", "session.id", "spanruns.run.trigger", "spanruns.run.kind")
    assert [second.attributes[key] for key in same] == [first.attributes[key] for key in same]
    assert [event.name for event in captured.events] == ["started", "waiting", "started", "resumed"]
    assert captured.events[1].attributes["spanruns.run.waiting_for"] == "approval by bob"
    assert captured.events[3].attributes["spanruns.run.id"] == run.run_id


def test_run_may_be_suspended_again(captured: Captured) -> None:
    """The id stays that of the first span however often it pauses."""
    with spanruns.resume(suspend()) as run:
        token = run.suspend("somebody else")
    with spanruns.resume(token):
        pass
    first, second, third = captured.runs
    run_id = f"{first.trace_id}-{first.span_id}"
    assert [run.attributes.get("spanruns.run.id") for run in (second, third)] == [run_id, run_id]


def test_sub_run_goes_on_below_its_parent(captured: Captured) -> None:
    """A run inside another stays there: in the same trace, below the same span, linked to where it paused."""
    with spanruns.run("outer") as outer, spanruns.run("inner") as inner:
        token = inner.suspend("bob")
    with spanruns.run("somewhere else"), spanruns.resume(token) as resumed:
        links = resumed.span.links  # type: ignore[attr-defined] # an SDK span
        assert [f"{link.context.span_id:016x}" for link in links] == [inner.span_id]
    found = [run for run in captured.runs if run.attributes["gen_ai.agent.name"] == "inner"]
    assert [(run.trace_id, run.parent_id) for run in found] == [(outer.trace_id, outer.span_id)] * 2


def test_failure_after_suspending_is_a_failure(captured: Captured) -> None:
    """Who says that it waits and then breaks has failed."""

    def work() -> None:
        with spanruns.run("order") as run:
            run.suspend("bob")
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        work()
    assert captured.run("order").attributes["spanruns.run.status"] == "failed"


@pytest.mark.parametrize("token", ["", "rubbish", "e30", "bnVsbA", "eyJ2IjoxfQ", "x" * 100_000, "ä"])
def test_broken_token_starts_a_run_of_its_own(captured: Captured, token: str, caplog: pytest.LogCaptureFixture) -> None:
    """Resuming must not fail because of us; the log tells."""
    with spanruns.resume(token):
        pass
    assert captured.run("resumed").attributes["spanruns.run.status"] == "success"
    assert "a token cannot be read" in caplog.text


def test_token_is_short_and_plain(captured: Captured) -> None:
    """It fits into a URL or a message."""
    token = suspend()
    assert len(token) < 700
    assert token.replace("-", "").replace("_", "").isalnum()
