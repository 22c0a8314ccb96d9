"""Runs: whole spans and events."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import spanruns
from spanruns._run import _unix_ns
from spanruns.testing import START_NS, Captured, EventRecord, SpanRecord

TRACE = "00000000000000000000000000000001"
SPAN = "0000000000000001"
COUNTS = {
    "spanruns.run.spans.started": 1,
    "spanruns.run.spans.ended": 1,
    "spanruns.run.spans.dropped": 0,
    "spanruns.run.spans.truncated": 0,
}


def test_job(captured: Captured) -> None:
    """A decorated function is a job: a started event when it starts, one whole span when it ends."""

    @spanruns.run
    def nightly(region: str, dry_run: bool = False) -> int:
        return len(region)

    assert nightly("eu", dry_run=True) == 2
    identity = {
        "spanruns.kind": "run",
        "spanruns.run.kind": "job",
        "gen_ai.agent.name": "nightly",
        "spanruns.run.parameters": '{"region":"eu","dry_run":true}',
        "spanruns.run.dry_run": True,
    }
    assert captured.events == [
        EventRecord(
            name="started",
            trace_id=TRACE,
            span_id=SPAN,
            at_ns=START_NS + 1_000_000_000,
            attributes={
                **identity,
                "spanruns.run.started_at": START_NS,
                "spanruns.run.heartbeat_interval_ms": 10_000,
            },
        )
    ]
    assert captured.spans == [
        SpanRecord(
            name="nightly",
            trace_id=TRACE,
            span_id=SPAN,
            parent_id=None,
            start_ns=START_NS,
            end_ns=START_NS + 2_000_000_000,
            status="UNSET",
            message=None,
            attributes={
                **identity,
                "spanruns.run.output": "2",
                "spanruns.run.status": "success",
                **COUNTS,
            },
        )
    ]


def test_every_parameter_has_its_attribute(captured: Captured) -> None:
    """All that is known of a run at its start is on its span and its started event."""
    with spanruns.run(
        "helper",
        kind="agent",
        agent_id="a1",
        version="2",
        run_id="r" * 100,
        parent_run_id="p1",
        trigger="webhook",
        trigger_detail="push",
        session_id="s1",
        user_id="u1",
        workspace="w1",
        parameters={"x": 1},
        input="hello",
        queued_at=datetime(2026, 1, 1, tzinfo=UTC),
        sla=timedelta(seconds=2),
        tags=("t1", "t2"),
        dry_run=True,
    ) as run:
        assert run.run_id == "r" * 64
        run.set_output({"y": 2})
    known = {
        "spanruns.kind": "run",
        "spanruns.run.kind": "agent",
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "helper",
        "gen_ai.agent.id": "a1",
        "gen_ai.agent.version": "2",
        "spanruns.run.id": "r" * 64,
        "spanruns.run.parent_id": "p1",
        "spanruns.run.trigger": "webhook",
        "spanruns.run.trigger_detail": "push",
        "session.id": "s1",
        "user.id": "u1",
        "spanruns.workspace": "w1",
        "spanruns.run.parameters": '{"x":1}',
        "spanruns.run.queued_at": 1_767_225_600_000_000_000,
        "spanruns.run.sla_ms": 2000,
        "spanruns.run.tags": ["t1", "t2"],
        "spanruns.run.dry_run": True,
    }
    (span,) = captured.spans
    assert span.name == "invoke_agent helper"
    assert span.attributes == {
        **known,
        "spanruns.run.input": '"hello"',
        "spanruns.run.output": '{"y":2}',
        "spanruns.run.status": "success",
        **COUNTS,
    }
    (event,) = captured.events
    times = ("spanruns.run.started_at", "spanruns.run.heartbeat_interval_ms")
    assert {key: value for key, value in event.attributes.items() if key not in times} == known


def test_workflow(captured: Captured) -> None:
    """A workflow is one in the convention's words too."""
    with spanruns.run("pipeline", kind="workflow"):
        pass
    (span,) = captured.spans
    words = ("gen_ai.operation.name", "gen_ai.workflow.name", "gen_ai.agent.name")
    assert (span.name, [span.attributes[word] for word in words]) == (
        "invoke_workflow pipeline",
        ["invoke_workflow", "pipeline", "pipeline"],
    )


