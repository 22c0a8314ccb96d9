"""For the tests of services: what was recorded, in memory, with ids and times that are the same in every test
run.

    from spanruns.testing import capture

    def test_nightly():
        with capture() as captured:
            nightly("eu")
        assert captured.run("nightly").attributes["spanruns.run.status"] == "success"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator

from spanruns import _clock, _guard, _pipeline, _trigger
from spanruns._otlp import Finished, clean_log, clean_span
from spanruns._settings import Settings

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan, Span

__all__ = ["Captured", "Clock", "EventRecord", "SpanRecord", "capture"]

START_NS: Final = 1_700_000_000_000_000_000
STEP_NS: Final = 1_000_000_000


class Clock:
    """A clock that goes on by one second each time it is read (or by `advance`), from a fixed start."""

    def __init__(self, start_ns: int = START_NS, step_ns: int = STEP_NS) -> None:
        self._now_ns = start_ns
        self._step_ns = step_ns

    def __call__(self) -> int:
        now, self._now_ns = self._now_ns, self._now_ns + self._step_ns
        return now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now_ns += int(seconds * 1e9)


@dataclass(frozen=True)
class SpanRecord:
    """A span as it would have been sent: masked, cut, filtered. Ids are hex, times unix nanoseconds."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    start_ns: int
    end_ns: int
    status: str
    """`UNSET`, `OK` or `ERROR`."""
    message: str | None
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


@dataclass(frozen=True)
class EventRecord:
    """A lifecycle event (`name` as `started`) or a log record of a run (`name` empty)."""

    name: str
    trace_id: str
    span_id: str
    at_ns: int
    attributes: dict[str, Any]
    body: Any = None


@dataclass
class Captured:
    """What has been recorded so far, in the order in which it ended or happened."""

    clock: Clock
    spans: list[SpanRecord] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)
    logs: list[EventRecord] = field(default_factory=list)

    @property
    def runs(self) -> list[SpanRecord]:
        """The spans of `spanruns.run`."""
        return [span for span in self.spans if span.attributes.get("spanruns.kind") == "run"]

    @property
    def tools(self) -> list[SpanRecord]:
        """The spans of `spanruns.tool`."""
        return [span for span in self.spans if span.attributes.get("spanruns.kind") == "tool"]

    def run(self, name: str) -> SpanRecord:
        """The one run of this name; AssertionError if there is none or several."""
        return _only(name, [run for run in self.runs if run.attributes.get("gen_ai.agent.name") == name])

    def tool(self, name: str) -> SpanRecord:
        """The one call of this tool; AssertionError if there is none or several."""
        return _only(name, [call for call in self.tools if call.attributes.get("gen_ai.tool.name") == name])


def _only(name: str, found: Sequence[SpanRecord]) -> SpanRecord:
    if len(found) != 1:
        raise AssertionError(f"{len(found)} recorded with the name {name!r}, not 1")
    return found[0]


class _Ids(IdGenerator):
    """1, 2, 3 …"""

    def __init__(self) -> None:
        self.start_again()

    def start_again(self) -> None:
        self._trace_id = self._span_id = 0

    def generate_trace_id(self) -> int:
        self._trace_id += 1
        return self._trace_id

    def generate_span_id(self) -> int:
        self._span_id += 1
        return self._span_id


class _Memory:
    """Stands for an outbox: keeps the records at once, in the thread that made them."""

    def __init__(self, keep: Callable[[Any], None], woken: Callable[[], None] = lambda: None) -> None:
        self._keep = keep
        self.wake = woken

    def put(self, item: Any, *, urgent: bool = False) -> None:
        self._keep(item)


class _MemoryPipeline(_pipeline.Pipeline):
    def __init__(self, settings: Settings, captured: Captured) -> None:
        super().__init__(settings)
        self._captured = captured
        events = _Memory(self._keep_event, lambda: self.lifecycle.send_progress(self.registry.live()))
        self.lifecycle.write_to(events)  # type: ignore[arg-type] # has what is used of it
        self.logs = _Memory(self._keep_log)  # type: ignore[assignment] # the same

    def send(self, item: Finished) -> None:
        self.count(item)
        self._captured.spans.append(_span_record(clean_span(item, self.cleaner)))

    def _keep_event(self, record: ReadableLogRecord) -> None:
        self._captured.events.append(_event_record(clean_log(record, self.cleaner)))

    def _keep_log(self, record: ReadableLogRecord) -> None:
        self._captured.logs.append(_event_record(clean_log(record, self.cleaner)))


def _span_record(span: ReadableSpan) -> SpanRecord:
    context = span.get_span_context()
    return SpanRecord(
        name=span.name,
        trace_id=f"{context.trace_id if context else 0:032x}",
        span_id=f"{context.span_id if context else 0:016x}",
        parent_id=f"{span.parent.span_id:016x}" if span.parent else None,
        start_ns=span.start_time or 0,
        end_ns=span.end_time or 0,
        status=span.status.status_code.name,
        message=span.status.description,
        attributes=dict(span.attributes or {}),
        events=[(event.name, dict(event.attributes or {})) for event in span.events],
    )


def _event_record(record: ReadableLogRecord) -> EventRecord:
    inner = record.log_record
    return EventRecord(
        name=(inner.event_name or "").removeprefix("spanruns.run."),
        trace_id=f"{inner.trace_id or 0:032x}",
        span_id=f"{inner.span_id or 0:016x}",
        at_ns=inner.timestamp or 0,
        attributes=dict(inner.attributes or {}),
        body=inner.body,
    )


class _ToCurrent(SpanProcessor):
    """Shows spans of the tests' provider to the capture that is open, if any."""

    def __init__(self) -> None:
        self.pipeline: _MemoryPipeline | None = None

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        if self.pipeline is not None:
            self.pipeline.processor.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        if self.pipeline is not None:
            self.pipeline.processor.on_end(span)


_ids: Final = _Ids()
_to_current: Final = _ToCurrent()
_provider: Any = None


def _tests_provider() -> Any:
    """The provider spans are recorded with.

    That of the tests if they have one, so that frameworks are seen too.
    """
    global _provider
    if _provider is None:
        found: Any = trace.get_tracer_provider()
        if not hasattr(found, "add_span_processor"):
            found = TracerProvider(id_generator=_ids, shutdown_on_exit=False)
            trace.set_tracer_provider(found)
        found.add_span_processor(_to_current)
        _provider = found
    return _provider


@contextmanager
def capture(**settings: Any) -> Iterator[Captured]:
    """Record everything made inside the block; settings are fields of `Settings`, such as
    `content="metadata_only"`.

    Times come from a `Clock` (one second per reading), ids count up from 1, the trigger of root runs is not
    looked for outside the process. An exception inside our own code is raised instead of being logged.
    """
    captured = Captured(Clock())
    pipeline = _MemoryPipeline(Settings(**{"metrics": False, **settings}), captured)
    pipeline.provider = _tests_provider()
    if pipeline.settings.logs:
        from spanruns import _logs

        _logs.take_for(pipeline)
    before = _pipeline.replace(pipeline), _to_current.pipeline
    _ids.start_again()
    _clock.use(captured.clock)
    _to_current.pipeline = pipeline
    try:
        with _trigger.unknown(), _guard.raising():
            yield captured
    finally:
        _clock.use(None)
        _pipeline.replace(before[0])
        _to_current.pipeline = before[1]
