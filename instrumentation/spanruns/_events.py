"""Lifecycle events of runs as OTLP log records: prompt, small, and sent beside the service's own logs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from spanruns import _clock
from spanruns._live import Registry, RunState

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.resources import Resource

    from spanruns._outbox import Outbox

SCOPE: Final = "spanruns"
PREFIX: Final = "spanruns.run."
MAX_HEARTBEAT_RUNS: Final = 500
"""Runs one heartbeat record stands for; more take more records."""
PROGRESS_S: Final = 0.5
"""Shortest time between two `progress` events of a run."""
SEVERITY_INFO: Final = 9

IDENTITY: Final = frozenset(
    [
        "spanruns.kind",
        "gen_ai.operation.name",
        "gen_ai.agent.name",
        "gen_ai.agent.id",
        "gen_ai.agent.version",
        "gen_ai.workflow.name",
        "gen_ai.conversation.id",
        "gen_ai.agent.call.id",
        "agent.name",
        "agent_name",
        "graph.node.id",
        "openinference.span.kind",
        "traceloop.span.kind",
        "traceloop.entity.name",
        "traceloop.workflow.name",
        "session.id",
        "user.id",
        "spanruns.workspace",
    ]
)
IDENTITY_PREFIX: Final = "spanruns.run."
MAX_IDENTITY_VALUE: Final = 4_096
"""Longer values (inputs, parameters) are left to the span."""


def identity_of(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    """The attributes that say which run this is, as far as they are known when it starts."""
    return {
        key: value
        for key, value in (attributes or {}).items()
        if (key in IDENTITY or key.startswith(IDENTITY_PREFIX))
        and not (isinstance(value, str) and len(value) > MAX_IDENTITY_VALUE)
    }


class Lifecycle:
    """Writes the lifecycle events of this process's runs into an outbox."""

    def __init__(self, registry: Registry, resource: Callable[[], Resource], heartbeat_s: float, version: str) -> None:
        self._registry = registry
        self._resource = resource
        self._heartbeat_s = heartbeat_s
        self._version = version
        self._outbox: Outbox[ReadableLogRecord] | None = None
        self._next_heartbeat: float | None = None
        self._next_progress = 0.0

    def write_to(self, outbox: Outbox[ReadableLogRecord]) -> None:
        """Where the events go; its thread calls `tick`."""
        self._outbox = outbox

    def emit(self, name: str, state: RunState, **more: Any) -> None:
        """Queue the event `spanruns.run.<name>` of a run."""
        outbox = self._outbox
        if outbox is None:
            return
        attributes = {
            **state.identity,
            "spanruns.run.started_at": state.started_at_ns,
            "spanruns.run.heartbeat_interval_ms": int(self._heartbeat_s * 1000),
        }
        if state.parent_span_id is not None:
            attributes["spanruns.run.parent_span_id"] = f"{state.parent_span_id:016x}"
        attributes.update(more)
        outbox.put(self._record(PREFIX + name, attributes, state.trace_id, state.span_id))

    def emit_queued(self, attributes: Mapping[str, Any], trace_id: int, span_id: int) -> None:
        """Queue the event of a run that somebody else will start; its id tells which, its span id is of no span."""
        if self._outbox is not None:
            self._outbox.put(self._record("spanruns.run.queued", dict(attributes), trace_id, span_id))

    def progress(self, state: RunState, done: int | None, total: int | None) -> None:
        """Remember how far a run is; it is sent at most every PROGRESS_S."""
        first = state.progress is state.progress_sent
        state.progress = (done, total)
        if first and self._outbox is not None:
            self._outbox.wake()

    def tick(self) -> float | None:
        """Send what is due; gives the monotonic time of the next tick, None if no run is live."""
        live = self._registry.live()
        if not live:
            self._next_heartbeat = None
            return None
        now = time.monotonic()
        if self._next_heartbeat is None:
            self._next_heartbeat = now + self._heartbeat_s
        if now >= self._next_heartbeat:
            self._heartbeat(live)
            self._next_heartbeat = now + self._heartbeat_s
        changed = [state for state in live if state.progress is not state.progress_sent]
        if not changed:
            return self._next_heartbeat
        if now >= self._next_progress:
            self._next_progress = now + PROGRESS_S
            self.send_progress(changed)
        return min(self._next_heartbeat, self._next_progress)

    def send_progress(self, states: Iterable[RunState]) -> None:
        """Send how far these runs are, where that is news."""
        for state in states:
            progress, sent = state.progress, state.progress_sent
            state.progress_sent = progress
            if progress is not None and progress is not sent:
                done, total = progress
                known = {"spanruns.run.progress.done": done, "spanruns.run.progress.total": total}
                self.emit("progress", state, **{k: value for k, value in known.items() if value is not None})

    def _heartbeat(self, live: Sequence[RunState]) -> None:
        """One record for all live runs: a process with a thousand runs must not send a thousand records."""
        outbox = self._outbox
        if outbox is None:
            return
        for start in range(0, len(live), MAX_HEARTBEAT_RUNS):
            attributes = {
                "spanruns.run.spans": [state.key for state in live[start : start + MAX_HEARTBEAT_RUNS]],
                "spanruns.run.heartbeat_interval_ms": int(self._heartbeat_s * 1000),
            }
            outbox.put(self._record("spanruns.run.heartbeat", attributes, 0, 0))

    def _record(self, name: str, attributes: dict[str, Any], trace_id: int, span_id: int) -> ReadableLogRecord:
        from opentelemetry import trace
        from opentelemetry._logs import LogRecord, SeverityNumber
        from opentelemetry.context import Context
        from opentelemetry.sdk._logs import ReadableLogRecord
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        at = _clock.now_ns()
        flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if trace_id else trace.TraceFlags.DEFAULT)
        span = trace.NonRecordingSpan(trace.SpanContext(trace_id, span_id, is_remote=False, trace_flags=flags))
        record = LogRecord(
            timestamp=at,
            observed_timestamp=at,
            context=trace.set_span_in_context(span, Context()),
            severity_number=SeverityNumber.INFO,
            severity_text="INFO",
            attributes=attributes,
            event_name=name,
        )
        scope = InstrumentationScope(SCOPE, self._version)
        return ReadableLogRecord(record, self._resource(), scope)
