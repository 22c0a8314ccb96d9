"""Beside the service's own OpenTelemetry: nothing of it is lost, nothing is sent twice, whoever comes first."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.integration.spanruns.conftest import MakeService
from tests.support.sink import Sink

OURS = "import spanruns.auto\n"
MEMORY = """
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
memory = InMemorySpanExporter()
provider = TracerProvider(resource=Resource({"service.name": "theirs"}))
provider.add_span_processor(SimpleSpanProcessor(memory))
trace.set_tracer_provider(provider)
assert trace.get_tracer_provider() is provider
"""
EARLY = """
from opentelemetry import trace
early = trace.get_tracer("early")
with early.start_as_current_span("very early"):
    pass
"""
WORK = """
import spanruns
with spanruns.run("r", input="sk-abcdefghijklmnopqrstuvwx"):
    with trace.get_tracer("service").start_as_current_span("inside"):
        pass
"""


def otlp(protocol: str, processor: str) -> str:
    """The service's own exporter to the same endpoint."""
    return f"""
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, BatchSpanProcessor
from opentelemetry.exporter.otlp.proto.{protocol}.trace_exporter import OTLPSpanExporter
if not isinstance(trace.get_tracer_provider(), TracerProvider):
    trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor({processor}(OTLPSpanExporter()))
"""


@pytest.mark.parametrize("first", ["theirs", "ours"])
def test_existing_provider_is_joined(service: MakeService, sink: Sink, first: str) -> None:
    """The service's provider stays the global one, its exporter sees every span, and so do we, each once."""
    check = """
print(sorted(span.name for span in memory.get_finished_spans()))
"""
    script = MEMORY + OURS if first == "theirs" else OURS + MEMORY
    done = service(script + WORK + check).run()
    assert (done.stdout, done.stderr) == ("['inside', 'r']\n", "")
    assert Counter(span.name for span in sink.spans) == {"r": 1, "inside": 1}
    (started,) = sink.events("started")
    assert {span.resource["service.name"] for span in sink.spans} == {"theirs"}
    assert started.resource["service.name"] == "theirs"


def test_tracers_handed_out_before_reach_both(service: MakeService, sink: Sink) -> None:
    """A tracer that a library got from our provider reaches the exporters of the provider that replaces it."""
    script = (
        OURS
        + EARLY
        + MEMORY
        + """
with early.start_as_current_span("early tracer"):
    pass
with trace.get_tracer("new").start_as_current_span("new tracer"):
    pass
print(sorted(span.name for span in memory.get_finished_spans()))
"""
    )
    done = service(script).run()
    assert (done.stdout, done.stderr) == ("['early tracer', 'new tracer']\n", "")
    assert Counter(span.name for span in sink.spans) == {"very early": 1, "early tracer": 1, "new tracer": 1}


@pytest.mark.parametrize("first", ["theirs", "ours"])
@pytest.mark.parametrize("processor", ["BatchSpanProcessor", "SimpleSpanProcessor"])
def test_exporter_to_the_same_endpoint_is_left_to_it(
    service: MakeService, sink: Sink, first: str, processor: str
) -> None:
    """Each span arrives once, cleaned, whoever was first; lifecycle events arrive too."""
    theirs = otlp("http", processor)
    script = theirs + OURS if first == "theirs" else OURS + theirs
    done = service(script + WORK, PYTHONWARNINGS="ignore").run()  # the SDK's exporter leaves its socket open
    assert done.stderr == ""
    assert Counter(span.name for span in sink.spans) == {"r": 1, "inside": 1}
    assert sink.span("r").attributes["spanruns.run.input"] == '"[masked]"'
    assert len(sink.events("started")) == 1
    if processor == "BatchSpanProcessor":
        assert sink.span("r").attributes["spanruns.run.spans.ended"] == 2


def test_batch_of_the_service_is_sent_when_a_run_ends(service: MakeService, sink: Sink) -> None:
    """With the service's own exporter a run's end does not wait for its five-second batch."""
    script = (
        otlp("http", "BatchSpanProcessor") + OURS + WORK + "import sys; print('ended', flush=True); sys.stdin.read()"
    )
    process = service(script, OTEL_BSP_SCHEDULE_DELAY="30000").start()
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        sink.wait(lambda sink: len(sink.spans) == 2, timeout_s=5)
        process.kill()


