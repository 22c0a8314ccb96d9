"""Metrics of runs and tool calls, with the GenAI convention's names and buckets where it has them, and of the
process.

Their attributes are few and bounded: names, kinds, outcomes. Never an id, never content.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from spanruns import _fork, _guard
from spanruns._content import Cleaner
from spanruns._setters import GlobalProvider
from spanruns._version import version

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Observation
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import ReadableSpan

    from spanruns._outbox import Post
    from spanruns._pipeline import Pipeline

TOOL_S: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
AGENT_S: Final = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6)
WORKFLOW_S: Final = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)
RUN_S: Final = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400)
MAX_NAMES: Final = 500
"""Different names one attribute may have in metrics; further ones are counted as `_other`."""


class Names:
    """Keeps an attribute's values few, whatever a service names its runs."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def bounded(self, name: object) -> str:
        """The name itself while there are few."""
        text = str(name)
        if text not in self._seen:
            if len(self._seen) >= MAX_NAMES:
                return "_other"
            self._seen.add(text)
        return text


class Tally:
    """A counter that is read when it is exported: adding to it costs next to nothing."""

    def __init__(self, meter: Any, name: str, unit: str, description: str) -> None:
        self._counts: Counter[tuple[tuple[str, str], ...]] = Counter()
        self._lock = threading.Lock()
        meter.create_observable_counter(name, [self._observe], unit, description)

    def add(self, attributes: Mapping[str, str]) -> None:
        """Count one."""
        key = tuple(sorted(attributes.items()))
        with self._lock:
            self._counts[key] += 1

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        from opentelemetry.metrics import Observation

        with self._lock:
            return [Observation(count, dict(key)) for key, count in self._counts.items()]


class RunMetrics:
    """The instruments of one process."""

    def __init__(self, provider: MeterProvider, live: Callable[[], int]) -> None:
        meter = provider.get_meter("spanruns", version())
        self._names = Names()
        self._outcomes = Tally(meter, "spanruns.run.count", "{run}", "Runs that ended, by outcome")
        self._runs = _histogram(meter, "spanruns.run.duration", RUN_S, "Duration of runs")
        self._agents = _histogram(meter, "gen_ai.invoke_agent.duration", AGENT_S, "Duration of agent runs")
        self._workflows = _histogram(meter, "gen_ai.invoke_workflow.duration", WORKFLOW_S, "Of workflow runs")
        self._calls = Tally(meter, "spanruns.tool.count", "{call}", "Tool calls that ended, by outcome")
        self._tools = _histogram(meter, "gen_ai.execute_tool.duration", TOOL_S, "Duration of tool calls")
        meter.create_observable_up_down_counter(
            "spanruns.run.active", [_observe(live)], "{run}", "Runs that have started and not ended"
        )
        for name, unit, read in _process():
            create = meter.create_observable_counter if unit == "s" else meter.create_observable_up_down_counter
            create(name, [_observe(read)], unit)

    def ended(self, span: ReadableSpan, is_run: bool) -> None:
        """Count an ended span if it is a run (of any framework) or a tool call of ours."""
        attributes = span.attributes or {}
        if is_run:
            self._run_ended(span, attributes)
        elif attributes.get("spanruns.kind") == "tool":
            known = {"gen_ai.tool.name": self._names.bounded(attributes.get("gen_ai.tool.name"))}
            error = _error(attributes)
            self._tools.record(_seconds(span), {**known, **error})
            self._calls.add({**known, "spanruns.tool.status": _status(span, attributes)})

    def _run_ended(self, span: ReadableSpan, attributes: Mapping[str, Any]) -> None:
        name = attributes.get("gen_ai.agent.name") or attributes.get("gen_ai.workflow.name") or span.name
        named = {"gen_ai.agent.name": self._names.bounded(name)}
        known = {
            **named,
            "spanruns.run.kind": str(attributes.get("spanruns.run.kind") or "agent"),
            "spanruns.run.status": str(attributes.get("spanruns.run.status") or _status(span, attributes)),
        }
        self._runs.record(_seconds(span), known)
        trigger = attributes.get("spanruns.run.trigger")
        started_by = {"spanruns.run.trigger": self._names.bounded(trigger)} if trigger else {}
        self._outcomes.add({**known, **started_by})  # older SDKs keep what was recorded: it must stay as it was
        if attributes.get("spanruns.kind") != "run":
            return  # its framework records the convention's metrics itself
        if attributes.get("gen_ai.operation.name") == "invoke_agent":
            self._agents.record(_seconds(span), {**named, **_error(attributes)})
        elif attributes.get("gen_ai.operation.name") == "invoke_workflow":
            self._workflows.record(
                _seconds(span), {"gen_ai.workflow.name": named["gen_ai.agent.name"], **_error(attributes)}
            )


