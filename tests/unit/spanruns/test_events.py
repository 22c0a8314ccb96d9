"""Lifecycle events: heartbeats and progress."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, TracerProvider
from spanruns import _events
from spanruns._events import MAX_HEARTBEAT_RUNS, Lifecycle, identity_of
from spanruns._live import Registry, RunState


class Box:
    """Keeps records, as an outbox would."""

    def __init__(self) -> None:
        self.records: list[Any] = []
        self.woken = 0

    def put(self, record: Any) -> None:
        self.records.append(record.log_record)

    def wake(self) -> None:
        self.woken += 1


class Monotonic:
    """A clock that stands still until told."""

    now = 100.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Monotonic:
    """The monotonic time of the module."""
    clock = Monotonic()

    class Time:
        monotonic = staticmethod(lambda: clock.now)

    monkeypatch.setattr(_events, "time", Time)
    return clock


@pytest.fixture
def registry() -> Registry:
    """Live runs."""
    return Registry()


@pytest.fixture
def box() -> Box:
    """Where the events go."""
    return Box()


@pytest.fixture
def lifecycle(registry: Registry, box: Box) -> Lifecycle:
    """Events every 10 seconds."""
    lifecycle = Lifecycle(registry, lambda: Resource({}), 10, "1")
    lifecycle.write_to(box)  # type: ignore[arg-type]
    return lifecycle


def start(registry: Registry, count: int = 1) -> list[tuple[Span, RunState]]:
    """Live runs with spans of their own."""
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
    made = []
    for number in range(count):
        span = tracer.start_span(f"r{number}")
        assert isinstance(span, Span)
        state = RunState(span, {"gen_ai.agent.name": "r"})
        registry.add(state)
        made.append((span, state))
    return made


def test_no_live_run_no_heartbeat(lifecycle: Lifecycle, box: Box, clock: Monotonic) -> None:
    """A process without runs is silent and asks for no tick."""
    assert lifecycle.tick() is None
    assert box.records == []


def test_one_heartbeat_for_all_live_runs(lifecycle: Lifecycle, registry: Registry, box: Box, clock: Monotonic) -> None:
    """At each interval one record names every live run; it has no trace context of its own."""
    runs = start(registry, 3)
    assert lifecycle.tick() == 110
    clock.now = 110
    assert lifecycle.tick() == 120
    (record,) = box.records
    assert record.event_name == "spanruns.run.heartbeat"
    assert (record.trace_id, record.span_id) == (0, 0)
    assert sorted(record.attributes["spanruns.run.spans"]) == sorted(state.key for _, state in runs)
    assert record.attributes["spanruns.run.heartbeat_interval_ms"] == 10_000
    registry.remove(runs[0][1])
    clock.now = 120
    lifecycle.tick()
    assert len(box.records[1].attributes["spanruns.run.spans"]) == 2


def test_many_runs_take_several_records(lifecycle: Lifecycle, registry: Registry, box: Box, clock: Monotonic) -> None:
    """A record stays of a size that receivers take."""
    runs = start(registry, MAX_HEARTBEAT_RUNS + 1)
    lifecycle.tick()
    clock.now = 110
    lifecycle.tick()
    assert [len(record.attributes["spanruns.run.spans"]) for record in box.records] == [MAX_HEARTBEAT_RUNS, 1]
    assert len(runs) == MAX_HEARTBEAT_RUNS + 1


def test_run_whose_span_is_forgotten_has_no_heartbeat(
    lifecycle: Lifecycle, registry: Registry, clock: Monotonic
) -> None:
    """A span that nobody holds any more will never end: its run is lost, not running for ever."""
    ((span, _),) = start(registry)
    assert lifecycle.tick() == 110
    del span, _
    assert lifecycle.tick() is None


def test_progress_is_sent_at_most_twice_a_second(
    lifecycle: Lifecycle, registry: Registry, box: Box, clock: Monotonic
) -> None:
    """However often the code tells how far it is, events stay few, and the last word is sent."""
    ((_span, state),) = start(registry)
    for done in range(1000):
        lifecycle.progress(state, done, 1000)
        lifecycle.tick()
    assert box.woken >= 1
    assert lifecycle.tick() == 100.5
    clock.now = 100.5
    lifecycle.tick()
    sent = [record.attributes["spanruns.run.progress.done"] for record in box.records]
    assert sent == [0, 999]


def test_identity_leaves_out_what_is_large_or_not_its_own() -> None:
    """An event carries who the run is, not what it works on."""
    attributes = {
        "gen_ai.agent.name": "a",
        "gen_ai.input.messages": "[]",
        "spanruns.run.trigger": "cli",
        "spanruns.run.input": "x" * 10_000,
        "session.id": "s",
        "my.own": 1,
    }
    assert identity_of(attributes) == {
        "gen_ai.agent.name": "a",
        "spanruns.run.trigger": "cli",
        "session.id": "s",
    }
