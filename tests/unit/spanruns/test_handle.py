"""The handle of a run."""

from __future__ import annotations

import asyncio
import threading

import pytest
import spanruns
from opentelemetry import trace
from spanruns import _guard, _handle
from spanruns.testing import Captured


def test_outside_a_run_nothing_happens(captured: Captured) -> None:
    """Code that is not inside a run may say what it likes."""
    run = spanruns.current_run()
    run.set_input(1)
    run.set_output(2)
    run.progress(1, 2)
    run.add_tag("a")
    run.add_rows(3)
    run.fail("no")
    run.set_session("s")
    with run.waiting_for("x"):
        pass
    assert not run
    assert (captured.spans, captured.events) == ([], [])


def test_handle_sets_what_it_says(captured: Captured) -> None:
    """Each method has its attribute."""
    with spanruns.run("r") as run:
        assert spanruns.current_run() is run
        assert bool(run)
        run.set_input({"a": 1})
        run.set_output([1])
        run.set_parameters({"p": 1})
        run.set_session("s")
        run.set_user("u")
        run.set_trigger("schedule", "nightly")
        run.add_tag("a", "b")
        run.add_tag("b", "c")
        run.add_rows(2)
        run.add_rows(3)
        run.set_attribute("my.own", 1.5)
    attributes = captured.run("r").attributes
    assert {key: attributes[key] for key in attributes if not key.startswith("spanruns.run.spans")} == {
        "spanruns.kind": "run",
        "spanruns.run.kind": "job",
        "gen_ai.agent.name": "r",
        "spanruns.run.input": '{"a":1}',
        "spanruns.run.output": "[1]",
        "spanruns.run.parameters": '{"p":1}',
        "session.id": "s",
        "user.id": "u",
        "spanruns.run.trigger": "schedule",
        "spanruns.run.trigger_detail": "nightly",
        "spanruns.run.tags": ["a", "b", "c"],
        "spanruns.run.rows_processed": 5,
        "my.own": 1.5,
        "spanruns.run.status": "success",
    }


def test_identity_set_later_is_on_later_events(captured: Captured) -> None:
    """An event carries what is known when it happens."""
    with spanruns.run("r") as run:
        run.set_session("s")
        run.progress(1)
    started, progress = captured.events
    assert ("session.id" in started.attributes, progress.attributes["session.id"]) == (False, "s")


def test_progress(captured: Captured) -> None:
    """How far a run is is told by events while it runs, and by its span at the end."""
    with spanruns.run("r") as run:
        run.progress(total=10)
        run.progress(3)
    events = [event for event in captured.events if event.name == "progress"]
    keys = ("spanruns.run.progress.done", "spanruns.run.progress.total")
    assert [tuple(event.attributes.get(key) for key in keys) for event in events] == [(None, 10), (3, 10)]
    assert tuple(captured.run("r").attributes[key] for key in keys) == (3, 10)


def test_waiting_time_is_measured(captured: Captured) -> None:
    """Waiting is told by events, for whom too, and its time is on the span."""
    with spanruns.run("r") as run:
        with run.waiting_for("bob"):
            captured.clock.advance(5)
        waiting = run.waiting_for("a machine")
        run.resumed()
        run.resumed()
        assert waiting.whom == "a machine"
    names = [(event.name, event.attributes.get("spanruns.run.waiting_for")) for event in captured.events]
    assert names == [
        ("started", None),
        ("waiting", "bob"),
        ("resumed", None),
        ("waiting", "a machine"),
        ("resumed", None),
    ]
    assert captured.run("r").attributes["spanruns.run.waiting_ms"] == 9000  # the clock goes on with each reading


def test_overlapping_waits_end_with_the_last(captured: Captured) -> None:
    """A run goes on when nobody is awaited any more; until then it waits for somebody who is, and the time counts once."""

    async def wait(run: spanruns.Run, whom: str, seconds: int) -> None:
        async with run.waiting_for(whom):
            for _ in range(seconds):
                await asyncio.sleep(0)

    async def work() -> None:
        with spanruns.run("r") as run:
            await asyncio.gather(wait(run, "bob", 9), wait(run, "a machine", 1), wait(run, "ann", 5))

    asyncio.run(work())
    events = [(event.name, event.attributes.get("spanruns.run.waiting_for"), event.at_ns) for event in captured.events]
    assert [event[:2] for event in events[1:]] == [
        ("waiting", "bob"),
        ("waiting", "a machine"),
        ("waiting", "ann"),
        ("waiting", "ann"),
        ("waiting", "bob"),
        ("resumed", None),
    ]
    waited_ms = (events[-1][2] - events[1][2]) // 1_000_000
    assert captured.run("r").attributes["spanruns.run.waiting_ms"] == waited_ms


