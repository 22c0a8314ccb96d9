"""A service with another OpenTelemetry distribution: arguments are who comes first, and which distribution."""

import sys

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

first, distribution = sys.argv[1:3]
memory = InMemorySpanExporter()


def ours() -> None:
    """Ours."""
    import spanruns.auto  # noqa: F401


def theirs() -> None:
    """Theirs, with an exporter of its own besides what it takes from the environment."""
    if distribution == "logfire":
        import logfire  # type: ignore[import-not-found, unused-ignore]

        processors = [SimpleSpanProcessor(memory)]
        logfire.configure(
            send_to_logfire=False, console=False, additional_span_processors=processors, inspect_arguments=False
        )
        logfire.instrument_pydantic_ai()
        logfire.instrument_openai()
    else:
        from traceloop.sdk import Traceloop  # type: ignore[import-not-found, unused-ignore]

        Traceloop.init(app_name="service", exporter=memory, disable_batch=True, telemetry_enabled=False)


for set_up in (ours, theirs) if first == "ours" else (theirs, ours):
    set_up()

import openai  # noqa: E402
import spanruns  # noqa: E402
from pydantic_ai import Agent  # noqa: E402
from pydantic_ai.models.test import TestModel  # noqa: E402

agent = Agent(TestModel(), name="weather_agent")
with spanruns.run("outer"):
    agent.run_sync("hi")
    openai.OpenAI(api_key="none").chat.completions.create(
        model="gpt-4.1-mini", messages=[{"role": "user", "content": "hi"}]
    )
print("theirs:", sorted(span.name for span in memory.get_finished_spans()))
