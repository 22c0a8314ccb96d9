"""Everything of ours in one process.

Settings, provider, outboxes, the registry of live runs. One per process.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace

from spanruns import _env, _foreign, _fork, _guard, _identity
from spanruns._content import Cleaner
from spanruns._events import Lifecycle
from spanruns._live import Registry, RunState
from spanruns._otlp import Finished, clean_log, clean_span, pack_logs, pack_spans
from spanruns._outbox import Outbox, Post
from spanruns._resource import Instance, own_resource
from spanruns._sender import Sender
from spanruns._settings import Settings
from spanruns._version import version

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

    from spanruns._logs import Taker
    from spanruns._metrics import RunMetrics

EVENT_DELAY_S: Final = 0.05
PUSH_DELAY_S: Final = 0.25
MAX_EARLY: Final = 64
"""Runs that ended before spans below them, looked at when their root ends."""
EXIT_PATIENT_S: Final = 10.0
"""Longest exit while the endpoint takes what is left; one that takes nothing is given up after `exit_s`."""
EXIT_LEAST_S: Final = 0.05
"""Shortest exit: the SDK raises where there is no time at all."""


class Pipeline:
    """The way of a process's runs to the endpoint."""

    def __init__(self, settings: Settings, posts: Mapping[str, Post] | None = None) -> None:
        from spanruns._processor import RunProcessor

        self.settings = settings
        self.cleaner = Cleaner(settings)
        self.instance = Instance(Cleaner(settings))
        self.registry = Registry()
        self.resource: Resource = own_resource(settings)
        self.lifecycle = Lifecycle(self.registry, lambda: self.resource, settings.heartbeat_s, version())
        self.posts = posts or {}
        self.spans: Outbox[Finished] = Outbox(
            "spans",
            self._ready_span,
            pack_spans,
            self.post("traces"),
            delay_s=settings.flush_s,
            max_items=settings.queue_items,
            max_bytes=settings.backlog_bytes,
            owner=_run_of,
            dropped=_count_dropped,
            tick=self._push_theirs,
        )
        self.events: Outbox[ReadableLogRecord] = Outbox(
            "events",
            partial(clean_log, cleaner=Cleaner(settings), instance=self.instance),
            pack_logs,
            self.post("logs"),
            delay_s=EVENT_DELAY_S,
            max_items=settings.queue_items,
            max_bytes=settings.backlog_bytes,
            tick=self.lifecycle.tick,
        )
        self.logs: Outbox[ReadableLogRecord] = Outbox(
            "logs",
            partial(clean_log, cleaner=Cleaner(settings), instance=self.instance),
            pack_logs,
            self.post("logs"),
            delay_s=settings.flush_s,
            max_items=settings.queue_items,
            max_bytes=settings.backlog_bytes,
        )
        self.lifecycle.write_to(self.events)
        self.processor = RunProcessor(self.registry, self.lifecycle, self.send, self._identity, self.flush)
        self.provider: trace.TracerProvider = trace.get_tracer_provider()
        self.their_processors: tuple[Any, ...] = ()
        self._seen: tuple[Any, ...] = ()
        self.taker: Taker | None = None
        self.metrics: RunMetrics | None = None
        self.meter_provider: MeterProvider | None = None
        self.closing = False
        self._ended_first: deque[RunState] = deque(maxlen=MAX_EARLY)
        self._push = False
        self._parent_decides = False

    def post(self, signal: str) -> Post:
        """The way out for a signal: a connection of its own for each use."""
        return self.posts.get(signal) or Sender(self.settings.urls[signal], self.settings.of(signal))

    def send(self, item: Finished) -> None:
        """Queue an ended span. The end of a root run goes at once: whoever waits for it waits for this.

        One with open spans below it waits with the others, so that its counts have those that end in a moment.
        """
        if item.run is not None and item.is_run and item.run.has_open:
            self._ended_first.append(item.run)
        ended_root = item.is_run and item.span.parent is None and not self._has_open(item.run)
        if self.processor.sends:
            self.spans.put(item, urgent=ended_root)
            return
        self.count(item)
        if ended_root:
            self._push = True
            self.spans.wake()

    def _has_open(self, root: RunState | None) -> bool:
        """True if spans of a run that has ended are still open in the trace of this one."""
        early = [state for state in self._ended_first.copy() if state.has_open]
        self._ended_first = deque(early, MAX_EARLY)
        return root is not None and any(state.trace_id == root.trace_id for state in early)

    def _push_theirs(self) -> float | None:
        """Have the service's own exporter send a run's end now rather than with its next batch (our thread)."""
        if self._push:
            self._push = False
            time.sleep(PUSH_DELAY_S)  # its other spans of the moment come along
            for processor in self.their_processors:
                with _guard.guarded("flushing the service's exporter"):
                    processor.force_flush(2_000)
        return None

    @property
    def parent_decides(self) -> bool:
        """True if the sampler leaves out whatever is below a span that was left out."""
        return self._parent_decides

    def _ready_span(self, item: Finished) -> ReadableSpan:
        """In the sending thread: what can be done there the service does not wait for."""
        self.count(item)
        return clean_span(item, self.cleaner, self.instance)

    def count(self, item: Finished) -> None:
        """Measure an ended span."""
        if self.metrics is not None:
            self.metrics.ended(item.span, item.is_run)

    def measure(self) -> None:
        """Start sending metrics."""
        from spanruns import _metrics

        self.metrics = _metrics.install(self, self.post("metrics"))

    def tracer(self) -> trace.Tracer:
        """The tracer of our own spans."""
        sampler = getattr(self.provider, "sampler", None)
        self._parent_decides = "Parent" in type(sampler).__name__
        return self.provider.get_tracer("spanruns", version())

    def _identity(self, ctx: Context | None, own: Mapping[str, Any], around: RunState | None) -> dict[str, Any]:
        self._look_for_exporters()
        return _identity.of_run(self.settings, ctx, own, around)

    def _look_for_exporters(self) -> None:
        """The service may add an exporter to our endpoint at any time; runs are rare enough to look then."""
        seen = _foreign.processors_of(self.provider)
        if seen != self._seen:
            from spanruns import _provider

            self._seen = seen
            _provider.share(self)

    @property
    def outboxes(self) -> tuple[Outbox[Any], ...]:
        """Every way out, events first."""
        return (self.events, self.spans, self.logs)

    def flush(self, timeout_s: float = EXIT_PATIENT_S, patience_s: float | None = None) -> bool:
        """Send everything now.

        False if the time ran out, or the endpoint took nothing for `patience_s` (by default as long as an exit waits).
        """
        end = time.monotonic() + timeout_s
        patience_s = min(self.settings.exit_s, timeout_s) if patience_s is None else patience_s
        flushed = [box.flush(max(end - time.monotonic(), 0.01), patience_s) for box in self.outboxes]
        return all(flushed)

    def close(self) -> None:
        """Send what is left, within the exit deadlines, and stop."""
        self.closing = True
        threads = [
            threading.Thread(target=self._close_spans, daemon=True),
            threading.Thread(target=self.events.close, args=(EXIT_PATIENT_S, self.settings.exit_s), daemon=True),
            threading.Thread(target=self.logs.close, args=(EXIT_PATIENT_S, self.settings.exit_s), daemon=True),
        ]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(EXIT_PATIENT_S)
        except RuntimeError:  # no new threads while the interpreter goes down
            give_up = time.monotonic() + self.settings.exit_s
            for box in self.outboxes:
                box.close(EXIT_PATIENT_S, max(give_up - time.monotonic(), EXIT_LEAST_S))

    def _close_spans(self) -> None:
        """Spans first: the last of them count in the last metrics."""
        sent = self.spans.close(EXIT_PATIENT_S, self.settings.exit_s)
        with _guard.guarded("sending the last metrics"):
            if sent and self.meter_provider is not None:
                self.meter_provider.shutdown(timeout_millis=max(self.settings.exit_s, EXIT_LEAST_S) * 1000)