def test_resumed_ends_every_wait_that_has_begun(captured: Captured) -> None:
    """A block of such a wait that ends later ends no other."""
    with spanruns.run("r") as run:
        with run.waiting_for("bob"), run.waiting_for("ann"):
            run.resumed()
            late = run.waiting_for("a machine")
        assert [event.name for event in captured.events] == ["started", "waiting", "waiting", "resumed", "waiting"]
        with late:
            pass
    assert captured.events[-1].name == "resumed"


def test_waits_that_nobody_ends_are_bounded(captured: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that only ever begins to wait does not fill its memory, inside a run or outside."""
    monkeypatch.setattr(_handle, "MAX_WAITS", 2)
    with spanruns.run("r") as run:
        for inside in (run, _handle.NO_RUN):
            for _ in range(3):
                inside.waiting_for("bob")
        assert [len(each._waits._open) for each in (run, _handle.NO_RUN)] == [2, 0]
        run.resumed()
    assert captured.events[-1].name == "resumed"


def test_wait_that_never_ends_ends_with_the_run(captured: Captured) -> None:
    """A run that ends is not waiting any more."""
    with spanruns.run("r") as run:
        run.waiting_for("bob")
    assert captured.run("r").attributes["spanruns.run.waiting_ms"] == 2000


def test_async_wait(captured: Captured) -> None:
    """The wait works in `async with` as well."""

    async def work() -> None:
        async with spanruns.run("r") as run, run.waiting_for("bob"):
            await asyncio.sleep(0)

    asyncio.run(work())
    assert "spanruns.run.waiting_ms" in captured.run("r").attributes


def test_failed_by_word(captured: Captured) -> None:
    """A run may be failed or cancelled without an exception."""
    with spanruns.run("bad") as run:
        run.fail("nothing came in", "NoData")
    with spanruns.run("off") as run:
        run.cancel()
    bad, off = captured.run("bad"), captured.run("off")
    assert (bad.status, bad.message, bad.attributes["error.type"]) == ("ERROR", "nothing came in", "NoData")
    assert (bad.attributes["spanruns.run.status"], off.attributes["spanruns.run.status"]) == ("failed", "cancelled")


def test_current_run_is_the_nearest(captured: Captured) -> None:
    """Inside a tool it is the run around the tool; in a sub-run the sub-run; afterwards the outer one again."""
    with spanruns.run("outer") as outer:
        with spanruns.tool("t"):
            assert spanruns.current_run() is outer
        with spanruns.run("inner") as inner:
            assert spanruns.current_run() is inner
        assert spanruns.current_run() is outer


def test_run_of_a_framework_has_a_handle_too(captured: Captured) -> None:
    """A run that a framework made can be told about in the same way."""
    tracer = trace.get_tracer("framework")
    with tracer.start_as_current_span("invoke_agent x", attributes={"gen_ai.operation.name": "invoke_agent"}):
        run = spanruns.current_run()
        assert bool(run)
        run.set_session("s")
        run.progress(1, 2)
    (span,) = captured.spans
    assert (span.attributes["session.id"], span.attributes["spanruns.run.progress.done"]) == ("s", 1)
    assert [event.name for event in captured.events] == ["started", "progress"]


def test_other_thread_has_no_run(captured: Captured) -> None:
    """A thread of its own is outside, unless its work is bound to the run."""
    found: list[bool] = []
    with spanruns.run("r"):
        for work in (
            lambda: found.append(bool(spanruns.current_run())),
            spanruns.bind(lambda: found.append(bool(spanruns.current_run()))),
        ):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    assert found == [False, True]


def test_value_that_cannot_be_taken_never_reaches_the_service(
    captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in our own code is logged and counted, the service goes on."""
    monkeypatch.setattr(_guard, "_raise", False)
    with spanruns.run("r") as run:
        run.add_rows("many")  # type: ignore[arg-type]
        run.set_parameters(7)  # type: ignore[arg-type]
    assert (_guard.errors["counting rows"], captured.run("r").attributes["spanruns.run.status"]) == (1, "success")