@pytest.mark.parametrize(
    ("raised", "status", "span_status", "error_type"),
    [
        (RuntimeError("no"), "failed", "ERROR", "RuntimeError"),
        (asyncio.CancelledError(), "cancelled", "UNSET", "asyncio.exceptions.CancelledError"),
        (KeyboardInterrupt(), "cancelled", "UNSET", "KeyboardInterrupt"),
        (SystemExit(0), "success", "UNSET", None),
        (SystemExit(1), "failed", "ERROR", "SystemExit"),
    ],
)
def test_exception_decides_the_outcome(
    captured: Captured, raised: BaseException, status: str, span_status: str, error_type: str | None
) -> None:
    """What leaves the run says how it ended, and goes on to the caller."""
    with pytest.raises(type(raised)) as caught, spanruns.run("r"):
        raise raised
    assert caught.value is raised
    (span,) = captured.spans
    found = (span.attributes["spanruns.run.status"], span.status, span.attributes.get("error.type"))
    assert found == (status, span_status, error_type)


def test_cancelled_task_ends_its_run_once(captured: Captured) -> None:
    """A cancelled run has one span, with the status `cancelled`."""

    @spanruns.run(kind="agent")
    async def forever() -> None:
        await asyncio.Event().wait()

    async def cancel() -> None:
        task = asyncio.ensure_future(forever())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert [span.attributes["spanruns.run.status"] for span in captured.spans] == ["cancelled"]


def test_coroutine_that_is_never_finished_is_cancelled(captured: Captured) -> None:
    """A coroutine thrown away while it waits has not succeeded."""

    @spanruns.run
    async def forever() -> None:
        await asyncio.sleep(0)

    coroutine = forever()
    coroutine.send(None)
    coroutine.close()
    assert captured.run("forever").attributes["spanruns.run.status"] == "cancelled"


def test_sub_run_names_its_trigger(captured: Captured) -> None:
    """A run inside a run was triggered by that agent; each counts its own spans."""
    with spanruns.run("outer", kind="agent", trigger="cli"), spanruns.run("inner", kind="agent"):
        pass
    inner, outer = captured.run("inner"), captured.run("outer")
    assert inner.parent_id == outer.span_id
    assert inner.attributes["spanruns.run.trigger"] == "agent"
    assert inner.attributes["spanruns.run.trigger_detail"] == "outer"
    assert [run.attributes["spanruns.run.spans.ended"] for run in (inner, outer)] == [1, 1]
    assert captured.events[1].attributes["spanruns.run.parent_span_id"] == outer.span_id


def test_truncated_values_are_counted(captured: Captured) -> None:
    """The run's end says how many values had to be cut."""
    with spanruns.run("r", input="x" * 70_000):
        pass
    (span,) = captured.spans
    assert span.attributes["spanruns.run.input.size"] == 70_002
    assert span.attributes["spanruns.run.spans.truncated"] == 1


def test_capture_can_be_switched_off(captured: Captured) -> None:
    """A run may keep what it is given and returns to itself, however it is made."""

    @spanruns.run(capture=False)
    def decorated(word: str) -> str:
        return word

    decorated("x")
    with spanruns.run("block", parameters={"word": "x"}, input="x", capture=False):
        pass
    contents = ("spanruns.run.parameters", "spanruns.run.input", "spanruns.run.output")
    assert [key for run in captured.runs for key in contents if key in run.attributes] == []
    assert len(captured.runs) == 2


def test_output_set_by_hand_wins_over_the_returned_value(captured: Captured) -> None:
    """What the code says is the output stays it."""

    @spanruns.run
    def job() -> str:
        spanruns.current_run().set_output("said")
        return "returned"

    job()
    assert captured.run("job").attributes["spanruns.run.output"] == '"said"'


@pytest.mark.parametrize(
    "at",
    [
        1_767_225_600,
        1_767_225_600.0,
        1_767_225_600_000,
        1_767_225_600_000_000,
        1_767_225_600_000_000_000,
        datetime(2026, 1, 1, tzinfo=UTC),
    ],
)
def test_queued_time_in_any_unit(at: Any) -> None:
    """Seconds, milliseconds, microseconds and nanoseconds are told apart by their size."""
    assert _unix_ns(at) == 1_767_225_600_000_000_000


def test_queued_time_of_another_type_is_refused() -> None:
    """A text is no time."""
    with pytest.raises(TypeError, match="queued_at is str"):
        _unix_ns("now")  # type: ignore[arg-type]