def test_other_exporter_changes_nothing(service: MakeService, sink: Sink) -> None:
    """An exporter to another endpoint goes on uncleaned, beside ours."""
    script = otlp("http", "SimpleSpanProcessor").replace(
        "OTLPSpanExporter()", "OTLPSpanExporter('http://127.0.0.1:9/v1/traces', timeout=0.1)"
    )
    service(script + OURS + WORK).run()
    assert Counter(span.name for span in sink.spans) == {"r": 1, "inside": 1}


def test_imported_and_configured_twice(service: MakeService, sink: Sink) -> None:
    """However often and in whatever order it is set up, everything is sent once."""
    script = (
        OURS
        + """
import importlib, spanruns
spanruns.configure()
importlib.reload(spanruns.auto)
spanruns.configure(service_name="late")
from opentelemetry import trace
"""
        + WORK
    )
    service(script).run()
    assert Counter(span.name for span in sink.spans) == {"r": 1, "inside": 1}
    assert len(sink.events()) == 1


def test_logs_of_the_service_s_own_provider_are_not_sent_twice(service: MakeService, sink: Sink) -> None:
    """A service with OpenTelemetry logging to the same endpoint has each record once; elsewhere both have it."""
    script = """
import logging
from opentelemetry._logs import set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor, InMemoryLogRecordExporter
memory = InMemoryLogRecordExporter()
FIRST
provider = LoggerProvider()
provider.add_log_record_processor(SimpleLogRecordProcessor(memory))
set_logger_provider(provider)
logging.getLogger().addHandler(LoggingHandler(logger_provider=provider))
THEN
import spanruns
with spanruns.run("r"):
    logging.getLogger("app").warning("once")
print(len(memory.get_finished_logs()))
"""
    for first, then in (("", OURS), (OURS, "")):
        sink.logs.clear()
        done = service(script.replace("FIRST", first).replace("THEN", then), PYTHONWARNINGS="ignore").run()
        assert done.stdout == "1\n"
        assert [log.body for log in sink.logs if not log.event] == ["once"]


def test_events_of_frameworks_arrive(service: MakeService, sink: Sink) -> None:
    """What a framework logs through OpenTelemetry inside a run arrives, with its event name and trace."""
    script = (
        OURS
        + """
import spanruns
from opentelemetry._logs import get_logger, LogRecord
with spanruns.run("r"):
    get_logger("framework").emit(LogRecord(event_name="gen_ai.something", body={"a": "sk-abcdefghijklmnopqrstuvwx"}))
get_logger("framework").emit(LogRecord(event_name="outside"))
"""
    )
    service(script).run()
    (event,) = [log for log in sink.logs if not log.event.startswith("spanruns.")]
    assert (event.event, event.span_id, event.body) == ("gen_ai.something", sink.span("r").span_id, {"a": "[masked]"})


def test_meter_provider_of_the_service_stays(service: MakeService, sink: Sink) -> None:
    """Its readers read everything it did before; our metrics arrive beside it."""
    script = """
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
FIRST
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
THEN
import spanruns
metrics.get_meter("service").create_counter("mine").add(1)
with spanruns.run("r"):
    pass
data = reader.get_metrics_data()
print(sorted({m.name for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics}))
"""
    for first, then in (("", OURS), (OURS, "")):
        sink.metrics.clear()
        done = service(script.replace("FIRST", first).replace("THEN", then)).run()
        assert (done.stdout, done.stderr) == ("['mine']\n", "")
        assert "spanruns.run.count" in {metric.name for metric in sink.metrics}


def test_provider_of_another_kind_is_told(service: MakeService, sink: Sink) -> None:
    """Where no processor can be added, our own runs are still sent, and the log says so."""
    script = (
        """
from opentelemetry import trace
class Other(trace.NoOpTracerProvider):
    pass
trace.set_tracer_provider(Other())
"""
        + OURS
        + """
import spanruns
with spanruns.run("r"), spanruns.tool("t"):
    pass
"""
    )
    done = service(script).run()
    assert "takes no span processor" in done.stderr
    assert Counter(span.name for span in sink.spans) == {"r": 1, "execute_tool t": 1}


def test_unsampled_trace_costs_nothing_and_sends_nothing(service: MakeService, sink: Sink) -> None:
    """A sampler of the service decides for us too."""
    script = (
        OURS
        + """
import spanruns
with spanruns.run("r") as run, spanruns.tool("t"):
    run.progress(1)
"""
    )
    service(script, OTEL_TRACES_SAMPLER="always_off").run()
    assert (sink.spans, sink.events()) == ([], [])
