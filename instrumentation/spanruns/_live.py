"""The runs of this process that have started and not ended, whoever made them, and the spans below them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from weakref import WeakSet, ref

from spanruns import _fork

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Span
    from opentelemetry.util.types import AttributeValue

MAX_SPANS: Final = 100_000
"""Open spans that are followed at once.

Beyond it the oldest are forgotten (they were probably never ended).
"""

_counting = threading.Lock()


class RunState:
    """What is known about one live run. It outlives its span only as long as spans below it are open."""

    __slots__ = (
        "__weakref__",
        "dropped",
        "ended",
        "identity",
        "parent_span_id",
        "progress",
        "progress_sent",
        "run_id",
        "span",
        "span_id",
        "started",
        "started_at_ns",
        "trace_id",
        "truncated",
    )

    def __init__(self, span: Span, identity: Mapping[str, AttributeValue]) -> None:
        context = span.get_span_context()
        self.span: ref[Span] = ref(span)
        self.identity: dict[str, AttributeValue] = dict(identity)
        self.trace_id: int = context.trace_id if context else 0
        self.span_id: int = context.span_id if context else 0
        self.run_id = str(identity.get("spanruns.run.id") or f"{self.trace_id:032x}-{self.span_id:016x}")
        self.parent_span_id: int | None = span.parent.span_id if span.parent else None
        self.started_at_ns: int = span.start_time or 0
        self.started = self.ended = self.dropped = self.truncated = 0
        self.progress: tuple[int | None, int | None] | None = None
        self.progress_sent: tuple[int | None, int | None] | None = None

    @property
    def key(self) -> str:
        """`<trace_id>-<span_id>`, as heartbeats name a run."""
        return f"{self.trace_id:032x}-{self.span_id:016x}"

    def count(self, *, started: int = 0, ended: int = 0, dropped: int = 0, truncated: int = 0) -> None:
        """Add to the completeness counts of this run."""
        with _counting:
            self.started += started
            self.ended += ended
            self.dropped += dropped
            self.truncated += truncated

    @property
    def has_open(self) -> bool:
        """True while spans below it have not ended."""
        return self.started > self.ended

    def completeness(self) -> dict[str, int]:
        """The counts as attributes of the run's span: of itself and the spans whose nearest run it is, in this process."""
        with _counting:
            return {
                "spanruns.run.spans.started": self.started,
                "spanruns.run.spans.ended": self.ended,
                "spanruns.run.spans.dropped": self.dropped,
                "spanruns.run.spans.truncated": self.truncated,
            }


class Registry:
    """Open spans by id, each with the run it belongs to, and the live runs."""

    def __init__(self) -> None:
        self._start_fresh()
        _fork.register(self)

    def _start_fresh(self) -> None:
        self._of_span: dict[int, RunState] = {}
        self._runs: WeakSet[RunState] = WeakSet()
        self._lock = threading.Lock()

    def after_fork(self) -> None:
        """The parent's runs are not this process's: it must not send heartbeats for them."""
        global _counting
        _counting = threading.Lock()
        self._start_fresh()

    def run_of(self, span_id: int) -> RunState | None:
        """The run an open span of this process belongs to (a run's span belongs to itself)."""
        return self._of_span.get(span_id)

    def follow(self, span_id: int, state: RunState) -> None:
        """A span below (or of) this run has started."""
        spans = self._of_span
        spans[span_id] = state
        if len(spans) > MAX_SPANS:
            with self._lock:
                spans.pop(next(iter(spans)), None)

    def add(self, state: RunState) -> None:
        """A run has started."""
        with self._lock:
            self._runs.add(state)

    def leave(self, span_id: int) -> RunState | None:
        """A span has ended; the run it belonged to."""
        return self._of_span.pop(span_id, None)

    def remove(self, state: RunState) -> None:
        """A run has ended."""
        with self._lock:
            self._runs.discard(state)

    def live(self) -> list[RunState]:
        """Runs that have not ended and whose span somebody still holds."""
        with self._lock:
            return [state for state in self._runs if state.span() is not None]
