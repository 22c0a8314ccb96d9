"""Spans of others: which are runs, and what is below them."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest
import spanruns
from opentelemetry import trace
from spanruns._processor import is_run
from spanruns.testing import Captured


@pytest.mark.parametrize(
    ("attributes", "run"),
    [
        ({"spanruns.kind": "run"}, True),
        ({"spanruns.kind": "tool", "gen_ai.operation.name": "execute_tool"}, False),
        ({"gen_ai.operation.name": "invoke_agent"}, True),
        ({"gen_ai.operation.name": "invoke_workflow"}, True),
        ({"gen_ai.operation.name": "create_agent"}, False),
        ({"gen_ai.operation.name": "chat"}, False),
        ({"openinference.span.kind": "AGENT"}, True),
        ({"openinference.span.kind": "CHAIN"}, False),
        ({"traceloop.span.kind": "workflow"}, True),
        ({"traceloop.span.kind": "agent"}, True),
        ({"traceloop.span.kind": "task"}, False),
        ({"gen_ai.operation.name": "invoke_agent", "logfire.span_type": "pending_span"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_run_in_every_dialect(attributes: dict[str, Any] | None, run: bool) -> None:
    """What says that a span is a run differs; pending copies are none."""
    assert is_run(attributes) is run


def test_framework_run_is_announced_and_counted(captured: Captured) -> None:
    """A run of a framework has its started event when it starts, and its counts when it ends."""
    tracer = trace.get_tracer("framework")
    with tracer.start_as_current_span(
        "invoke_agent a", attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "a"}
    ):
        assert [event.name for event in captured.events] == ["started"]
        with tracer.start_as_current_span("chat m"):
            pass
        tracer.start_span("never ended")
    (event,) = captured.events
    chat, run = captured.spans
    assert (event.span_id, event.attributes["gen_ai.agent.name"]) == (run.span_id, "a")
    counts = [run.attributes[f"spanruns.run.spans.{word}"] for word in ("started", "ended", "dropped", "truncated")]
    assert counts == [3, 2, 0, 0]
    assert chat.attributes == {}


def test_run_known_only_after_its_start_is_announced_with_its_first_child(captured: Captured) -> None:
    """Some instrumentors say what a span is only after it has started."""
    tracer = trace.get_tracer("late")
    with tracer.start_as_current_span("agent.run") as span:
        span.set_attribute("openinference.span.kind", "AGENT")
        assert captured.events == []
        with tracer.start_as_current_span("child"):
            pass
    assert [event.span_id for event in captured.events] == [captured.spans[-1].span_id]
    assert captured.spans[-1].attributes["spanruns.run.spans.ended"] == 2


def test_identity_around_reaches_framework_runs(captured: Captured) -> None:
    """Session and user set around a framework's run are on its span."""
    tracer = trace.get_tracer("framework")
    attributes = {"gen_ai.operation.name": "invoke_agent", "user.id": "own"}
    with (
        spanruns.identity(session_id="s", user_id="u", trigger="webhook"),
        tracer.start_as_current_span("invoke_agent a", attributes=attributes),
    ):
        pass
    found = captured.spans[0].attributes
    assert (found["session.id"], found["user.id"], found["spanruns.run.trigger"]) == ("s", "own", "webhook")


def test_unsampled_spans_leave_no_trace(captured: Captured) -> None:
    """What is not sampled is neither announced nor counted nor sent, and its code still runs."""
    ignored = trace.NonRecordingSpan(
        trace.SpanContext(1, 2, is_remote=True, trace_flags=trace.TraceFlags(trace.TraceFlags.DEFAULT))
    )

    @spanruns.tool
    def work() -> int:
        return 1

    with trace.use_span(ignored), spanruns.run("r") as run:
        assert work() == 1
        run.progress(1)
        run.set_output(2)
    assert (captured.spans, captured.events) == ([], [])


async def _cancelled(captured: Captured) -> None:
    """A task that is cancelled inside a span of others, and cleans up inside another one."""
    tracer = trace.get_tracer("x")

    async def work() -> None:
        with tracer.start_as_current_span("called off"):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                with tracer.start_as_current_span("cleaning up"):
                    pass
                raise

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with tracer.start_as_current_span("afterwards"):
        pass


def test_span_that_a_cancellation_ends_says_so(captured: Captured) -> None:
    """OpenTelemetry records no cancellation: the span has it, what cleans up after it has not."""
    asyncio.run(_cancelled(captured))
    told = {span.name: (span.status, span.attributes.get("error.type")) for span in captured.spans}
    assert told == {
        "cleaning up": ("UNSET", None),
        "called off": ("UNSET", "asyncio.exceptions.CancelledError"),
        "afterwards": ("UNSET", None),
    }


def test_generator_that_is_closed_early_is_not_cancelled(captured: Captured) -> None:
    """Its consumer has had enough; that is an ordinary end."""
    tracer = trace.get_tracer("x")

    def numbers() -> Generator[int, None, None]:
        with tracer.start_as_current_span("numbers"):
            yield from range(9)

    generator = numbers()
    next(generator)
    generator.close()
    assert [span.attributes for span in captured.spans] == [{}]
