"""Queued runs."""

from __future__ import annotations

import spanruns
from opentelemetry import trace
from spanruns.testing import START_NS, Captured


def test_announced_run_is_the_one_that_starts(captured: Captured) -> None:
    """The event tells that it is queued; the run has its id, its queued time and its trace."""
    with spanruns.identity(session_id="s", trigger="webhook"):
        headers = spanruns.enqueue("import", run_id="r1", trigger_detail="jobs")
    assert headers == {
        "traceparent": "00-00000000000000000000000000000001-0000000000000001-01",
        "baggage": headers["baggage"],
        "spanruns-run-id": "r1",
        "spanruns-queued-at": str(START_NS),
        "spanruns-trigger": "webhook",
        "spanruns-trigger-detail": "jobs",
    }
    (queued,) = captured.events
    assert (queued.name, queued.trace_id) == ("queued", f"{1:032x}")
    assert queued.span_id not in (f"{0:016x}", f"{1:016x}")  # of no span that is there
    assert queued.attributes == {
        "spanruns.kind": "run",
        "spanruns.run.kind": "job",
        "gen_ai.agent.name": "import",
        "spanruns.run.id": "r1",
        "spanruns.run.queued_at": START_NS,
        "spanruns.run.trigger": "webhook",
        "spanruns.run.trigger_detail": "jobs",
        "session.id": "s",
    }
    with spanruns.received(headers), spanruns.run("import"):
        pass
    run = captured.run("import")
    keys = ("spanruns.run.id", "spanruns.run.queued_at", "spanruns.run.trigger", "session.id")
    assert [run.attributes[key] for key in keys] == ["r1", START_NS, "webhook", "s"]
    assert (run.trace_id, run.parent_id) == (f"{1:032x}", f"{1:016x}")


def test_only_the_first_run_is_the_one_announced(captured: Captured) -> None:
    """Two runs made by one message are not one run."""
    headers = spanruns.enqueue("a", run_id="r1")
    with spanruns.received(headers):
        with spanruns.run("a"), spanruns.run("b"):
            pass
        with spanruns.run("c"):
            pass
    ids = {run.attributes["gen_ai.agent.name"]: run.attributes.get("spanruns.run.id") for run in captured.runs}
    assert ids == {"a": "r1", "b": None, "c": None}


def test_framework_run_takes_it_too(captured: Captured) -> None:
    """A run of a framework may be the one that was announced."""
    with (
        spanruns.received(spanruns.enqueue("a", run_id="r1")),
        trace.get_tracer("f").start_as_current_span(
            "invoke_agent a", attributes={"gen_ai.operation.name": "invoke_agent"}
        ),
    ):
        pass
    (run,) = [span for span in captured.spans if span.name.startswith("invoke_agent")]
    assert run.attributes["spanruns.run.id"] == "r1"


def test_run_enqueued_by_a_run_knows_its_parent(captured: Captured) -> None:
    """The run that asked for it is its parent, also over the queue; what had started that one did not start this one."""
    with spanruns.run("asking", run_id="r0", trigger="webhook", trigger_detail="push"):
        headers = spanruns.enqueue("asked", run_id="r1")
    with spanruns.received(headers), spanruns.run("asked"):
        pass
    asked = captured.run("asked").attributes
    assert (asked["spanruns.run.id"], asked["spanruns.run.parent_id"], asked["spanruns.run.trigger"]) == (
        "r1",
        "r0",
        "event",
    )


def test_own_trigger_wins_over_the_one_around(captured: Captured) -> None:
    """In headers, event and run alike, and without the detail of the other."""
    with spanruns.identity(trigger="webhook", trigger_detail="push"):
        headers = spanruns.enqueue("import", trigger="schedule")
    with spanruns.received(headers), spanruns.run("import"):
        pass
    keys = ("spanruns.run.trigger", "spanruns.run.trigger_detail")
    (queued,) = [event for event in captured.events if event.name == "queued"]
    found = [[each.attributes.get(key) for key in keys] for each in (queued, captured.run("import"))]
    assert found == [["schedule", None]] * 2
    assert [headers.get(name) for name in ("spanruns-trigger", "spanruns-trigger-detail")] == ["schedule", None]


def test_headers_of_others_are_ignored(captured: Captured) -> None:
    """Messages carry all kinds of things; what is not ours, or broken, changes nothing."""
    headers = {"spanruns-queued-at": "soon", "traceparent": b"rubbish", "x": 1, "SPANRUNS-RUN-ID": b"r1"}
    with spanruns.received(headers), spanruns.run("r"):
        pass
    run = captured.run("r")
    assert (run.attributes["spanruns.run.id"], run.parent_id) == ("r1", None)
    assert "spanruns.run.queued_at" not in run.attributes
