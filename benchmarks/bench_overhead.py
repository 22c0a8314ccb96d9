"""What the instrumentation costs a service: ratios against a bare span of the OpenTelemetry SDK, in one run.

    python benchmarks/bench_overhead.py

Every comparison interleaves the two sides and takes the best of many rounds, so that other work on the machine counts for neither.
The endpoint is a real one in another process; the sending threads run beside the measured calls as they do in a service.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import spanruns  # noqa: E402
from opentelemetry import context, trace  # noqa: E402
from opentelemetry.sdk.resources import Resource  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult  # noqa: E402
from spanruns import _pipeline  # noqa: E402
from spanruns._events import Lifecycle  # noqa: E402
from spanruns._live import Registry, RunState  # noqa: E402

CALLS = 2_000
ROUNDS = 40
ATTRIBUTES = {
    "spanruns.kind": "tool",
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.type": "function",
    "gen_ai.tool.name": "work",
    "gen_ai.tool.call.arguments": '{"city":"Bonn","days":3}',
    "gen_ai.tool.call.result": '"sunny in Bonn"',
}
SINK = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.support.sink import SinkServer
server = SinkServer()
server.sink.take = lambda path, headers, body: None  # what arrives is not looked at
print(server.sink.url, flush=True)
sys.stdin.read()
"""


def process_ratio(url: str, calls: int = 4_000, rounds: int = 8) -> float:
    """CPU of the whole process, sending included, against the SDK with its own OTLP/HTTP exporter."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    provider = TracerProvider(resource=Resource({}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces"), max_queue_size=100_000))
    bare = bare_span(provider.get_tracer("bare"))

    def cost(work: Callable[[], object], flush: Callable[[], object]) -> float:
        start = time.process_time()
        for _ in range(calls):
            work()
        flush()
        return time.process_time() - start

    ours = min(cost(lambda: work_of_tool("Bonn"), spanruns.flush) for _ in range(rounds))
    theirs = min(cost(bare, provider.force_flush) for _ in range(rounds))
    provider.shutdown()
    return ours / theirs


class Nowhere(SpanExporter):
    """Takes spans and forgets them: the bare SDK is measured without the cost of sending."""

    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def per_call_us(work: Callable[[], object], calls: int = CALLS) -> float:
    """Microseconds of this thread's CPU per call."""
    start = time.thread_time_ns()
    for _ in range(calls):
        work()
    return (time.thread_time_ns() - start) / calls / 1000


def compare(*works: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """The best of many rounds of each, interleaved, in microseconds per call."""
    best = [float("inf")] * len(works)
    for _ in range(rounds):
        for number, work in enumerate(works):
            best[number] = min(best[number], per_call_us(work))
        spanruns.flush(10)
    return best


def plain(city: str, days: int = 3) -> str:
    """The work of a tool."""
    return f"sunny in {city}"


work_of_tool = spanruns.tool("work")(plain)
run_of_work = spanruns.run("work")(plain)


def bare_span(tracer: trace.Tracer) -> Callable[[], None]:
    """A call of the SDK alone, with the same attributes."""

    def call() -> None:
        with tracer.start_as_current_span("execute_tool work", attributes=ATTRIBUTES):
            plain("Bonn")

    return call


def tool_ratio() -> dict[str, float]:
    """`@tool` against a bare span; a run with its events beside it."""
    provider = TracerProvider(resource=Resource({}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Nowhere(), max_queue_size=100_000))
    bare = bare_span(provider.get_tracer("bare"))
    bare_us, tool_us, run_us = compare(bare, lambda: work_of_tool("Bonn"), lambda: run_of_work("Bonn"))
    provider.shutdown()
    return {"bare_us": bare_us, "tool_us": tool_us, "tool_ratio": tool_us / bare_us, "run_us": run_us}


def unsampled_us() -> float:
    """A call of a tool in a trace that is not sampled, above the call itself."""
    ignored = trace.NonRecordingSpan(trace.SpanContext(1, 2, True, trace.TraceFlags(trace.TraceFlags.DEFAULT)))
    token = context.attach(trace.set_span_in_context(ignored))
    alone, wrapped = compare(lambda: plain("Bonn"), lambda: work_of_tool("Bonn"))
    context.detach(token)
    return wrapped - alone


def disabled_us() -> float:
    """A call of a tool while we are switched off, above the call itself."""
    before = _pipeline._disabled
    _pipeline._disabled = True
    alone, wrapped = compare(lambda: plain("Bonn"), lambda: work_of_tool("Bonn"))
    _pipeline._disabled = before
    return wrapped - alone


def heartbeat_percent(runs: int = 1_000) -> float:
    """CPU of the heartbeats of this many live runs, as percent of one core, at the default interval."""
    pipeline = _pipeline.current()
    assert pipeline is not None
    registry = Registry()
    lifecycle = Lifecycle(registry, lambda: pipeline.resource, pipeline.settings.heartbeat_s, "0")
    provider = TracerProvider(shutdown_on_exit=False)
    spans: list[Any] = [provider.get_tracer("live").start_span(f"run {number}") for number in range(runs)]
    states = [RunState(span, {}) for span in spans]
    for state in states:
        registry.add(state)
    lifecycle.write_to(pipeline.events)
    beats = 20
    pipeline.flush(10)
    start = time.process_time()
    for _ in range(beats):
        lifecycle._heartbeat(registry.live())
    pipeline.flush(10)
    return (time.process_time() - start) / beats / pipeline.settings.heartbeat_s * 100


def import_ms() -> dict[str, float]:
    """CPU of the importing thread in a fresh interpreter, milliseconds, best of several."""
    script = """
import json, time
start = time.thread_time()
import opentelemetry.sdk.trace
sdk = time.thread_time()
import spanruns
ours = time.thread_time()
import spanruns.auto
print(json.dumps({"sdk_ms": sdk - start, "spanruns_ms": ours - sdk, "auto_ms": time.thread_time() - start}))
"""
    env = {"SPANRUNS_EXIT_SECONDS": "0", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "PATH": "/usr/bin"}
    command = [sys.executable, "-c", script]
    times = [
        json.loads(subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout)
        for _ in range(7)
    ]
    return {key: min(found[key] for found in times) * 1000 for key in times[0]}


def main() -> None:
    """Measure everything and print it as JSON."""
    sink = subprocess.Popen(
        [sys.executable, "-c", SINK, str(ROOT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert sink.stdout is not None
    url = sink.stdout.readline().strip()
    spanruns.configure(endpoint=url, metrics=True, logs=True)
    threading.Event().wait(0.5)  # the sending threads import what they need
    with sink:
        found = {
            **tool_ratio(),
            "process_cpu_ratio_with_sending": process_ratio(url),
            "unsampled_us": unsampled_us(),
            "disabled_us": disabled_us(),
            "heartbeat_1000_runs_percent_of_a_core": heartbeat_percent(),
            **import_ms(),
        }
        spanruns.flush(10)
        sink.kill()
    print(json.dumps({key: round(value, 3) for key, value in found.items()}, indent=2))


if __name__ == "__main__":
    main()