def _histogram(meter: Any, name: str, buckets: tuple[float, ...], description: str) -> Any:
    return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=buckets)


def _seconds(span: ReadableSpan) -> float:
    return max((span.end_time or 0) - (span.start_time or 0), 0) / 1e9


def _error(attributes: Mapping[str, Any]) -> dict[str, str]:
    error = attributes.get("error.type")
    return {"error.type": str(error)} if error else {}


def _status(span: ReadableSpan, attributes: Mapping[str, Any]) -> str:
    if str(attributes.get("error.type", "")).endswith(("CancelledError", "Cancelled", "KeyboardInterrupt")):
        return "cancelled"
    return "success" if span.status.status_code.name != "ERROR" else "failed"


def _observe(read: Callable[[], float]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        from opentelemetry.metrics import Observation

        try:
            return [Observation(read())]
        except Exception:
            _guard.swallow("reading the process")
            return []

    return observe


def _process() -> list[tuple[str, str, Callable[[], float]]]:
    """CPU time and memory of this process, from the operating system alone: (name, unit, reader)."""
    readers: list[tuple[str, str, Callable[[], float]]] = [("process.cpu.time", "s", time.process_time)]
    if sys.platform == "linux":
        readers.append(("process.memory.usage", "By", _resident_bytes))
    return readers


def _resident_bytes() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def install(pipeline: Pipeline, post: Post) -> RunMetrics:
    """Start sending metrics; the provider is ours, and also the global one while the service has none.

    A service that has one keeps its metrics to itself: a reader cannot be added to every SDK's provider.
    """
    from opentelemetry.metrics import _internal, get_meter_provider
    from opentelemetry.sdk.metrics import MeterProvider

    own = MeterProvider([_reader(pipeline, post)], resource=pipeline.resource, shutdown_on_exit=False)
    if type(get_meter_provider()).__name__ == "_ProxyMeterProvider":
        GlobalProvider(_internal, "meter", lambda later: None).set(own)  # one that comes later simply takes over
    pipeline.meter_provider = own
    return RunMetrics(own, lambda: len(pipeline.registry.live()))


def _reader(pipeline: Pipeline, post: Post) -> Any:
    from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, PeriodicExportingMetricReader

    cleaner = Cleaner(pipeline.settings)

    def clean(data: Any) -> Any:
        """A copy as it may leave; names of runs and tools may hold anything."""
        return replace(
            data,
            resource_metrics=[
                replace(
                    each,
                    resource=pipeline.instance.of(each.resource),
                    scope_metrics=[
                        replace(s, metrics=[_clean(m, cleaner) for m in s.metrics]) for s in each.scope_metrics
                    ],
                )
                for each in data.resource_metrics
            ],
        )

    class RunMetricExporter(MetricExporter):
        """Sends metrics our way; what cannot be sent is not kept, the next export has it all again."""

        def export(self, metrics_data: Any, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
            from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics

            limit_s = min(timeout_millis / 1000, pipeline.settings.exit_s if pipeline.closing else 1e9)
            answer = post.post(encode_metrics(clean(metrics_data)).SerializeToString(), limit_s)
            taken = answer.outcome == "accepted"
            return MetricExportResult.SUCCESS if taken else MetricExportResult.FAILURE

        def force_flush(self, timeout_millis: float = 10_000) -> bool:
            return True

        def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
            post.close()

    reader = PeriodicExportingMetricReader(
        RunMetricExporter(), export_interval_millis=pipeline.settings.metrics_s * 1000
    )
    _AfterFork(reader, post)
    return reader


def _clean(metric: Any, cleaner: Cleaner) -> Any:
    points = [replace(point, attributes=cleaner.resource(point.attributes or {})) for point in metric.data.data_points]
    return replace(metric, data=replace(metric.data, data_points=points))


class _AfterFork:
    """The SDK starts the reader's thread again in a child, but leaves its lock and our connection as they
    were.
    """

    def __init__(self, reader: Any, post: Post) -> None:
        self._reader = reader
        self._post = post
        reader.spanruns_after_fork = self  # lives as long as the reader
        _fork.register(self)

    def after_fork(self) -> None:
        """Take nothing from the parent."""
        self._reader._export_lock = threading.Lock()
        self._post.forget()
