"""`Run`: the handle of one run, for the code inside it."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, StatusCode

from spanruns import _ambient, _clock, _guard, _outcome, _pipeline
from spanruns._values import set_json

if TYPE_CHECKING:
    from spanruns._live import RunState

KEY: Final = context.create_key("spanruns-run")
MAX_WAITS: Final = 1_000
"""Waits of a run at once; of more the oldest count as over."""


class Run:
    """One run. Its methods never raise; outside any run they do nothing, and the handle is false."""

    __slots__ = ("_done", "_ended_as", "_lock", "_pid", "_rows", "_span", "_state", "_waits")

    def __init__(self, span: Span, state: RunState | None) -> None:
        self._span = span
        self._state = state
        self._done = False
        self._ended_as: str | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._rows: int | None = None
        self._waits = Waits()

    def __bool__(self) -> bool:
        return self._span.get_span_context().is_valid

    @property
    def span(self) -> Span:
        """The OpenTelemetry span of this run."""
        return self._span

    @property
    def trace_id(self) -> str:
        """32 hex digits; zeros outside a run."""
        return f"{self._span.get_span_context().trace_id:032x}"

    @property
    def span_id(self) -> str:
        """16 hex digits; zeros outside a run."""
        return f"{self._span.get_span_context().span_id:016x}"

    @property
    def run_id(self) -> str:
        """The id this run has in the store: the one it was given, else `<trace_id>-<span_id>`."""
        if self._state is not None:
            return self._state.run_id
        return f"{self.trace_id}-{self.span_id}"

    def set_input(self, value: object) -> None:
        """What the run works on; any value, kept as JSON."""
        set_json(self._span, "spanruns.run.input", value, _pipeline.value_limit())

    def set_output(self, value: object) -> None:
        """What the run came to; any value, kept as JSON."""
        set_json(self._span, "spanruns.run.output", value, _pipeline.value_limit())

    def set_parameters(self, parameters: Mapping[str, object]) -> None:
        """What the run was started with, by name, kept as JSON."""
        set_json(self._span, "spanruns.run.parameters", parameters, _pipeline.value_limit())

    def set_session(self, session_id: str) -> None:
        """The session or conversation this run belongs to."""
        self._identify("session.id", session_id)

    def set_user(self, user_id: str) -> None:
        """The user this run works for."""
        self._identify("user.id", user_id)

    def set_trigger(self, trigger: str, detail: str | None = None) -> None:
        """What started the run: `schedule`, `http`, `cli` …, and more about it."""
        self._identify("spanruns.run.trigger", trigger)
        if detail is not None:
            self._identify("spanruns.run.trigger_detail", detail)

    def add_tag(self, *tags: str) -> None:
        """Add tags; a tag that is there stays once."""
        with _guard.guarded("adding a tag"), self._lock:
            found = (getattr(self._span, "attributes", None) or {}).get("spanruns.run.tags", ())
            self._identify("spanruns.run.tags", tuple(dict.fromkeys((*found, *map(str, tags)))))

    def progress(self, done: int | None = None, total: int | None = None) -> None:
        """How far the run is, in whatever unit it counts. Cheap: sent at most twice a second."""
        try:
            state, pipeline = self._state, _pipeline.current()
            if done is not None:
                self._span.set_attribute("spanruns.run.progress.done", int(done))
            if total is not None:
                self._span.set_attribute("spanruns.run.progress.total", int(total))
            if state is not None and pipeline is not None:
                known_done, known_total = state.progress or (None, None)
                pipeline.lifecycle.progress(
                    state,
                    known_done if done is None else int(done),
                    known_total if total is None else int(total),
                )
        except Exception:
            _guard.swallow("reporting progress")

    def add_rows(self, count: int) -> None:
        """Add to the rows (records, documents …) this run has processed."""
        with _guard.guarded("counting rows"), self._lock:
            self._rows = (self._rows or 0) + int(count)
            self._span.set_attribute("spanruns.run.rows_processed", self._rows)

    def set_attribute(self, key: str, value: str | bool | int | float) -> None:
        """Any other attribute of the run's span."""
        with _guard.guarded("setting an attribute"):
            self._span.set_attribute(key, value)

    def fail(self, message: str, error_type: str = "_OTHER") -> None:
        """Say that the run has failed although no exception will leave it."""
        with _guard.guarded("marking a run failed"):
            self._ended_as = "failed"
            self._span.set_attribute("error.type", error_type)
            self._span.set_status(StatusCode.ERROR, message[: _outcome.MAX_DESCRIPTION])

    def cancel(self) -> None:
        """Say that the run was called off although no exception will leave it."""
        self._ended_as = "cancelled"

    def waiting_for(self, whom: str) -> Waiting:
        """The run waits for a person or another system, from now on until the block ends or `resumed()` is
        called.

        The time is kept out of the run's execution time. Of several waits at once the last to end ends it.
        """
        waiting = Waiting(self, whom)
        with _guard.guarded("starting to wait"):
            if self:  # the false handle is one for all
                self._waits.begin(waiting, _clock.now_ns())
            self._emit("waiting", **{"spanruns.run.waiting_for": str(whom)})
        return waiting

    def suspend(self, whom: str) -> str:
        """End this span as `waiting` for `whom` when the block ends, and get the token to resume the run
        with.

        `spanruns.resume(token)` goes on with the same run, in any process and at any time.
        """
        from spanruns import _resume

        try:
            self._ended_as = "waiting"
            self._identify("spanruns.run.id", self.run_id)  # both parts of the run say the same
            self._emit("waiting", **{"spanruns.run.waiting_for": str(whom)})
            return _resume.token_of(self, dict(getattr(self._span, "attributes", None) or {}))
        except Exception:
            _guard.swallow("suspending a run")
            return ""

    def resumed(self) -> None:
        """The run goes on after `waiting_for`, whomever it waits for."""
        self._end_wait(None)

    def _end_wait(self, wait: Waiting | None) -> None:
        with _guard.guarded("going on after waiting"):
            left = self._waits.end(_clock.now_ns(), wait)
            if left:
                self._emit("waiting", **{"spanruns.run.waiting_for": str(left[-1].whom)})
            elif left is not None:
                self._emit("resumed")

    def _emit(self, event: str, **attributes: Any) -> None:
        """Send a lifecycle event of this run."""
        pipeline = _pipeline.current()
        if pipeline is not None and self._state is not None:
            pipeline.lifecycle.emit(event, self._state, **attributes)

    def _identify(self, key: str, value: Any) -> None:
        with _guard.guarded("identifying a run"):
            self._span.set_attribute(key, value)
            if self._state is not None:
                self._state.identity[key] = value

    def _context(self) -> Context:
        """The context inside the run; its id, session and user travel with requests made there."""
        ctx = context.set_value(KEY, self, trace.set_span_in_context(self._span))
        known = dict(self._state.identity) if self._state is not None else {}
        known["spanruns.run.id"] = self.run_id
        return _ambient.to_baggage(known, ctx)

    def _keep(self, result: object, limit: int) -> None:
        """Keep a returned value as output, unless the code has set one."""
        if not self._has("spanruns.run.output"):
            set_json(self._span, "spanruns.run.output", result, limit)

    def _keep_json(self, text: str) -> None:
        """Keep output that is JSON already."""
        if not self._has("spanruns.run.output"):
            self._span.set_attribute("spanruns.run.output", text)

    def _has(self, key: str) -> bool:
        return key in (getattr(self._span, "attributes", None) or {})

    def _end(self, error: BaseException | None) -> None:
        """End the run, once, and only in the process that started it."""
        with self._lock:
            if self._done or os.getpid() != self._pid:
                return
            self._done = True
        try:
            now = _clock.now_ns()
            outcome: str = _outcome.mark(self._span, error)
            if outcome == "success" and self._ended_as is not None:
                outcome = self._ended_as
            self._waits.end(now)
            if self._waits.total_ns:
                self._span.set_attribute("spanruns.run.waiting_ms", self._waits.total_ns // 1_000_000)
            self._span.set_attribute("spanruns.run.status", outcome)
            self._span.end(now)
        except Exception:
            _guard.swallow("ending a run")


class Waits:
    """Time spent waiting; overlapping waits count once."""

    __slots__ = ("_lock", "_open", "_since", "total_ns")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: deque[Waiting] = deque(maxlen=MAX_WAITS)
        self._since = 0
        self.total_ns = 0

    def begin(self, wait: Waiting, now: int) -> None:
        """One more wait has begun."""
        with self._lock:
            if not self._open:
                self._since = now
            self._open.append(wait)

    def end(self, now: int, wait: Waiting | None = None) -> list[Waiting] | None:
        """This wait is over, or all are; those that go on, None if it was over already."""
        with self._lock:
            if not self._open or (wait is not None and wait not in self._open):
                return None
            if wait is None:
                self._open.clear()
            else:
                self._open.remove(wait)
            if not self._open:
                self.total_ns += max(now - self._since, 0)
            return list(self._open)


class Waiting:
    """A wait that has begun: `with run.waiting_for("approval"): …`, or let `run.resumed()` end it."""

    __slots__ = ("_run", "whom")

    def __init__(self, run: Run, whom: str) -> None:
        self._run = run
        self.whom = whom

    def __enter__(self) -> Waiting:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._run._end_wait(self)

    async def __aenter__(self) -> Waiting:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._run._end_wait(self)


NO_RUN: Final = Run(trace.INVALID_SPAN, None)


def current_run() -> Run:
    """The run this code is in, also one of a framework.

    Outside any, a false handle whose methods do nothing.
    """
    try:
        own = context.get_value(KEY)
        pipeline = _pipeline.current()
        span_id = trace.get_current_span().get_span_context().span_id
        state = pipeline.registry.run_of(span_id) if pipeline is not None else None
        if state is None or (isinstance(own, Run) and own._state is state):
            return own if isinstance(own, Run) and not own._done else NO_RUN
        span = state.span()
        if span is None:
            return NO_RUN
        return Run(span, state)
    except Exception:
        _guard.swallow("finding the current run")
        return NO_RUN
