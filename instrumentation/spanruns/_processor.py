"""The span processor that makes runs live: it sees every span start and end, whoever made it.

A span that is a run, in any dialect, is announced when it starts, kept in the registry while it is open, and
carries the counts of the spans below it when it ends. Every ended, sampled span then goes to the outbox.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from spanruns import _guard, _outcome
from spanruns._events import Lifecycle, identity_of
from spanruns._foreign import Pending
from spanruns._live import Registry, RunState
from spanruns._otlp import Finished

if TYPE_CHECKING:
    from opentelemetry.context import Context

_RUN_OPERATIONS: Final = frozenset(("invoke_agent", "invoke_workflow", "agent_call", "invoke_swarm", "invoke_graph"))
_RUN_KINDS: Final = frozenset(("agent", "workflow"))
MAX_CLEANING: Final = 10_000
"""Open spans, begun while a cancellation was being handled, that are remembered at once."""


Ambient = Callable[["Context | None", Mapping[str, Any], "RunState | None"], Mapping[str, Any]]
"""Identity that surrounds a run.

(context, its own attributes, the run around it) to the attributes it lacks.
"""


def is_run(attributes: Mapping[str, Any] | None) -> bool:
    """True if attributes known at the start say that this span is a run."""
    if not attributes:
        return False
    own = attributes.get("spanruns.kind")
    if own is not None:
        return bool(own == "run")
    return (
        attributes.get("gen_ai.operation.name") in _RUN_OPERATIONS
        or attributes.get("openinference.span.kind") == "AGENT"
        or attributes.get("traceloop.span.kind") in _RUN_KINDS
    ) and attributes.get("logfire.span_type") != "pending_span"


class RunProcessor(SpanProcessor):
    """See the module.

    `finished` takes ended spans; None where another exporter already sends them to our endpoint.
    """

    def __init__(
        self,
        registry: Registry,
        lifecycle: Lifecycle,
        finished: Callable[[Finished], None],
        ambient: Ambient | None = None,
        flush: Callable[[float], bool] | None = None,
    ) -> None:
        self._registry = registry
        self._lifecycle = lifecycle
        self._finished = finished
        self._ambient = ambient
        self._flush = flush
        self.sends = True
        """False while an exporter of the service sends to our endpoint.

        It finds what it needs in `pending`.
        """
        self.pending = Pending()
        self._cleaning: set[int] = set()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Find the run of a span that has just started; announce it if it is a run itself."""
        try:
            self._start(span, parent_context)
        except Exception:
            _guard.swallow("following a span's start")

    def _start(self, span: Span, parent_context: Context | None) -> None:
        context = span.get_span_context()
        if context is None or not context.trace_flags.sampled:
            return
        if sys.exception() is not None and _outcome.called_off_by() and len(self._cleaning) < MAX_CLEANING:
            self._cleaning.add(context.span_id)  # cleaning up after a cancellation is not cancelled itself
        parent = span.parent
        around = self._registry.run_of(parent.span_id) if parent is not None else None
        attributes = span.attributes
        if is_run(attributes):
            self._start_run(span, parent_context, around)
            return
        if around is None:
            around = self._late_parent(parent_context)
        if around is not None:
            around.count(started=1)
            self._registry.follow(context.span_id, around)

    def _start_run(self, span: Span, parent_context: Context | None, around: RunState | None) -> RunState:
        own = span.attributes or {}
        if self._ambient is not None:
            missing = self._ambient(parent_context, own, around)
            if missing:
                span.set_attributes(missing)
        state = RunState(span, identity_of(span.attributes))
        state.count(started=1)
        self._registry.follow(state.span_id, state)
        self._registry.add(state)
        self._lifecycle.emit("started", state)
        return state

    def _late_parent(self, parent_context: Context | None) -> RunState | None:
        """Some instrumentors say what a span is only after it has started.

        Look again when its first child starts.
        """
        parent = trace.get_current_span(parent_context)
        if isinstance(parent, Span) and parent.is_recording() and is_run(parent.attributes):
            return self._start_run(parent, None, None)
        return None

    def on_end(self, span: ReadableSpan) -> None:
        """Count an ended span and send it."""
        try:
            self._end(span)
        except Exception:
            _guard.swallow("following a span's end")

    def _end(self, span: ReadableSpan) -> None:
        context = span.get_span_context()
        if context is None or not context.trace_flags.sampled:
            return
        state = self._registry.leave(context.span_id)
        ended_run = False
        if state is not None:
            state.count(ended=1)
            if state.span_id == context.span_id:
                self._registry.remove(state)
                ended_run = True
        item = Finished(span, state, ended_run, self._called_off(span, context.span_id))
        if not self.sends and state is not None:
            self.pending.put(context.span_id, item)
        self._finished(item)

    def _called_off(self, span: ReadableSpan, span_id: int) -> str | None:
        """The cancellation that is ending a span of others; OpenTelemetry itself records ordinary exceptions only."""
        if sys.exception() is None and not self._cleaning:
            return None
        cleaning = span_id in self._cleaning
        self._cleaning.discard(span_id)
        attributes = span.attributes or {}
        if cleaning or "spanruns.kind" in attributes or "error.type" in attributes or not span.status.is_unset:
            return None
        return _outcome.called_off_by()

    def shutdown(self) -> None:
        """Send what is left; called by the provider when the process exits."""
        self.force_flush(2_000)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send everything now; False if the time ran out."""
        return True if self._flush is None else self._flush(timeout_millis / 1000)