def _run_of(item: Finished) -> RunState | None:
    return item.run


def _count_dropped(owners: Sequence[object]) -> None:
    for owner in owners:
        if isinstance(owner, RunState):
            owner.count(dropped=1)


_lock = threading.RLock()
_current: Pipeline | None = None
_tracer: trace.Tracer | None = None
_decided: Settings | None = None
_disabled = False
_DEFAULTS: Final = Settings()


def current() -> Pipeline | None:
    """The pipeline of this process; None before `configure()`."""
    return _current


def value_limit() -> int:
    """Bytes of one captured value that are kept."""
    return (_DEFAULTS if _current is None else _current.settings).max_value_bytes


def tracer() -> trace.Tracer:
    """The tracer our own spans are made with.

    Without `configure()`, that of whatever provider the service has.
    """
    global _tracer
    found = _tracer
    if found is None:
        with _env.readable():
            found = _tracer = _current.tracer() if _current is not None else trace.get_tracer("spanruns", version())
    return found


def wanted() -> bool:
    """False if a span started here would not be recorded anyway, so that it costs next to nothing."""
    if _disabled:
        return False
    if _current is None:
        return _service_has_provider()
    parent = trace.get_current_span().get_span_context()
    return not parent.is_valid or parent.trace_flags.sampled or not _current.parent_decides


def _service_has_provider() -> bool:
    try:
        return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    except Exception:  # its environment names one that is not there
        return False


def forget_tracer() -> None:
    """Have the next `tracer()` ask for the provider again."""
    global _tracer
    _tracer = None


def install(settings: Settings, posts: Mapping[str, Post] | None = None) -> Settings:
    """Set this process up as the first call says, which may be not at all; gives the settings that hold."""
    global _current, _tracer, _decided, _disabled
    with _lock, _env.readable():
        if _current is not None:
            return _current.settings
        if _decided is not None:
            return _decided
        if settings.enabled:
            from spanruns import _logs, _provider, _threads

            pipeline = Pipeline(settings, posts)
            _provider.attach(pipeline)
            _current, _tracer = pipeline, None
            with _guard.guarded("setting up logs"):
                if settings.logs:
                    _logs.install(pipeline)
            with _guard.guarded("setting up pools"):
                _threads.install()
            with _guard.guarded("setting up metrics"):
                if settings.metrics:
                    pipeline.measure()
            atexit.register(_exit)
            _fork.at_worker_exit(_exit)
        _decided, _disabled = settings, not settings.enabled
        return settings


def replace(pipeline: Pipeline | None) -> Pipeline | None:
    """Put another pipeline (or none) in place; gives the one that was there (tests)."""
    global _current, _tracer
    with _lock:
        before, _current, _tracer = _current, pipeline, None
        return before


def _exit() -> None:
    with _guard.guarded("sending what is left at exit"):
        if _current is not None:
            _current.close()
